"""Drives every page of the built website in Firefox and in WebKit and prints a table.

    python -m release FOLDER        # with tests/ on PYTHONPATH; `make browsers` does it

Exit status: 0, every browser that could be driven passed everything, and there was at least one; 1, a page failed;
2, no browser could be driven. A browser that could not be driven is named with the reason, and is not checked.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from release.copied import FRESH, copy, serve, with_ears
from release.firefox import firefox
from release.pages import Found, check
from release.webkit import webkit
from release.window import Gone, NotDriven, Refused, Window

BROWSERS = {"Firefox": firefox, "WebKit": webkit}
PHONE, DESK = (390, 844), (1280, 800)
FAULTY = "faulty.html"
FAULTS = (  # of that page
    "another picture at position 0 of the slider one",
    "another sentence at position 0 of the slider two",
    "a moving picture",
    "a reason for option 1",
    "the measurement of a prediction",
    "a prediction that waits",
    "900 px wide",
    "on a screen of 844 px",
    "not loaded: ",
    "asked another host: https://elsewhere.invalid",
    "console: complains",
    "script error: breaks its promise",
    "throws",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    browser: str  # with its version
    page: str
    screen: str  # width, and how the page was had
    result: str
    passed: bool

    def __str__(self) -> str:
        return f"{self.browser:<17} {self.page:<28} {self.screen:<16} {self.result}"


def drive(name: str, copy: Path, address: str, pictures: Path) -> Iterator[Row]:
    """Every page in one browser: on a phone's screen from a subfolder of a server, on a desk's from a file.

    Args:
        name: of the browser.
        copy: of the website, with ears.
        address: where it is served.
        pictures: folder for what a page that failed looked like.

    Raises:
        NotDriven: the browser does not start, or the check cannot see faults in it.
    """
    with BROWSERS[name]() as (version, window):
        browser = f"{name} {version}"
        try:
            _trust(window, f"{address}/{FAULTY}")
        except (Refused, Gone) as error:
            raise NotDriven(f"it fails on the page that tests the check: {error}. Start it again") from error
        total = Found()
        for size, base, how in ((PHONE, address, "served"), (DESK, copy.as_uri(), "file")):
            for page in pages(copy, served=how == "served"):
                try:
                    found = check(window, f"{base}/{page}", size=size, fresh=FRESH, keeps=how == "served")
                    if found.faults:
                        _save(pictures / f"{name}-{page.split('?')[0].replace('/', '-')}-{found.width}.png", window)
                except Gone as gone:
                    yield Row(browser=browser, page=page, screen=how, result=f"FAILED: {gone}", passed=False)
                    return
                except Refused as refused:
                    found = Found(width=size[0], faults=[str(refused)])
                total += found
                screen = f"{found.width} px, {how}" + ("" if found.width == size[0] else ", its narrowest")
                yield Row(browser=browser, page=page, screen=screen, result=str(found), passed=not found.faults)
        if nothing := total.nothing():
            result = f"FAILED: the website has no {nothing}"
            yield Row(browser=browser, page="all pages", screen="", result=result, passed=False)


def pages(copy: Path, *, served: bool) -> list[str]:
    """Addresses of all pages inside the website; served, the search page searches (a file may not read other files)."""
    found = (path.relative_to(copy) for path in copy.rglob("*.html"))
    names = sorted(path.as_posix() for path in found if path.parts[0] != "_static" and path.name != FAULTY)
    return [name + "?q=model" if name == "search.html" and served else name for name in names]


def verdict(rows: Iterable[Row], not_driven: dict[str, str]) -> tuple[list[str], int]:
    """Last lines of the report, one per browser, and the exit status."""
    browsers: dict[str, list[bool]] = {}
    for row in rows:
        browsers.setdefault(row.browser, []).append(row.passed)
    lines = [f"{name}: checked, {sum(passed)} of {len(passed)} passed" for name, passed in browsers.items()]
    lines += [f"{name}: NOT CHECKED: {why}" for name, why in not_driven.items()]
    if not browsers:
        return lines, 2
    return lines, 0 if all(map(all, browsers.values())) else 1


def _trust(window: Window, url: str) -> None:
    """Runs the check on the page with every fault; in a browser where it misses one it proves nothing."""
    patience, window.patience_s = window.patience_s, 1.0
    try:
        faults = check(window, url, size=PHONE, fresh=FRESH, keeps=False).faults
    finally:
        window.patience_s = patience
    if missed := [fault for fault in FAULTS if not any(fault in found for found in faults)]:
        raise NotDriven(f"the check does not see these faults in it: {'; '.join(missed)}. It saw: {'; '.join(faults)}")


def _save(picture: Path, window: Window) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(window.picture())


def main(site: Path) -> int:
    """Drives the browsers, prints the table and gives the exit status."""
    if not (site / "index.html").is_file():
        print(f"browsers: there is no website in {site}. Type: make site")
        return 2
    rows, not_driven, pictures = [], {}, site.parent / "browsers"
    shutil.rmtree(pictures, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        listening = copy(site, Path(folder))
        faulty = Path(__file__).with_name(FAULTY).read_text(encoding="utf-8")
        (listening / FAULTY).write_text(with_ears(faulty), encoding="utf-8")
        with serve(listening) as address:
            for name in BROWSERS:
                try:
                    for row in drive(name, listening, address, pictures):
                        rows.append(row)
                        print(row, flush=True)
                except NotDriven as why:
                    not_driven[name] = str(why)
    lines, status = verdict(rows, not_driven)
    print(*(f"browsers: {line}" for line in lines), sep="\n")
    if pictures.is_dir():
        print(f"browsers: what failed looked like this: {pictures}")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
