"""Quizzes, predictions and beliefs answer on a page from a file: by keyboard, after a reload, without a script."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from mobilellm_lab.deep_narrow.exercises import COST, QUIZ
from mobilellm_lab.teaching import Belief, Beliefs, Measured, Option, Prediction, Question, Quiz, progress
from tests.site.axe import faults
from tests.site.pages import PATIENCE_MS

QUESTIONS = tuple(
    Question(
        text=f"Question {number}?",
        options=tuple(
            Option(text=f"option {place}", reason=f"reason {number}{place}", right=place == right) for place in range(3)
        ),
    )
    for number, right in enumerate((1, 0, 2))
)
ASK = Prediction(
    name="speed",
    question="How *many* times?",
    unit="times",
    low=1,
    high=20,
    step=0.1,
    reference=lambda: Measured(median=5.4, low=5.1, high=5.9, origin="rows of `some.jsonl`", note="three seeds"),
    explain="Each waits for the last.",
    digits=1,
)
SHARE = Prediction(
    name="share",
    question="Which share?",
    unit="",
    low=0,
    high=1,
    step=0.01,
    reference=lambda: Measured(median=0.52, low=0.5, high=0.55, origin="rows", note="three seeds"),
    explain="So.",
)


def more(first, second):
    return first > second, f"{first} and {second}."


def less(first, second):
    return first < second, f"{first} and {second}."


BELIEFS = Beliefs(
    "demo",
    (
        Belief(text="One is more than two.", section=1, rule=more),
        Belief(text="One is less than two.", section=1, rule=less),
    ),
)
STYLES = {"light": "background: #fff; color: #222", "dark": "background: #14181e; color: #ced6dd; color-scheme: dark"}
YOURS = ".lab-row-yours dd"
KINDS = ".lab-quiz, .lab-prediction, .lab-comparison, .lab-beliefs, .lab-judgement"
READY = f"() => !document.querySelector(':is({KINDS}):not([data-ready])')"


def write_page(path: Path, *fragments: str, theme: str = "light") -> Path:
    """A page with nothing but the fragments."""
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>Teaching</title>"
    body = f"<main><h1>Teaching</h1>{''.join(fragments)}</main>"
    path.write_text(
        f"<!doctype html><html lang='en'><head>{head}</head><body style='{STYLES[theme]}'>{body}</body></html>",
        encoding="utf-8",
    )
    return path


@pytest.fixture(autouse=True)
def own_progress(monkeypatch, tmp_path):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress.json"))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page with a fresh storage; whatever its scripts throw fails the test."""
    page, errors = browser.new_page(viewport={"width": 1000, "height": 800}), []
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors


def opened(page: Page, path: Path) -> None:
    """Opens a file and waits for its script, which starts once the browser has connected the page to its storage."""
    page.goto(path.as_uri())
    page.wait_for_function(READY)


def reloaded(page: Page) -> None:
    page.reload()
    page.wait_for_function(READY)


def fragments_page(tmp_path: Path) -> tuple[Path, Quiz, Prediction]:
    quiz = Quiz(name="demo", questions=QUESTIONS)
    return write_page(tmp_path / "page.html", quiz._repr_html_(), ASK._repr_html_()), quiz, ASK


@pytest.fixture(params=["fragments", "chapter 2"])
def shown(request, tmp_path) -> tuple[Path, Quiz, Prediction]:
    """A file with a quiz and a prediction, and what they were made of."""
    if request.param == "fragments":
        return fragments_page(tmp_path)
    return request.getfixturevalue("site") / "book" / "02_deep_narrow.html", QUIZ, COST


def right_places(quiz: Quiz) -> list[int]:
    return [[option.right for option in question.options].index(True) for question in quiz.questions]


def answer(page: Page, number: int, place: int) -> None:
    """Chooses an option by keyboard alone, from the first radio button of the question."""
    page.locator(".lab-quiz fieldset").nth(number).locator("input").first.focus()
    if place == 0:
        page.keyboard.press("Space")
        return
    for _ in range(place):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def reason(page: Page, number: int) -> str:
    return page.locator(".lab-quiz fieldset").nth(number).locator(".lab-reason").inner_text()


