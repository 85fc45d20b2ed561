"""Every page of the website in a real browser, with the rest of the internet cut off."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

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
    """Loads a page and scrolls to its end, so that what loads lazily is loaded too."""
    page.goto(url, wait_until="networkidle")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_is_whole_on_a_desk(browser, address, theme):
    page, seen = watched(browser, address, DESK)
    page.emulate_media(color_scheme=theme)
    for name in PAGES:
        visit(page, f"{address}/{name}")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert not seen.all(), name
        assert page.evaluate("document.documentElement.scrollWidth") <= DESK["width"], name
    page.close()


def test_search_finds_the_first_page(browser, address):
    page, seen = watched(browser, address, DESK)
    page.goto(f"{address}/search.html?q=phone")
    page.wait_for_selector("#search-results a[href*='book/intro.html']")
    assert not seen.all()
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
