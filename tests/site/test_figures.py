"""Printed figures in the browser: words are large enough on a phone and a desk, and dark pages have dark figures."""

import re
from pathlib import Path

import lab_figures
import pytest
from docutils import nodes
from docutils.utils import new_document
from playwright.sync_api import Browser, Page

from mobilellm_lab.charts import printed
from tests.site.axe import THEME
from tests.site.pages import DESK, PAGES, PHONE, load, watched
from tests.site.replays import CONTRAST, FAINTEST

LEAST_PX = 11
CHAPTERS = [name for name in PAGES if re.search(r"/\d\d_", name)]
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 18, 18)"}
FIGURE = "article svg.lab-figure"

# Height of each word in pixels of the screen.
SIZES = """figure => [...figure.querySelectorAll('text')].map(word =>
    [word.textContent, parseFloat(getComputedStyle(word).fontSize) * figure.getScreenCTM().a])"""
GROUND = """figure => {
    for (let e = figure; e; e = e.parentElement)
        if (getComputedStyle(e).backgroundColor !== 'rgba(0, 0, 0, 0)') return getComputedStyle(e).backgroundColor;
}"""
# Whatever scrolls sideways by itself, with what a keyboard and a screen reader are told of it, and which side fades.
BOXES = """() => [...document.querySelectorAll('article *')]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
    .map(e => ({tag: e.outerHTML.slice(0, 120), tab: e.tabIndex, name: e.getAttribute('aria-label') || '',
        more: e.dataset.more || '', mask: getComputedStyle(e).maskImage}))"""
OPEN = "() => document.querySelectorAll('article details').forEach(e => { e.open = true; })"
END = """async () => {
    const boxes = [...document.querySelectorAll('article [data-more]')];
    boxes.forEach(e => { e.scrollLeft = e.scrollWidth; });
    await new Promise(done => setTimeout(done, 200));
    return boxes.filter(e => e.checkVisibility()).map(e => e.dataset.more);
}"""


def test_the_words_of_a_figure_are_those_of_its_cell_and_no_other_picture_is_kept():
    assert lab_figures.OPENING == printed.OPENING
    html, png = nodes.container(mime_type="text/html"), nodes.container(mime_type="image/png")
    html += nodes.raw("", f"{printed.OPENING} fill='red'></svg>", format="html", classes=["output", "text_html"])
    png += nodes.image(uri="one.png")
    bundle = nodes.container("", html, png, nb_element="mime_bundle")
    document, metadata = new_document("page"), {"mystnb": {"image": {"alt": 'Two "lines"'}}}
    document += nodes.container("", bundle, nb_element="cell_code", cell_metadata=metadata)
    lab_figures.Describe(document).apply()
    (kept,) = document.findall(nodes.raw)
    assert kept.astext() == f'{printed.OPENING} role="img" aria-label="Two &quot;lines&quot;" fill=\'red\'></svg>'
    assert kept["classes"] == ["output", "text_html"] and not list(document.findall(nodes.image))


@pytest.mark.parametrize("screen", (PHONE, DESK), ids=("phone", "desk"))
def test_figures_are_readable_in_both_themes(browser: Browser, address: str, site: Path, screen: dict):
    count = 0
    for name in CHAPTERS:
        page = opened(browser, address, name, screen)
        figures = page.query_selector_all(FIGURE)
        count += len(figures)
        for figure in figures:
            assert figure.get_attribute("role") == "img" and len(figure.get_attribute("aria-label")) > 20
            assert not [(word, size) for word, size in figure.evaluate(SIZES) if size < LEAST_PX]
        for theme, ground in GROUNDS.items():
            page.evaluate(THEME, theme)
            assert {figure.evaluate(GROUND) for figure in figures} <= {ground}
            assert all(figure.evaluate(FAINTEST) >= CONTRAST for figure in figures)
        page.close()
    assert count > 20


def test_what_is_wider_than_a_phone_says_that_it_scrolls(browser: Browser, address: str, site: Path):
    count = 0
    for name in CHAPTERS:
        page = opened(browser, address, name, PHONE)
        boxes = page.evaluate(BOXES)
        count += len(boxes)
        assert not [box for box in boxes if box["tab"] != 0 or not box["name"]]
        assert not [box for box in boxes if "right" not in box["more"] or "gradient" not in box["mask"]]
        assert set(page.evaluate(END)) <= {"left"}
        page.close()
    assert count > 20


def opened(browser: Browser, address: str, name: str, screen: dict) -> Page:
    """A page with all that is folded, once its wide boxes are known."""
    page, _ = watched(browser, address, screen)
    load(page, f"{address}/{name}")
    page.evaluate(OPEN)
    page.wait_for_timeout(500)
    return page