def test_a_quiz_is_answered_by_keyboard_and_kept(page, shown):
    path, quiz, _ = shown
    places, total = right_places(quiz), len(quiz.questions)
    opened(page, path)
    score = page.locator(".lab-quiz .lab-score")
    assert score.inner_text() == ""
    assert page.locator(".lab-quiz details:visible").count() == 0
    for number, place in enumerate(places[:-1]):
        answer(page, number, place)
        assert reason(page, number).startswith("Right. ")
        assert score.inner_text() == f"{number + 1} of {total} answered, {number + 1} right at first try."
    last = total - 1
    wrong = (places[last] + 1) % 3
    answer(page, last, wrong)
    assert reason(page, last).startswith("Not right. ")
    answer(page, last, places[last])  # another try does not change the count
    assert reason(page, last).startswith("Right. ")
    assert score.inner_text() == f"{last} of {total} right at first try."

    said = [reason(page, number) for number in range(total)]
    reloaded(page)
    assert [reason(page, number) for number in range(total)] == said
    assert score.inner_text() == f"{last} of {total} right at first try."
    assert page.locator(".lab-quiz input:checked").count() == total
    marks = page.locator(".lab-quiz fieldset").nth(last).locator("[data-kind=right], [data-kind=wrong]")
    assert marks.count() == 3  # both tried options and the reason

    page.get_by_role("button", name="Start again").press("Enter")
    assert score.inner_text() == ""
    assert page.locator(".lab-quiz input:checked").count() == 0
    assert page.evaluate("document.activeElement.name") == "question0"
    reloaded(page)
    assert page.locator(".lab-quiz input:checked").count() == 0


def test_the_storage_is_left_alone_until_the_browser_has_answered(page, tmp_path):
    page.add_init_script("""
        const storage = window.localStorage, ask = navigator.permissions.query.bind(navigator.permissions);
        let answered = false;
        window.touched = [];
        navigator.permissions.query = (question) => ask(question).finally(() => { answered = true; });
        Object.defineProperty(window, 'localStorage', {get() { window.touched.push(answered); return storage; }});
    """)
    path, _, _ = fragments_page(tmp_path)
    opened(page, path)
    assert page.evaluate("touched.length > 0 && touched.every(Boolean)")


def test_arrow_keys_pass_options_without_answering(page, tmp_path):
    path, _, _ = fragments_page(tmp_path)
    opened(page, path)
    page.locator("fieldset").first.locator("input").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert reason(page, 0) == "Press Enter or the space bar to check this answer."
    assert page.locator(".lab-score").inner_text() == ""
    page.keyboard.press("Space")
    assert reason(page, 0) == "Not right. reason 02"
    page.locator("fieldset").nth(1).get_by_text("option 0").click()  # a click is an answer at once
    assert reason(page, 1) == "Right. reason 10"
    assert page.locator(".lab-score").inner_text() == "2 of 3 answered, 1 right at first try."


def test_answers_to_another_version_are_dropped(page, tmp_path):
    path, quiz, _ = fragments_page(tmp_path)
    opened(page, path)
    answer(page, 0, 0)
    write_page(path, Quiz(name="demo", questions=quiz.questions[:2])._repr_html_())
    reloaded(page)
    assert page.locator("input:checked").count() == 0
    assert page.locator(".lab-score").inner_text() == ""


def commit(card: Locator, low: object, high: object) -> None:
    """Fills both ends of an interval and commits it."""
    for end, value in (("Low", low), ("High", high)):
        card.get_by_label(end).fill(str(value))
    card.get_by_role("button", name="Commit").click()


def said(ask: Prediction, low: float, high: float) -> str:
    """What stands beside an interval."""
    return f"{ask.show_interval(low, high)} {ask.verdict(low, high, ask.reference())}"


