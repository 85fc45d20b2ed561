"""Every lab's live panel in a real JupyterLab, by keyboard and mouse: it runs, stops, and fails in plain sight."""

import re
from collections.abc import Iterator

import pytest
from labs.jupyterlab import (
    OTHER,
    POINTS,
    ROOT,
    STOPPED,
    long_run,
    notebook,
    opened,
    panel_cells,
    run_cell,
    seconds_until,
    served,
)
from playwright.sync_api import Browser, Page

BROKEN = """
from mobilellm_lab.deep_narrow import Recipe
from mobilellm_lab.live import Live
from mobilellm_lab.deep_narrow.panel import deep_narrow_panel
broken = Live({}, {"Run the broken one": lambda values: Recipe(depth=4, n_heads=4, task="no such task")})
broken.show()
"""
PREDICT = """
from mobilellm_lab.teaching import Measured, Prediction
from mobilellm_lab.live import predict
stored = Measured(median=5.4, low=5.1, high=5.9, origin="rows", note="three seeds")
ASK = Prediction(name="speed", question="How many?", unit="times", low=1, high=20, step=0.1,
                 reference=lambda: stored, explain="So.", digits=1)
predict(ASK)
"""
COMPARE = "ASK.compare(5.5)"
QUIZ = "from mobilellm_lab.deep_narrow.exercises import BELIEFS, LEAK, QUIZ\ndisplay(BELIEFS)\nQUIZ"
CHECK = "LEAK.check(lambda model, tokens: 1 / 0)"
REPLAY = """
from mobilellm_lab.deep_narrow.figures.replay import quality_replay
from mobilellm_lab.reference import open_sweep
quality_replay(open_sweep("deep_narrow"))
"""
MAIN = "02_deep_narrow"  # its notebook holds the cells above, too
LABS = sorted(path.stem for path in (ROOT / "labs").glob("*.ipynb") if panel_cells(path.stem))


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """One JupyterLab with a notebook of each lab's panel: the panel, what makes its run long, another cell."""
    more = {MAIN: (BROKEN, PREDICT, COMPARE, QUIZ, CHECK, REPLAY)}
    labs = {stem: notebook(stem, long_run(stem), OTHER, *more.get(stem, ())) for stem in LABS}
    with served(tmp_path_factory.mktemp("jupyterlab"), labs) as address:
        yield address


@pytest.fixture(scope="module")
def page(server, browser: Browser) -> Iterator[Page]:
    """Chapter 2's panel and the cells above, opened and run from top to bottom."""
    shown = ("text=answer 1", "text=Run the broken one", ".lab-outcome")  # the last is of the last cell but one
    page = opened(browser, server, MAIN, until=shown)
    yield page
    page.close()


def test_there_are_panels():
    assert MAIN in LABS and len(LABS) > 1


def test_nothing_trains_until_run_is_pressed(page):
    panel = page.locator(".mobilellm-live").first
    assert "4 layers" in panel.locator(".live-preview").inner_text()
    panel.locator(".noUi-handle").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")  # as a drag: one value after the other
    page.wait_for_selector(".live-preview >> text=8 layers", timeout=60_000)
    page.wait_for_timeout(500)
    assert page.locator("polyline.curve").count() == 0


