"""The website's pages in a browser with the rest of the internet cut off."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, Response, Route

ROOT = Path(__file__).parents[2]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
PAGES = [f"{page}.html" for page in re.findall(r"(?:file|root):\s*(\S+)", (ROOT / "_toc.yml").read_text())]
PAGES += ["search.html?q=model", "genindex.html", "404.html"]  # and index.html, which leads to the first
PATIENCE_MS = 120_000  # only catches a hang, also on a machine that is busy with other work

# Scrolled at the beginning of a frame, whose end tells what watches the screen.
SKIP = "() => document.querySelectorAll('.lab-prediction .lab-skip').forEach(button => button.click())"
SCROLL = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let y = 0; y <= document.documentElement.scrollHeight; y += window.innerHeight) {
        await frame();
        window.scrollTo(0, y);
    }
    await frame();
}"""


@dataclass
class Seen:
    """Requests and errors of a page."""

    outside: list[str] = field(default_factory=list)  # requests to other hosts, all refused
    failed: list[str] = field(default_factory=list)  # requests to our own host, answered with an error
    errors: list[str] = field(default_factory=list)  # of the console, and exceptions
    loaded: set[str] = field(default_factory=set)  # addresses of our own host, without their queries

    def faults(self) -> list[str]:
        return self.outside + self.failed + self.errors


def watched(browser: Browser, address: str, screen: dict, *, theme: str = "light") -> tuple[Page, Seen]:
    """A page that can reach nothing but the website, and the record of what it does.

    Its storage and its cache are empty. Motion is reduced, so that no color is caught between two themes.
    """
    page = browser.new_page(viewport=screen, color_scheme=theme, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    seen = Seen()

    def route(route: Route) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            seen.outside.append(route.request.url)
            route.abort()

    def note(response: Response) -> None:
        if response.status >= 400:
            seen.failed.append(f"{response.status} {response.url}")
        elif response.status == 200 and response.url.startswith(address):
            seen.loaded.add(response.url.split("?")[0])

    page.route("**/*", route)
    page.on("response", note)
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    return page, seen


def uncover(page: Page) -> None:
    """Skips the predictions of a page, which cover what follows them."""
    page.wait_for_function("() => !document.querySelector('.lab-prediction:not([data-ready])')")
    page.evaluate(SKIP)


def load(page: Page, url: str) -> None:
    """Loads a page, uncovers it, and scrolls to its end screen by screen, so that what loads lazily is loaded too."""
    page.goto(url, wait_until="load")
    uncover(page)
    page.evaluate(SCROLL)
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
