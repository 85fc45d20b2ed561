"""One visit of a page for each screen, and all that it shows."""

import functools
import gzip
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser

from tests.site.axe import COLORS, faults
from tests.site.pages import DESK, PHONE, load, watched
from tests.site.replays import FAINTEST, SWEEP, drawn, unfolded

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

EMPTY = "() => [...document.images].filter(e => e.loading !== 'lazy' && !e.naturalWidth).map(e => e.src)"
THEME = "() => document.documentElement.dataset.theme"
WIDTH = "() => document.documentElement.scrollWidth"
STYLED = "() => getComputedStyle(document.body).getPropertyValue('--pst-color-primary')"
DARKEN = """async () => {
    document.documentElement.dataset.theme = 'dark';
    const fades = document.getAnimations().filter(one => one instanceof CSSTransition);
    await Promise.allSettled(fades.map(one => one.finished));
}"""


@dataclass(kw_only=True)
class Visit:
    """A page on one screen."""

    troubles: list[str]  # requests and errors, without those of axe, which asks for style sheets by itself
    theme: str  # before any switch
    styled: str  # the theme's first color; empty without its style sheet
    width: int  # of the document in pixels
    too_wide: list[str]
    silent: list[str]
    empty: list[str]  # addresses of pictures that did not load
    sizes: dict[str, int]  # bytes over the wire of all that was loaded, by path
    swept: list[dict] = field(default_factory=list)  # each replay, over all values of its sliders
    unfolded: list[tuple[int, dict]] = field(default_factory=list)  # each replay with its table
    faults: list[str] = field(default_factory=list)  # of accessibility, in both themes
    faintest: list[float] = field(default_factory=list)  # contrast of each replay, in both themes


class Visits:
    """Visits of the website, each made once.

    Args:
        browser: that makes them.
        address: of the website on its server.
        site: folder of the website.
    """

    def __init__(self, browser: Browser, address: str, site: Path):
        self._browser, self._address, self._site = browser, address, site
        self._made: dict[tuple[str, str], Visit] = {}

    def desk(self, name: str) -> Visit:
        """Served, on a wide screen: every value of every slider, and accessibility."""
        return self._once("desk", name)

    def phone(self, name: str) -> Visit:
        """Served, on a narrow screen: the replays with their tables, and accessibility."""
        return self._once("phone", name)

    def file(self, name: str) -> Visit:
        """Opened with a double click, in the dark."""
        return self._once("file", name)

    def _once(self, how: str, name: str) -> Visit:
        if (how, name) not in self._made:
            self._made[how, name] = self._visit(how, name)
        return self._made[how, name]

    def _visit(self, how: str, name: str) -> Visit:
        root = self._site.as_uri() if how == "file" else self._address
        screen, theme = PHONE if how == "phone" else DESK, "dark" if how == "file" else "light"
        page, seen = watched(self._browser, root, screen, theme=theme)
        load(page, f"{root}/{name}")
        paths = {url.removeprefix(f"{root}/") for url in seen.loaded}
        visit = Visit(
            troubles=[],
            theme=page.evaluate(THEME),
            styled=page.evaluate(STYLED),
            width=page.evaluate(WIDTH),
            too_wide=page.evaluate(TOO_WIDE),
            silent=page.evaluate(SILENT),
            empty=page.evaluate(EMPTY),
            sizes={f"/{path}": _wire_bytes(self._site / path) for path in paths},
        )
        figures = drawn(page)
        if how == "desk":
            visit.swept += [figure.evaluate(SWEEP) for figure in figures]
        if how == "phone":
            visit.unfolded += [unfolded(figure) for figure in figures]
        visit.troubles += seen.faults()
        if how != "file":
            visit.faults += faults(page)
            visit.faintest += [figure.evaluate(FAINTEST) for figure in figures]
            page.evaluate(DARKEN)
            visit.faults += faults(page, only=COLORS)  # nothing else differs
            visit.faintest += [figure.evaluate(FAINTEST) for figure in figures]
        page.close()
        return visit


@functools.cache
def _wire_bytes(path: Path) -> int:
    """Size of a file, compressed as a server would."""
    body = path.read_bytes()
    return len(body) if path.suffix in PACKED else len(gzip.compress(body, 6))
