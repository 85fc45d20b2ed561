"""A prediction in a lab: no interval, no commit; locked once committed; the comparison waits for the reader."""

import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell

from mobilellm_lab.live import predict
from mobilellm_lab.live.predict import WAITS, Predict, show_when_answered
from mobilellm_lab.teaching import Measured, Prediction, progress

MODULE = sys.modules["mobilellm_lab.live.predict"]  # its function has the same name
STORED = Measured(median=5.4, low=5.1, high=5.9, origin="rows", note="three seeds")
ASK = Prediction(
    name="cost",
    question="How *many*?",
    unit="times",
    low=1,
    high=20,
    step=0.5,
    reference=lambda: STORED,
    explain="So.",
    digits=1,
)


@pytest.fixture(autouse=True)
def own_progress(monkeypatch, tmp_path):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress.json"))


def filled(panel: Predict, low: str, high: str) -> Predict:
    panel.low.value, panel.high.value = low, high
    return panel


def test_commit_waits_for_an_interval_in_the_range():
    panel = Predict(ASK)
    assert panel.commit.disabled
    assert "Your 80 % interval" in panel.status.value and "A number from 1 to 20 times." in panel.status.value
    for low, high in (("many", ""), ("3", "50"), ("3", "2"), ("3", "3")):
        assert filled(panel, low, high).commit.disabled
        assert 'role="alert"' in panel.status.value
    assert filled(panel, "3,5", "").commit.disabled and "alert" not in panel.status.value
    assert not filled(panel, "3,5", "6").commit.disabled
    assert "alert" not in panel.status.value
    assert ASK.committed is None


def test_a_commit_is_kept_locked_and_shows_no_measurement():
    panel = filled(Predict(ASK), "3", "4")
    panel.commit.click()
    assert ASK.committed == (3.0, 4.0)
    assert panel.low.disabled and panel.high.disabled
    assert panel.commit.layout.display == panel.skip.layout.display == "none"
    assert "Committed: 3 to 4 times." in panel.status.value
    assert "5.4" not in panel.status.value
    again = Predict(ASK)  # the cell is run again, or tomorrow
    assert (again.low.value, again.high.value) == ("3", "4")
    assert again.low.disabled
    assert "Committed: 3 to 4 times." in again.status.value


def test_it_can_be_changed():
    panel = filled(Predict(ASK), "3", "4")
    panel.commit.click()
    panel.change.click()
    assert not panel.low.disabled
    filled(panel, "5", "5.5").commit.click()
    assert ASK.committed == (5.0, 5.5)
    assert [one.low for one in progress.commits("cost")] == [3.0, 5.0]


def test_it_can_be_skipped_and_answered_later():
    panel = Predict(ASK)
    panel.skip.click()
    assert ASK.answered and ASK.committed is None and panel.low.disabled
    assert "Skipped." in panel.status.value and "Skipped." in Predict(ASK).status.value
    panel.change.click()
    filled(panel, "5", "6").commit.click()
    assert ASK.committed == (5.0, 6.0) and progress.record("cost").predictions == 0


def test_a_damaged_file_is_shown(monkeypatch):
    progress.path().write_text("{")
    panel = Predict(ASK)
    assert "move the file away" in panel.status.value
    assert 'role="alert"' in panel.status.value
    filled(panel, "3", "4").commit.click()
    assert "move the file away" in panel.status.value
    assert not panel.low.disabled
    progress.path().unlink()
    panel.commit.click()
    assert "Committed" in panel.status.value


@pytest.mark.parametrize("headless", [True, False])
def test_where_nobody_can_press_a_button_the_pages_version_is_shown(monkeypatch, headless):
    shown = []
    monkeypatch.setattr(MODULE, "headless", lambda: headless)
    monkeypatch.setattr(MODULE, "display", lambda *objects, **options: shown.append(objects[0]))
    predict(ASK)
    (what,) = shown
    if headless:
        assert what == {"text/html": ASK._repr_html_(), "text/plain": repr(ASK)}
    else:
        assert "lab-predict" in what._dom_classes
        assert "lab-prediction" not in what._dom_classes  # the page's script leaves it alone


class Output:
    """What a cell displays, and what is drawn into it later."""

    def __init__(self, monkeypatch):
        self.shown = []
        monkeypatch.setattr(MODULE, "display", self.display)

    def display(self, what, **options):
        self.shown.append(what)
        return self

    def update(self, what, **options):
        self.shown[-1] = what

    @property
    def drawn(self) -> str:
        return self.shown[-1]["text/plain"]


@pytest.fixture
def output(monkeypatch) -> Output:
    monkeypatch.setattr(Predict, "newest", {})
    monkeypatch.setattr(Predict, "waiting", {})
    return Output(monkeypatch)


@pytest.mark.parametrize("how", ["commit", "skip"])
def test_the_answer_is_drawn_into_the_cell_that_compared_once_the_reader_answered(output, how):
    panel = Predict(ASK)
    show_when_answered(ASK.compare(6.5))
    question, _ = output.shown
    assert question.children == (panel.widget,)
    assert output.drawn == WAITS and "5.4" not in WAITS
    filled(panel, "5", "6")
    getattr(panel, how).click()
    assert question.layout.display == "none"
    assert "Measured here: 6.5 times." in output.drawn and "Measured before: 5.4 times." in output.drawn
    assert ("Your prediction: 5 to 6 times." in output.drawn) == (how == "commit")
    show_when_answered(ASK.compare(5.5))  # run again: at once
    assert "Measured here: 5.5 times." in output.drawn


def test_what_cannot_be_kept_does_not_keep_the_answer_away(output):
    panel = Predict(ASK)
    show_when_answered(ASK.compare(6.5))
    progress.path().write_text("{")
    panel.skip.click()
    assert "move the file away" in panel.status.value
    assert "Measured here: 6.5 times." in output.drawn


def test_in_a_live_kernel_a_comparison_is_shown_by_its_question(monkeypatch, output):
    shell = InteractiveShell()
    monkeypatch.setattr(MODULE, "headless", lambda: False)
    monkeypatch.setattr(MODULE, "get_ipython", lambda: shell)
    predict(ASK)
    compared = ASK.compare(6.5)
    assert shell.display_formatter.format(compared) == ({}, {})  # it has displayed itself
    assert output.drawn == WAITS