def test_descriptions_are_not_cut_off(page):
    cut = page.evaluate(
        "[...document.querySelectorAll('.mobilellm-live .widget-label')].filter(e => e.offsetParent && "
        "e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    )
    assert cut == []


def runs_and_stops(page: Page, record_property) -> None:
    """Run draws, and goes on while another cell answers; Stop ends it, and what it had is kept."""
    panel = page.locator(".mobilellm-live").first
    assert page.locator("polyline.curve").count() == 0  # nothing runs until the button is pressed
    panel.locator("button", has_text=re.compile("^Run$")).click()  # its icon is a part of its accessible name
    first = seconds_until(page, f"() => {POINTS} > 1")
    run_cell(page, 2)
    other = seconds_until(page, "() => document.body.innerText.includes('answer 2')")
    for _ in range(2):
        seen = page.evaluate(POINTS)
        seconds_until(page, f"() => {POINTS} > {seen}")  # it still runs
    panel.get_by_role("button", name="Stop").click()
    stop = seconds_until(page, STOPPED)
    page.wait_for_selector(".lab-table", timeout=60_000)
    assert panel.get_by_role("button", name="Stop").is_disabled()
    for name, value in {"first_point_s": first, "other_cell_s": other, "stop_s": stop}.items():
        record_property(name, round(value, 3))
        print(f"{name} {value:.3f}")


def test_a_model_retrains_while_other_cells_answer_and_stops(page, record_property):
    runs_and_stops(page, record_property)
    page.wait_for_selector(".lab-table .newest >> text=1. shells, depth 8", timeout=60_000)
    assert re.search(r"step \d+ of", page.locator(".mobilellm-live .live-status").first.inner_text())


def test_an_error_is_shown_in_the_panel(page):
    page.get_by_role("button", name="Run the broken one").click()
    alert = page.locator(".mobilellm-live [role=alert]")
    alert.wait_for(timeout=60_000)
    assert alert.inner_text().startswith("ValueError: task='no such task': choose one of shells")
    assert page.locator(".mobilellm-live").first.locator("[role=alert]").count() == 0


def test_a_prediction_is_committed_and_then_compared(page):
    """All cells have run: the one that compares shows the question, and the measurement once it is answered."""
    card, asked = page.locator(".lab-predict").first, page.locator(".lab-predict").nth(1)
    below = page.locator(".lab-comparison")
    asked.wait_for(timeout=60_000)
    assert page.get_by_text("The measurement is drawn here when you commit").is_visible() and not below.count()
    low, high = (card.get_by_label(end) for end in ("Low", "High"))
    commit = card.get_by_role("button", name="Commit")
    assert commit.is_disabled()
    low.focus()
    page.keyboard.type("50")
    card.get_by_role("alert").get_by_text("50 is outside the range. A number from 1 to 20 times.").wait_for()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("2")
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    page.wait_for_function("() => !document.querySelector('.lab-predict button').disabled", timeout=60_000)
    assert high.input_value() == "3" and "5.4" not in card.inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    card.get_by_text("Committed: 2 to 3 times.").wait_for(timeout=60_000)
    assert low.is_disabled()
    page.wait_for_selector(".lab-comparison >> text=a factor of 1.8 above your interval", timeout=60_000)
    assert not asked.is_visible()
    assert "5.5 times" in below.inner_text()
    heights = below.locator("dt").evaluate_all("terms => terms.map(e => e.getBoundingClientRect().height)")
    assert max(heights) < 30  # one line each: JupyterLab's own style of such lists is narrow
    assert "Your first interval missed the measurement" in below.inner_text()

    run_cell(page, 4)  # run again, as after a restart: what was committed is still there
    page.locator(".lab-predict").first.get_by_text("Committed: 2 to 3 times.").wait_for(timeout=60_000)
    run_cell(page, 5)
    page.wait_for_selector(".lab-comparison >> text=a factor of 1.8 above your interval", timeout=60_000)


def test_a_quiz_answers_in_jupyterlab_and_keeps_its_keys(page):
    """JupyterLab has shortcuts on single letters and arrows: inside the quiz they belong to the quiz."""
    quiz = page.locator(".lab-quiz[data-ready]")
    cells = "window.jupyterapp.shell.currentWidget.content.widgets.length"
    before = page.evaluate(cells)
    quiz.locator("input").first.focus()
    page.keyboard.press("b")  # in a notebook: a new cell below
    page.keyboard.press("ArrowDown")
    assert quiz.locator("fieldset").first.locator("input").nth(1).is_checked()
    page.keyboard.press("Enter")
    said = quiz.locator(".lab-reason").first.inner_text()
    assert said.startswith(("Right. ", "Not right. "))
    assert "1 of 5 answered" in quiz.locator(".lab-score").inner_text()
    assert page.evaluate(cells) == before


def test_beliefs_are_ticked_in_jupyterlab(page):
    box = page.locator(".lab-beliefs[data-ready] input").first
    box.focus()
    page.keyboard.press("Space")  # in a notebook it scrolls
    assert box.is_checked()
    kept = page.evaluate("localStorage.getItem('mobilellm-lab:beliefs:deep_narrow')")
    assert kept == '["loss"]'


def test_a_failing_answer_is_shown_and_not_raised(page):
    outcome = page.locator(".lab-outcome")
    assert "Wrong: an exception" in outcome.inner_text()
    assert "ZeroDivisionError: division by zero in line 1 of <lambda>" in outcome.inner_text()


def test_a_replay_shows_values_above_its_charts(page):
    run_cell(page, 8)
    controls, picture = page.locator(".vega-bindings"), page.locator(".vega-embed svg.marks")
    controls.wait_for(timeout=60_000)
    assert controls.bounding_box()["y"] + controls.bounding_box()["height"] <= picture.bounding_box()["y"] + 1
    assert controls.inner_text().split()[:3] == ["Depth", "1", "layer"]
    chosen = picture.text_content()
    controls.get_by_label("100k parameters").check()
    page.wait_for_function(
        "before => document.querySelector('.vega-embed svg.marks').textContent !== before", arg=chosen
    )
    assert re.search(r"\b(9\d|10\d),\d{3} parameters", picture.text_content())


@pytest.mark.parametrize("stem", [stem for stem in LABS if stem != MAIN])
def test_the_panels_of_the_other_labs_run_and_stop_too(server, browser: Browser, record_property, stem):
    page = opened(browser, server, stem, until=("text=answer 1", ".mobilellm-live button"))
    runs_and_stops(page, record_property)
    page.close()