def test_a_prediction_is_committed_and_kept(page, shown):
    path, _, ask = shown
    opened(page, path)
    card = page.locator(f".lab-prediction[data-prediction={ask.name}]")
    low, high = (card.get_by_label(end) for end in ("Low", "High"))
    button = card.get_by_role("button", name="Commit")
    assert button.is_disabled()
    assert not card.locator(".lab-panel").is_visible()
    assert "Measured" not in card.inner_text()
    low.focus()
    page.keyboard.type(str(ask.high + 1))
    page.keyboard.press("Tab")
    assert button.is_disabled()
    assert card.get_by_role("alert").inner_text() == f"{ask.high + 1} is outside the range. {ask.range}"
    assert low.get_attribute("aria-invalid") == "true"

    first = (ask.low, round(ask.low + ask.step, 3))
    low.fill(str(first[1]))
    high.fill(str(first[0]))
    page.keyboard.press("Tab")
    assert card.get_by_role("alert").inner_text() == f"{first[0]} is not above {first[1]}. The low end comes first."
    assert button.is_disabled() and high.get_attribute("aria-invalid") == "true"
    low.focus()
    for end in first:
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(str(end))
        if end == ask.low:
            page.keyboard.press("Tab")
    assert card.get_by_role("alert").inner_text() == ""
    page.keyboard.press("Enter")
    stored = ask.reference()
    assert card.locator(YOURS).inner_text() == said(ask, *first)
    assert ask.show(stored.median) in card.locator(".lab-row-stored").inner_text()
    record = card.locator(".lab-record").inner_text()
    assert record == "Your first interval missed the measurement; the aim is 80 %."
    assert page.evaluate("document.activeElement.className") == "lab-panel"
    assert not low.is_visible()

    reloaded(page)
    assert card.locator(YOURS).inner_text() == said(ask, *first)
    card.get_by_role("button", name="Predict again").press("Enter")
    assert not card.locator(".lab-panel").is_visible()
    page.keyboard.type(str(ask.low))  # the first field has the focus
    page.keyboard.press("Tab")
    page.keyboard.type(str(ask.high))
    page.keyboard.press("Enter")
    assert "lies inside your interval" in card.locator(YOURS).inner_text()
    assert "Your first interval missed" in card.locator(".lab-record").inner_text()  # the first one counts


def test_enter_in_one_field_leads_to_the_other(page, sections):
    opened(page, sections)
    card = page.locator("[data-prediction=speed]")
    low, high = (card.get_by_label(end) for end in ("Low", "High"))
    low.press("Enter")
    assert card.get_by_role("alert").inner_text() == "The low end is missing."
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    assert high.evaluate("e => e === document.activeElement") and card.get_by_role("alert").inner_text() == ""
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    assert card.locator(YOURS).inner_text() == said(ASK, 2, 3)


def test_the_page_and_python_say_the_same(page, tmp_path):
    opened(page, write_page(tmp_path / "page.html", ASK._repr_html_(), SHARE._repr_html_()))
    for ask, values in ((ASK, ((1, 2.7), (5.0, 10.0), (5.9, 6), (6, 20))), (SHARE, ((0, 0.31), (0.5, 1), (0.551, 1)))):
        card = page.locator(f"[data-prediction={ask.name}]")
        for value in values:
            commit(card, *value)
            assert card.locator(YOURS).inner_text() == said(ask, *value)
            card.get_by_role("button", name="Predict again").click()


def test_a_comparison_takes_up_what_was_committed_on_the_page(page, tmp_path):
    compared = ASK.compare(5.5)._repr_html_()
    opened(page, write_page(tmp_path / "page.html", ASK._repr_html_(), compared))
    below = page.locator(".lab-comparison")
    assert "No prediction committed." in below.inner_text()
    assert not below.locator(".lab-row-yours").is_visible()
    commit(page.locator(".lab-prediction"), 5.2, 6)
    assert below.locator(YOURS).inner_text() == said(ASK, 5.2, 6)
    assert "No prediction" not in below.inner_text()
    assert "5.5 times One run on this machine" in below.locator(".lab-row-here dd").inner_text()
    reloaded(page)
    assert below.locator(YOURS).inner_text() == said(ASK, 5.2, 6)


