"""The first page, the search, and the watch over a page's requests and errors."""

import re

import pytest

from mobilellm_lab import constraints
from mobilellm_lab.deep_narrow.study.evidence import speeds as by_depth
from mobilellm_lab.quantization.study.evidence import speeds
from mobilellm_lab.reference import open_sweep, sweep_names
from mobilellm_lab.reference.rows import one
from tests.site.pages import DESK, PHONE, SCROLL, watched
from tests.site.visits import CUT, SILENT, TOO_WIDE


@pytest.mark.parametrize("way", ["served", "double-clicked"])
def test_the_site_opens_on_its_first_page(browser, address, site, way):
    root = address if way == "served" else site.as_uri()
    page, seen = watched(browser, root, DESK)
    page.goto(f"{root}/index.html")
    page.wait_for_url(f"{root}/book/intro.html")
    assert not seen.faults()
    page.close()


def test_first_page_says_it_all_in_one_screen(browser, address):
    """Promise, numbers, links to start with, and a replay with its sliders."""
    page, _ = watched(browser, address, DESK)
    page.goto(f"{address}/book/intro.html", wait_until="networkidle")
    for what, least in {".lab-promise": 1, ".lab-number": 3, ".lab-start a": 2, "input[type=range]": 1}.items():
        bottoms = page.locator(what).evaluate_all("all => all.map(e => e.getBoundingClientRect().bottom)")
        assert len(bottoms) >= least, what
        assert max(bottoms) <= DESK["height"], what
    assert page.locator(".replay-chart").first.evaluate("e => e.getBoundingClientRect().bottom") <= DESK["height"]
    page.close()


def test_first_page_shows_the_stored_numbers(site):
    text = re.sub("<[^>]+>|\u2060", "", (site / "book" / "intro.html").read_text(encoding="utf-8"))
    text = " ".join(text.split())
    low, high = (100 * extreme(constraints.reached().values()) for extreme in (min, max))
    assert f"{low:.0f} to {high:.0f} %" in text
    packed = one(speeds(open_sweep("quantization_speed")), backend="packed 4-bit (ours)", size="125M")
    assert f"{packed['float_file_bytes'] / packed['file_bytes']:.1f} times smaller" in text
    timed = by_depth(open_sweep("deep_narrow_cost"))
    deep, shallow = (one(timed, budget=60_000, depth=depth)["p50"] for depth in (8, 1))
    assert f"{shallow / deep:.1f} times as long" in text
    assert f"{sum(len(open_sweep(name).rows) for name in sweep_names()):,} measurements" in text


@pytest.mark.parametrize(("word", "where"), [("phone", "book/intro.html"), ("perplexity", "book/glossary.html")])
def test_search_finds(browser, address, word, where):
    page, seen = watched(browser, address, DESK)
    page.goto(f"{address}/search.html?q={word}")
    page.wait_for_selector(f"#search-results a[href*='{where}']")
    assert not seen.faults()
    page.close()


def test_what_is_searched_for_stands_beside_the_magnifier(browser, address):
    page, _ = watched(browser, address, PHONE)
    page.goto(f"{address}/search.html?q=phone")
    field = page.locator("form.bd-search input:visible")
    start = field.evaluate("e => e.getBoundingClientRect().left + parseFloat(getComputedStyle(e).paddingLeft)")
    magnifier = page.locator("form.bd-search:visible > :is(i, svg)").bounding_box()
    assert magnifier["x"] + magnifier["width"] < start
    page.close()


def test_search_finds_titles_in_a_folder_of_files(browser, site):
    page, seen = watched(browser, site.as_uri(), DESK)
    page.goto(f"{site.as_uri()}/search.html?q=perplexity")
    page.wait_for_selector("#search-results a[href*='book/glossary.html']")
    assert not seen.outside
    page.close()


def test_the_scroll_itself(browser):
    """What loads as it comes into sight is told so, on every screen."""
    page = browser.new_page(viewport=PHONE)
    page.set_content(
        "<script>const told = new Set(), watch = new IntersectionObserver(all => all.forEach("
        "one => one.isIntersecting && told.add(one.target)))</script>"
        + "<p style='height: 300px'></p>" * 99
        + "<script>document.querySelectorAll('p').forEach(one => watch.observe(one))</script>"
    )
    page.evaluate(SCROLL)
    page.wait_for_function("told.size === 99")
    page.close()


def test_the_watch_itself(browser, address):
    """A page with every fault is caught in every one."""
    page, seen = watched(browser, address, PHONE)
    page.goto(f"{address}/book/intro.html")
    page.set_content(
        f"<article><img src='{address}/absent.png'><svg></svg><p style='width: 500px'>wide</p>"
        "<div style='overflow: auto'><p style='width: 500px'>scrolls</p></div>"
        "<h2>fast?<a class='headerlink' style='display: block'>#</a></h2><h2>fast?<a class='headerlink'>#</a></h2>"
        "<div class='math'><mjx-container style='display: block; overflow: auto'><p style='width: 500px'>x</p>"
        "</mjx-container></div>"
        f"<p style='width: 300px; overflow-wrap: break-word'><a>https://a.invalid/{'long' * 20}</a> "
        f"<a>https://a.invalid/<wbr>{'long' * 5}/<wbr>{'long' * 5}/</a></p></article>"
        "<script src='https://cdn.invalid/x.js'></script><script>throw Error('thrown')</script>"
    )
    page.wait_for_load_state("networkidle")
    assert seen.outside == ["https://cdn.invalid/x.js"]
    assert seen.failed == [f"404 {address}/absent.png"]
    assert any("thrown" in error for error in seen.errors)
    assert page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]
    assert len(page.evaluate(TOO_WIDE)) == 1
    assert len(page.evaluate(CUT)) == 3
    assert len(page.evaluate(SILENT)) == 2
    page.close()
