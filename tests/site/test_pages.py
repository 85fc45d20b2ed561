"""Every page of the website in a real browser, with the rest of the internet cut off."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from mobilellm_lab.deep_narrow.figures.replay import shells_arms
from mobilellm_lab.deep_narrow.study.evidence import reported
from mobilellm_lab.reference import SWEEPS, open_sweep

ROOT = Path(__file__).parents[2]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
PAGES = [f"{page}.html" for page in re.findall(r"(?:file|root):\s*(\S+)", (ROOT / "_toc.yml").read_text())]
PAGES += ["index.html", "search.html?q=model", "genindex.html"]

# Elements that reach past the right edge of the screen, except inside a box that scrolls or clips by itself.
TOO_WIDE = """() => {
    const boxed = (e) => {
        for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
            if (getComputedStyle(p).overflowX !== 'visible') return true;
        return false;
    };
    return [...document.body.querySelectorAll('article *, header *, footer *')]
        .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}))
        .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 && !boxed(e))
        .map(e => e.outerHTML.slice(0, 200));
}"""

# Pictures that say nothing to a reader who cannot see them; a file name is no description.
SILENT = """() => [
    ...[...document.querySelectorAll('img')].filter(e => !e.alt.trim() || /\\.(png|svg|jpe?g|webp)$/i.test(e.alt)),
    ...[...document.querySelectorAll('article svg')].filter(e => !e.closest('[aria-hidden=true], mjx-container')
        && !e.getAttribute('aria-label') && !e.querySelector('title')),
].map(e => e.outerHTML.slice(0, 200))"""


SCROLL = """async () => {
    for (let y = 0; y <= document.documentElement.scrollHeight; y += window.innerHeight) {
        window.scrollTo(0, y);
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
}"""


@dataclass
class Seen:
    """What a page did while it loaded."""

    outside: list[str] = field(default_factory=list)  # requests to other hosts, all refused
    failed: list[str] = field(default_factory=list)  # requests to our own host, answered with an error
    errors: list[str] = field(default_factory=list)  # of the console, and exceptions

    def all(self) -> list[str]:
        return self.outside + self.failed + self.errors


def watched(browser: Browser, address: str, screen: dict) -> tuple[Page, Seen]:
    """A page that can reach nothing but the website, and the record of what it does."""
    page, seen = browser.new_page(viewport=screen), Seen()

    def route(route: Route) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            seen.outside.append(route.request.url)
            route.abort()

    page.route("**/*", route)
    page.on("response", lambda r: seen.failed.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    return page, seen


def visit(page: Page, url: str) -> None:
    """Loads a page and scrolls to its end screen by screen, so that what loads lazily is loaded too."""
    page.goto(url, wait_until="load")
    if url.endswith("/index.html"):  # leads to the first page
        page.wait_for_url("**/book/intro.html")
    page.evaluate(SCROLL)
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_on_a_phone(browser, address, name):
    page, seen = watched(browser, address, PHONE)
    visit(page, f"{address}/{name}")
    assert not seen.all()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert not page.evaluate(TOO_WIDE)
    assert not page.evaluate(SILENT)
    assert page.evaluate("[...document.images].every(e => e.loading === 'lazy' || e.naturalWidth > 0)")
    page.close()


@pytest.mark.parametrize(("way", "theme"), [("served", "light"), ("double-clicked", "dark")])
def test_page_is_whole_on_a_desk(browser, site, address, way, theme):
    """Served, or opened as a file: there the search shows titles only, since a file may not read another."""
    root = address if way == "served" else site.as_uri()
    page, seen = watched(browser, root, DESK)
    page.emulate_media(color_scheme=theme)
    for name in PAGES if way == "served" else [name for name in PAGES if "?" not in name]:
        visit(page, f"{root}/{name}")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert not seen.all(), name
        assert page.evaluate("document.documentElement.scrollWidth") <= DESK["width"], name
        assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--pst-color-primary')"), name
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
    store = open_sweep("deep_narrow")
    runs = reported(store, [arm for arm in shells_arms() if arm.recipe.budget == 60_000])
    one, four = (100 * runs[runs["depth"] == depth]["score"].median() for depth in (1, 4))
    text = re.sub("<[^>]+>", "", (site / "book" / "intro.html").read_text(encoding="utf-8"))
    assert f"{one:.0f} → {four:.0f} %" in text
    assert f"{sum(len(open_sweep(name).rows) for name in SWEEPS)} measurements" in text


@pytest.mark.parametrize(("word", "where"), [("phone", "book/intro.html"), ("perplexity", "book/glossary.html")])
def test_search_finds(browser, address, word, where):
    page, seen = watched(browser, address, DESK)
    page.goto(f"{address}/search.html?q={word}")
    page.wait_for_selector(f"#search-results a[href*='{where}']")
    assert not seen.all()
    page.close()


def test_search_finds_titles_in_a_folder_of_files(browser, site):
    page, seen = watched(browser, site.as_uri(), DESK)
    page.goto(f"{site.as_uri()}/search.html?q=perplexity")
    page.wait_for_selector("#search-results a[href*='book/glossary.html']")
    assert not seen.outside
    page.close()


def test_the_watch_itself(browser, address):
    """A page with every fault is caught in every one."""
    page, seen = watched(browser, address, PHONE)
    page.goto(f"{address}/book/intro.html")
    page.set_content(
        f"<article><img src='{address}/absent.png'><svg></svg><p style='width: 500px'>wide</p>"
        "<div style='overflow: auto'><p style='width: 500px'>scrolls</p></div></article>"
        "<script src='https://cdn.invalid/x.js'></script><script>throw Error('thrown')</script>"
    )
    page.wait_for_load_state("networkidle")
    assert seen.outside == ["https://cdn.invalid/x.js"]
    assert seen.failed == [f"404 {address}/absent.png"]
    assert any("thrown" in error for error in seen.errors)
    assert page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]
    assert len(page.evaluate(TOO_WIDE)) == 1
    assert len(page.evaluate(SILENT)) == 2
    page.close()
