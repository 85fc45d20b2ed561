"""A prediction's field in a lab: refused while it is no number in the range, locked once committed, kept."""

import sys

import pytest

from mobilellm_lab.live import predict
from mobilellm_lab.live.predict import Predict
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


def test_commit_waits_for_a_number_in_the_range():
    panel = Predict(ASK)
    assert panel.commit.disabled
    assert "A number from 1 to 20 times." in panel.status.value
    for text in ("many", "50"):
        panel.field.value = text
        assert panel.commit.disabled
        assert 'role="alert"' in panel.status.value
    panel.field.value = "3,5"
    assert not panel.commit.disabled
    assert "alert" not in panel.status.value
    assert ASK.committed is None


def test_a_commit_is_kept_locked_and_shows_no_measurement():
    panel = Predict(ASK)
    panel.field.value = "3"
    panel.commit.click()
    assert ASK.committed == 3.0
    assert panel.field.disabled
    assert panel.commit.layout.display == "none"
    assert "Committed: 3.0 times." in panel.status.value
    assert "5.4" not in panel.status.value
    again = Predict(ASK)  # the cell is run again, or tomorrow
    assert again.field.value == "3"
    assert again.field.disabled
    assert "Committed: 3.0 times." in again.status.value


def test_it_can_be_changed():
    panel = Predict(ASK)
    panel.field.value = "3"
    panel.commit.click()
    panel.change.click()
    assert not panel.field.disabled
    panel.field.value = "5.5"
    panel.commit.click()
    assert ASK.committed == 5.5
    assert [one.value for one in progress.commits("cost")] == [3.0, 5.5]


def test_a_damaged_file_is_shown(monkeypatch):
    progress.path().write_text("{")
    panel = Predict(ASK)
    assert "move the file away" in panel.status.value
    assert 'role="alert"' in panel.status.value
    panel.field.value = "3"
    panel.commit.click()
    assert "move the file away" in panel.status.value
    assert not panel.field.disabled
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
