"""Replays in a real browser: every value of every slider moves picture and words, anywhere the page is opened from."""

import functools
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ElementHandle, Page

from tests.site.conftest import Quiet
from tests.site.test_pages import DESK, PAGES, PHONE, watched

# Replays on a page: at least one on the first page and on every page and lab of a chapter.
CHAPTERS = [name for name in PAGES if re.search(r"/\d\d_\w+(?<!_more)\.html", name)]
LEAST = dict.fromkeys(["book/intro.html", *CHAPTERS], 1)
LEAST["book/02_deep_narrow.html"] = 2
CONTRAST = 4.5  # of text against its background (WCAG AA)

PICTURE = "figure => [...figure.querySelectorAll('.replay-chart')].map(box => box.innerHTML).join('')"
MOVE = """([figure, which, value]) => {
    const input = figure.querySelectorAll('.replay-slider input')[which];
    input.value = value;
    input.dispatchEvent(new Event('input', {bubbles: true}));
}"""
CHANGED = """([figure, before]) =>
    [...figure.querySelectorAll('.replay-chart')].map(box => box.innerHTML).join('') !== before"""

# The lowest contrast between a text of the figure and what lies behind it.
FAINTEST = """figure => {
    const numbers = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
    const light = (color) => {
        const [r, g, b] = numbers(color).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (e) => {
        for (; e; e = e.parentElement) {
            const color = getComputedStyle(e).backgroundColor, alpha = numbers(color)[3];
            if (alpha === undefined || alpha === 1) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const texts = [...figure.querySelectorAll('svg text')].map(e => [getComputedStyle(e).fill, e]);
    for (const e of figure.querySelectorAll('figcaption, span, p')) texts.push([getComputedStyle(e).color, e]);
    return Math.min(...texts.map(([color, e]) => {
        const [a, b] = [light(color), light(behind(e))].sort((x, y) => x - y);
        return (b + 0.05) / (a + 0.05);
    }));
}"""


def with_replays(site: Path) -> list[str]:
    return [name for name in PAGES if "?" not in name and 'class="lab-replay"' in (site / name).read_text("utf-8")]


def drawn(page: Page) -> list[ElementHandle]:
    """The replays of the page, each once Vega has drawn it."""
    figures = page.query_selector_all("figure.lab-replay")
    for figure in figures:
        figure.scroll_into_view_if_needed()
        page.wait_for_function("figure => figure.dataset.drawn === 'vega'", arg=figure)
    return figures


def at(figure: ElementHandle) -> tuple[list[str], list[str], str]:
    """What the sliders say to ears and to eyes, and the sentence."""
    inputs = figure.query_selector_all(".replay-slider input")
    seen = [words.inner_text() for words in figure.query_selector_all(".replay-words")]
    heard = [field.get_attribute("aria-valuetext") for field in inputs]
    return heard, seen, figure.query_selector(".replay-readout").inner_text()