SECTIONS = """<section><h2>First</h2><p id="before">Before.</p><div class="cell">{ask}</div><p id="after">After.</p>
<div class="cell">{share}</div><section id="below"><h3>Below</h3><p id="deep">Deep.</p></section></section>
<section><h2>Second</h2><p id="second">Next.</p></section>"""


@pytest.fixture
def sections(tmp_path) -> Path:
    """A page with two predictions in its first section."""
    ask, share = ASK._repr_html_(), SHARE._repr_html_()
    return write_page(tmp_path / "page.html", SECTIONS.format(ask=ask, share=share))


def seen(page: Page) -> set[str]:
    """Ids of the paragraphs that are shown."""
    return {name for name in ("before", "after", "deep", "second") if page.locator(f"#{name}").is_visible()}


def test_what_follows_a_prediction_in_its_section_opens_when_it_is_answered(page, sections):
    opened(page, sections)
    assert seen(page) == {"before", "second"}
    share = page.locator("[data-prediction=share]")
    commit(page.locator("[data-prediction=speed]"), 2, 3)
    assert seen(page) == {"before", "after", "second"} and share.is_visible()
    share.get_by_role("button", name="Skip").press("Enter")
    assert seen(page) == {"before", "after", "deep", "second"}
    assert share.locator(".lab-panel").is_visible() and not share.locator(".lab-row-yours").is_visible()
    assert page.evaluate("document.activeElement.className") == "lab-panel"
    reloaded(page)
    assert seen(page) == {"before", "after", "deep", "second"}
    share.get_by_role("button", name="Predict again").click()
    assert "deep" in seen(page)
    commit(share, 0.1, 0.9)
    record = share.locator(".lab-record").inner_text()
    assert record == "Your first interval missed the measurement; the aim is 80 %."  # not the skipped one


def test_a_link_into_what_is_covered_opens_it(page, sections):
    page.goto(f"{sections.as_uri()}#deep")
    page.wait_for_function(READY)
    assert seen(page) == {"before", "after", "deep", "second"}
    assert page.locator("#deep").evaluate("e => e.getBoundingClientRect().top < innerHeight")
    assert not page.locator(".lab-panel:visible").count()  # the questions stay
    page.goto(f"{sections.as_uri()}#second")
    page.reload()
    page.wait_for_function(READY)
    assert seen(page) == {"before", "second"}
    page.evaluate("location.hash = 'after'")
    page.locator("#after").wait_for()
    assert seen(page) == {"before", "after", "second"}


def test_paper_and_readers_without_a_script_see_everything(page, browser, sections):
    everything = {"before", "after", "deep", "second"}
    opened(page, sections)
    page.emulate_media(media="print")
    assert seen(page) == everything and page.locator(".lab-panel:visible").count() == 2
    context = browser.new_context(java_script_enabled=False)
    bare = context.new_page()
    bare.goto(sections.as_uri())
    assert seen(bare) == everything
    context.close()


OLD = """localStorage.setItem("mobilellm-lab:prediction:speed",
    JSON.stringify({commits: [{value: 3, inside: false, at: "2026-11-01T00:00:00Z"}]}))"""


def test_a_number_that_an_earlier_version_kept_is_shown_and_is_no_interval(page, sections):
    opened(page, sections)
    page.evaluate(OLD)
    reloaded(page)
    card = page.locator("[data-prediction=speed]")
    assert card.locator(YOURS).inner_text() == said(ASK, 3, 3)
    assert card.locator(".lab-record").inner_text() == ""


