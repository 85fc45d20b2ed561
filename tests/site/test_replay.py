"""Replays answer the keyboard, from a file, and without Vega, which comes only when a replay comes near."""

import pytest
from playwright.sync_api import ElementHandle, Page

from tests.site.pages import DESK, uncover, watched
from tests.site.replays import CHANGED, MOVE, PICTURE, drawn, sentence, sweep

NAME = "book/02_deep_narrow.html"


# A figure whose picture follows its slider, and one whose picture stays.
ALIVE, DEAD = (
    "<figure><div class='replay-slider'><input type='range' max='2' value='1' oninput='"
    f"const chart = this.closest(`figure`).querySelector(`.replay-chart`); {script}'></div>"
    "<span class='replay-words'></span><div class='replay-chart'>1</div><p class='replay-readout'></p>"
    "<script type='application/json' class='replay-data'>{}</script></figure>"
    for script in ("chart.textContent = this.value", "")
)


def moved(page: Page, figure: ElementHandle, before: str) -> str:
    """The figure's picture, as soon as it is another."""
    page.wait_for_function(CHANGED, arg=[figure, before])
    return figure.evaluate(PICTURE)


def test_keys_move_a_slider(browser, address):
    page, seen = watched(browser, address, DESK)
    page.goto(f"{address}/{NAME}")
    figure = drawn(page)[0]
    field, picture, said = figure.query_selector(".replay-slider input"), figure.evaluate(PICTURE), sentence(figure)
    start, last = int(field.input_value()), int(field.get_attribute("max"))
    assert 0 < start < last - 1
    field.focus()
    for key, value in {"ArrowRight": start + 1, "Home": 0, "End": last, "ArrowLeft": last - 1}.items():
        page.keyboard.press(key)
        picture = moved(page, figure, picture)
        assert int(field.input_value()) == value
        assert sentence(figure) != said
        said = sentence(figure)
    assert not seen.faults()
    page.close()


def test_the_sweep_itself(browser):
    page = browser.new_page()
    page.set_content(ALIVE + DEAD)
    alive, dead = page.query_selector_all("figure")
    (slider,) = sweep(alive)["sliders"]
    assert slider["start"] == 1
    assert [value["picture"] for value in slider["values"]] == [ord("0"), ord("1"), ord("2")]
    (slider,) = sweep(dead, limit_ms=100)["sliders"]
    assert not slider["values"]
    page.close()


def test_a_replay_works_from_a_file(browser, site):
    page, seen = watched(browser, site.as_uri(), DESK)
    page.goto(f"{site.as_uri()}/{NAME}")
    figure = drawn(page)[0]
    before = figure.evaluate(PICTURE)
    page.evaluate(MOVE, [figure, 0, 0])
    moved(page, figure, before)
    assert not seen.faults()
    page.close()


def test_vega_comes_only_when_a_replay_comes_near(browser, address):
    page, _ = watched(browser, address, DESK)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/{NAME}", wait_until="networkidle")
    assert not [url for url in asked if "lab-vega" in url]
    drawn(page)
    assert len([url for url in asked if "lab-vega" in url]) == 1
    page.close()


@pytest.mark.parametrize("answer", [{"status": 200, "body": ""}, None], ids=["empty", "refused"])
def test_without_vega_the_first_picture_stays_and_the_words_follow(browser, address, answer):
    page, seen = watched(browser, address, DESK)
    page.route("**/lab-vega.js", lambda route: route.fulfill(**answer) if answer else route.abort())
    page.goto(f"{address}/{NAME}")
    uncover(page)
    figure = page.query_selector("figure.lab-replay")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("figure.lab-replay >> text=The picture cannot move here")
    before, said = figure.evaluate(PICTURE), sentence(figure)
    assert "<svg" in before
    page.evaluate(MOVE, [figure, 0, 0])
    assert sentence(figure) != said
    assert figure.evaluate(PICTURE) == before
    assert [error for error in seen.faults() if "Failed to load resource" not in error] == []  # the browser's own line
    page.close()
