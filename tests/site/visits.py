"""One visit of a page for each screen, and all that it shows."""

import functools
import gzip
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ElementHandle, Page

from tests.site.axe import COLORS, THEME, color_faults, faults
from tests.site.pages import DESK, PHONE, Seen, load, watched
from tests.site.replays import FAINTEST, drawn, sweep, unfolded

PACKED = (".png", ".jpg", ".webp", ".woff", ".woff2")  # compressed already

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

# Formulas that their column cuts, headings below whose words the mark that links to them has a line of its own, and
# addresses that break inside a word.
CUT = """async () => {
    await window.MathJax?.startup?.promise;
    const below = (link) => {
        const words = document.createRange();
        words.selectNodeContents(link.parentElement);
        words.setEndBefore(link);
        return link.getBoundingClientRect().top >= words.getBoundingClientRect().bottom;
    };
    const inWord = (link) => {
        const nodes = document.createTreeWalker(link, NodeFilter.SHOW_TEXT), spot = document.createRange();
        let before = '', top = null;
        for (let node = nodes.nextNode(); node; node = nodes.nextNode())
            for (let i = 0; i < node.length; i++) {
                spot.setStart(node, i);
                spot.setEnd(node, i + 1);
                const box = spot.getBoundingClientRect();
                if (top !== null && box.top > top + box.height / 2 && /\\w\\w/.test(before + node.data[i])) return true;
                [before, top] = [node.data[i], box.top];
            }
        return false;
    };
    return [
        ...[...document.querySelectorAll('article a')].filter(e => /^https?:/.test(e.textContent) && inWord(e)),
        ...[...document.querySelectorAll('div.math mjx-container')].filter(e => e.scrollWidth > e.clientWidth + 1),
        ...[...document.querySelectorAll('article .headerlink')].filter(below),
    ].map(e => e.parentElement.outerHTML.slice(0, 200));
}"""

EMPTY = "() => [...document.images].filter(e => e.loading !== 'lazy' && !e.naturalWidth).map(e => e.src)"
SHOWN_THEME = "() => document.documentElement.dataset.theme"
WIDTH = "() => document.documentElement.scrollWidth"
STYLED = "() => getComputedStyle(document.body).getPropertyValue('--pst-color-primary')"


@dataclass(kw_only=True)
class Visit:
    """A page on one screen."""

    name: str  # its address inside the website
    html: str  # as it was built
    theme: str  # before any switch
    styled: str  # the theme's first color; empty without its style sheet
    width: int  # of the document in pixels
    too_wide: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)  # formulas, addresses, and headings with a blank line
    silent: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)  # addresses of pictures that did not load
    sizes: dict[str, int] = field(default_factory=dict)  # bytes over the wire of all that was loaded, by path
    troubles: list[str] = field(default_factory=list)  # requests and errors
    swept: list[dict] = field(default_factory=list)  # each replay, over all values of its sliders
    unfolded: list[tuple[int, dict]] = field(default_factory=list)  # each replay with its table
    faults: list[str] = field(default_factory=list)  # of accessibility, in both themes
    faintest: list[float] = field(default_factory=list)  # contrast of each replay, in both themes

    @property
    def replays(self) -> int:
        """Number of replays that were built into the page."""
        return self.html.count('class="lab-replay"')


def visit_desk(browser: Browser, address: str, site: Path, name: str) -> Visit:
    """A page on a wide screen: every value of every slider, and accessibility."""
    page, seen, visit = _arrive(browser, address, site, name, DESK)
    figures = drawn(page)
    visit.swept += [sweep(figure) for figure in figures]
    _close_the_record(visit, seen, address, site)
    visit.faults += faults(page, skip=COLORS)
    visit.faintest += _faintest(page, figures)
    visit.faults += color_faults(page)
    page.close()
    return visit


def visit_phone(browser: Browser, address: str, site: Path, name: str) -> Visit:
    """A page on a narrow screen: what fits it, the replays with their tables, and accessibility.

    No style sheet colors an article by its width. axe looks at its colors on the wide screen, and here at those of the
    replays and of all that stands around the article.
    """
    page, seen, visit = _arrive(browser, address, site, name, PHONE)
    visit.too_wide += page.evaluate(TOO_WIDE)
    visit.cut += page.evaluate(CUT)
    visit.silent += page.evaluate(SILENT)
    visit.empty += page.evaluate(EMPTY)
    figures = drawn(page)
    visit.unfolded += [unfolded(figure) for figure in figures]
    _close_the_record(visit, seen, address, site)
    visit.faults += faults(page, skip=COLORS)
    visit.faintest += _faintest(page, figures)
    visit.faults += color_faults(page, outside="article")
    page.close()
    return visit


def visit_file(browser: Browser, site: Path, name: str) -> Visit:
    """A page opened with a double click, in the dark."""
    page, seen, visit = _arrive(browser, site.as_uri(), site, name, DESK, theme="dark")
    _close_the_record(visit, seen, site.as_uri(), site)
    page.close()
    return visit


def _arrive(
    browser: Browser, root: str, site: Path, name: str, screen: dict, *, theme: str = "light"
) -> tuple[Page, Seen, Visit]:
    page, seen = watched(browser, root, screen, theme=theme)
    load(page, f"{root}/{name}")
    visit = Visit(
        name=name,
        html=(site / name.split("?")[0]).read_text(encoding="utf-8"),
        theme=page.evaluate(SHOWN_THEME),
        styled=page.evaluate(STYLED),
        width=page.evaluate(WIDTH),
    )
    return page, seen, visit


def _faintest(page: Page, figures: list[ElementHandle]) -> list[float]:
    """Contrast of each replay in the light, then in the dark, which stays."""
    found = []
    for theme in ("light", "dark"):
        page.evaluate(THEME, theme)
        found += [figure.evaluate(FAINTEST) for figure in figures]
    return found


def _close_the_record(visit: Visit, seen: Seen, root: str, site: Path) -> None:
    """What the page has asked for: once its replays are drawn, before axe asks for style sheets itself."""
    visit.troubles += seen.faults()
    paths = {url.removeprefix(f"{root}/") for url in seen.loaded}
    visit.sizes |= {f"/{path}": _wire_bytes(site / path) for path in paths}


@functools.cache
def _wire_bytes(path: Path) -> int:
    """Size of a file, compressed as a server would."""
    body = path.read_bytes()
    return len(body) if path.suffix in PACKED else len(gzip.compress(body, 6))
