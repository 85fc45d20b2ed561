"""axe sees faults where there are some, also where it looks at one of many texts that look the same."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.site.axe import color_faults, faults
from tests.site.pages import DESK, watched


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page, _ = watched(browser, address, DESK)
    page.goto(f"{address}/book/bibliography.html")
    yield page
    page.close()


def test_the_check_itself(page):
    page.set_content("<main><button></button><p style='color: #ccc; background: #fff'>pale</p></main>")
    assert {fault.split()[0] for fault in faults(page)} >= {"button-name", "color-contrast"}


GOOD = (
    "<p class='one'><a href='#'>A link</a></p>"
    + "<p class='one'>One <b>of <i>many</i></b> that look the same.</p>" * 50
)
STYLE = """
    p, div, i { margin: 4px; color: #333; background: transparent } main { background: #fff } a { color: #00c }
    html[data-theme=dark] main { background: #222 } html[data-theme=dark] :is(p, i, a, div) { color: #eee }
    html[data-theme=dark] .night p { color: #333 } p:nth-child(60) { background: #555 }
"""
BAD = {
    "by its color": "<p class='one' style='color: #ccc'>BAD</p>",
    "by its background": "<p class='one' style='background: #555'>BAD</p>",
    "by what an ancestor paints": "<div style='background: #555'><div><div><p class='one'>BAD</p></div></div></div>",
    "by an ancestor's opacity": "<div style='opacity: .4'><div><div><p class='one'>BAD</p></div></div></div>",
    "by its size": "<p class='one' style='color: #888; font-size: 30px'>Large</p><p style='color: #888'>BAD</p>",
    "by the theme": "<div class='night'><p class='one'>BAD</p></div>",
    "by its number": "<p class='one'>Good</p>" * 8 + "<p class='one'>BAD</p>",
    "beside one that is hidden": (
        "<p class='one' style='color: #ccc; display: none'>Hidden</p><p class='one' style='color: #ccc'>BAD</p>"
    ),
    "beside one that is scrolled away": (
        "<pre style='overflow: hidden; width: 99px'>                   <i style='color: #ccc'>Away</i>\n"
        "<i style='color: #ccc'>BAD</i></pre>"
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_bad_text_among_many_good_ones_is_found(page, bad):
    page.set_content(f"<div><style>{STYLE}</style></div><main><div>{GOOD}{bad}</div></main>")
    found = color_faults(page)
    assert found and all("BAD" in fault for fault in found), found
    assert len(page.query_selector_all("p:visible")) < 10


@pytest.mark.parametrize("text", ["A text", "<b>like others</b>"])
def test_a_link_that_only_its_color_tells_is_found(page, text):
    link = "<a href='#' style='text-decoration: none'>BAD</a>"
    page.set_content(f"<style>{STYLE}</style><main><div>{GOOD}<p class='one'>{text} {link}</p></div></main>")
    assert {fault.split()[0] for fault in color_faults(page) if "BAD" in fault} == {"link-in-text-block"}