def test_ticks_are_made_by_keyboard_kept_and_marked_in_the_judgement(page, tmp_path):
    judged = BELIEFS.judge(more=(1, 2), less=(1, 2))
    opened(page, write_page(tmp_path / "page.html", BELIEFS._repr_html_(), judged._repr_html_()))
    said, marks = page.locator(".lab-judgement .lab-score"), page.locator(".lab-ticked:visible")
    assert said.inner_text() == "You ticked no sentence at the start of this lab." and marks.count() == 0
    page.locator(".lab-beliefs input").first.focus()
    page.keyboard.press("Space")
    assert said.inner_text() == "You ticked 1 of 2 sentences; this run refutes 1 of them."
    reloaded(page)
    assert page.locator(".lab-beliefs input:checked").count() == marks.count() == 1
    assert "Wrong here" in page.locator(".lab-judgement li", has=marks).inner_text()
    page.keyboard.press("Tab")
    page.locator(".lab-beliefs input").nth(1).press("Space")
    page.locator(".lab-beliefs input").first.press("Space")
    assert said.inner_text() == "You ticked 1 of 2 sentences; this run refutes 0 of them."
    assert "Holds here" in page.locator(".lab-judgement li", has=marks).inner_text()
    reloaded(page)
    assert page.locator(".lab-beliefs input:checked").count() == 1


def test_a_fragment_may_stand_twice_and_leaves_no_name(page, tmp_path):
    opened(page, write_page(tmp_path / "blank.html"))
    names = page.evaluate("Object.getOwnPropertyNames(window).sort()")
    quiz = Quiz(name="demo", questions=QUESTIONS)._repr_html_()
    opened(page, write_page(tmp_path / "page.html", quiz, quiz, ASK._repr_html_(), ASK._repr_html_()))
    assert page.evaluate("Object.getOwnPropertyNames(window).sort()") == names
    for copy in range(2):
        one = page.locator(".lab-quiz").nth(copy)
        one.locator("input").nth(copy).click()
        assert one.locator("input:checked").count() == 1
        commit(page.locator(".lab-prediction").nth(copy), 3, 4)
    assert page.locator(".lab-quiz input:checked").count() == 2
    assert page.locator(f"{YOURS}:visible").count() == 2


def test_without_a_storage_everything_works_until_the_page_is_left(page, tmp_path):
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied') }})")
    path, _, _ = fragments_page(tmp_path)
    opened(page, path)
    answer(page, 0, 1)
    assert page.locator(".lab-score").inner_text() == "1 of 3 answered, 1 right at first try."
    commit(page.locator(".lab-prediction"), 5.2, 6)
    record = page.locator(".lab-record").inner_text()
    assert record == "Your first interval held the measurement; the aim is 80 %."
    reloaded(page)
    assert page.locator(".lab-score").inner_text() == ""


def test_without_a_script_reasons_and_measurement_are_one_click_away(browser, tmp_path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    path, quiz, _ = fragments_page(tmp_path)
    page.goto(path.as_uri())
    reasons = page.get_by_text("Reason", exact=True)
    assert reasons.count() == 9
    reasons.nth(4).click()
    assert page.get_by_text("reason 11").is_visible()
    assert not page.locator(".lab-prediction form").is_visible()
    page.get_by_text("Show the measurement").click()
    assert page.get_by_text("5.4 times").is_visible()
    assert not page.locator(".lab-row-yours").is_visible()
    context.close()


@pytest.mark.parametrize("theme", STYLES)
def test_answered_pieces_are_accessible_and_fit_a_phone(page, tmp_path, theme):
    quiz = Quiz(name="demo", questions=QUESTIONS)._repr_html_()
    pieces = [quiz, ASK._repr_html_(), SHARE._repr_html_(), ASK.compare(19.0)._repr_html_(), BELIEFS._repr_html_()]
    pieces.append(BELIEFS.judge(more=(1, 2), less=(1, 2))._repr_html_())
    opened(page, write_page(tmp_path / "page.html", *pieces, theme=theme))
    page.set_viewport_size({"width": 390, "height": 844})
    assert not faults(page)
    answer(page, 0, 1)
    answer(page, 1, 1)
    commit(page.locator("[data-prediction=speed]"), 3, 8)
    page.locator(".lab-beliefs input").first.check()
    page.locator("[data-prediction=share]").get_by_label("Low").fill("3")
    page.keyboard.press("Tab")
    assert page.get_by_role("alert").get_by_text("3 is outside the range").is_visible()
    assert not faults(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