@pytest.fixture(scope="module")
def subfolder(site: Path) -> Iterator[str]:
    """The website served below a path, as GitHub Pages does."""
    handler = functools.partial(Quiet, directory=site.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{site.name}"
        server.shutdown()
        thread.join()


def test_replays_are_where_they_belong(site):
    for name, least in LEAST.items():
        assert (site / name).read_text("utf-8").count('class="lab-replay"') >= least, name


def test_scripts_are_only_where_a_replay_is(site):
    for name in PAGES:
        text = (site / name.split("?")[0]).read_text("utf-8")
        assert ("replay.js" in text) == ("replay.css" in text) == ('class="lab-replay"' in text), name
        assert "lab-vega" not in text  # asked for by the script, when a replay comes near


def test_each_value_of_each_slider_moves_picture_and_words(browser, address, site):
    for name in with_replays(site):
        page, seen = watched(browser, address, DESK)
        page.goto(f"{address}/{name}")
        for figure in drawn(page):
            data = json.loads(figure.query_selector(".replay-data").text_content())
            start = [int(field.input_value()) for field in figure.query_selector_all(".replay-slider input")]
            for which, slider in enumerate(data["sliders"]):
                page.evaluate(MOVE, [figure, which, 0])
                page.wait_for_timeout(100)
                for value, word in enumerate(slider["words"]):
                    before, (_, _, sentence) = figure.evaluate(PICTURE), at(figure)
                    page.evaluate(MOVE, [figure, which, value])
                    if value:
                        page.wait_for_function(CHANGED, arg=[figure, before], timeout=5000)
                    heard, shown, now = at(figure)
                    assert heard[which] == shown[which] == word
                    assert value == 0 or now != sentence
                    setting = 0
                    for index, other in enumerate(data["sliders"]):
                        setting = setting * len(other["words"]) + (value if index == which else start[index])
                    assert now == data["readouts"][setting]
                page.evaluate(MOVE, [figure, which, start[which]])
        assert not seen.all(), name
        page.close()


def test_arrow_keys_move_a_slider(browser, address, site):
    page, seen = watched(browser, address, DESK)
    page.goto(f"{address}/book/02_deep_narrow.html")
    figure = drawn(page)[0]
    field = figure.query_selector(".replay-slider input")
    value, before, (_, _, sentence) = int(field.input_value()), figure.evaluate(PICTURE), at(figure)
    field.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(CHANGED, arg=[figure, before], timeout=5000)
    assert int(field.input_value()) == value + 1
    assert at(figure)[2] != sentence
    assert not seen.all()
    page.close()


def test_a_replay_works_below_a_path_and_from_a_file(browser, site, subfolder):
    for address in (subfolder, site.as_uri()):
        page, seen = watched(browser, address, DESK)
        page.goto(f"{address}/book/02_deep_narrow.html")
        figure = drawn(page)[0]
        before = figure.evaluate(PICTURE)
        page.evaluate(MOVE, [figure, 0, 0])
        page.wait_for_function(CHANGED, arg=[figure, before], timeout=5000)
        assert not seen.all(), address
        page.close()


def test_vega_comes_only_when_a_replay_comes_near(browser, address):
    page, _ = watched(browser, address, DESK)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/book/02_deep_narrow.html", wait_until="networkidle")
    assert not [url for url in asked if "lab-vega" in url]
    drawn(page)
    assert len([url for url in asked if "lab-vega" in url]) == 1
    page.close()


@pytest.mark.parametrize("answer", [{"status": 200, "body": ""}, None], ids=["empty", "refused"])
def test_without_vega_the_first_picture_stays_and_the_words_follow(browser, address, answer):
    page, seen = watched(browser, address, DESK)
    page.route("**/lab-vega.js", lambda route: route.fulfill(**answer) if answer else route.abort())
    page.goto(f"{address}/book/02_deep_narrow.html")
    figure = page.query_selector("figure.lab-replay")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("figure.lab-replay >> text=The picture cannot move here")
    before, (_, _, sentence) = figure.evaluate(PICTURE), at(figure)
    assert "<svg" in before
    page.evaluate(MOVE, [figure, 0, 0])
    assert at(figure)[2] != sentence
    assert figure.evaluate(PICTURE) == before
    assert [error for error in seen.all() if "Failed to load resource" not in error] == []  # the browser's own line
    page.close()


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_text_is_readable_in_both_themes_and_follows_the_switch(browser, address, site, screen):
    for name in with_replays(site):
        page, _ = watched(browser, address, screen)
        page.goto(f"{address}/{name}")
        for figure in drawn(page):
            for theme in ("light", "dark"):
                page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
                page.wait_for_timeout(300)  # colours may fade into each other
                assert figure.evaluate(FAINTEST) >= CONTRAST, (name, theme)
        page.close()


def test_a_phone_shows_a_replay_whole(browser, address, site):
    for name in with_replays(site):
        page, seen = watched(browser, address, PHONE)
        page.goto(f"{address}/{name}")
        for figure in drawn(page):
            before = page.evaluate("document.documentElement.scrollWidth")
            figure.query_selector("summary").click()
            assert figure.query_selector("table").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == before, name  # it scrolls in its own box
            for part in (figure, *figure.query_selector_all(".replay-chart svg, .replay-slider, p")):
                left, width = (part.bounding_box()[side] for side in ("x", "width"))
                assert left >= 0 and left + width <= PHONE["width"]
            for picture in figure.query_selector_all(".replay-chart svg"):
                assert picture.bounding_box()["width"] > 250  # and not a stamp
        assert not seen.all(), name
        page.close()
