"""A prediction is committed, kept, and set beside the measurement and its spread."""

import pytest

from mobilellm_lab.teaching import Measured, Prediction, progress

STORED = Measured(median=5.4, low=5.1, high=5.9, origin="rows of `some.jsonl`", note="three seeds")


@pytest.fixture(autouse=True)
def own_progress(monkeypatch, tmp_path):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress.json"))


def make(**changes) -> Prediction:
    fields = {"name": "cost", "question": "How *many*?", "unit": "times", "low": 1, "high": 20, "step": 0.5}
    fields |= {"reference": lambda: STORED, "explain": "Each waits for the last.", "digits": 1}
    return Prediction(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"question": " "}, "question='' in prediction 'cost'"),
        ({"low": 20}, "low must be below high"),
        ({"step": 0}, "step=0 in prediction 'cost'"),
        ({"step": 30}, "no more than high - low"),
    ],
)
def test_an_impossible_field_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        make(**changes)


def test_a_spread_that_does_not_hold_its_median_is_refused():
    with pytest.raises(ValueError, match="they must rise"):
        Measured(median=1.0, low=2.0, high=3.0, origin="o", note="n")


@pytest.mark.parametrize(("text", "value"), [("3", 3.0), (" 3.5 ", 3.5), ("3,5", 3.5), ("1e1", 10.0), ("20", 20.0)])
def test_numbers_that_readers_write(text, value):
    assert make().parse(text) == value


@pytest.mark.parametrize("text", ["", "three", "0.9", "21", "nan", "inf", "1,000.5"])
def test_what_is_no_number_in_the_range_is_refused_with_the_range(text):
    with pytest.raises(ValueError, match="A number from 1 to 20 times"):
        make().parse(text)


@pytest.mark.parametrize(("low", "high"), [("6", "5"), ("5", "5")])
def test_an_interval_rises(low, high):
    with pytest.raises(ValueError, match=f"{high} is not above {low}. The low end comes first."):
        make().interval(low, high)
    assert make().interval(" 5", "6,5") == (5.0, 6.5)


@pytest.mark.parametrize(
    ("low", "high", "unit", "verdict"),
    [
        (5, 10, "times", "inside your interval, which spans a factor of 2.0."),
        (5.4, 6.4, "s", "inside your interval, which spans 1.0 s."),
        (1, 2.7, "times", "a factor of 2.0 above your interval, which spans a factor of 2.7."),
        (10.8, 20, "times", "a factor of 2.0 below your interval, which spans a factor of 1.9."),
        (6, 7.5, "s", "0.6 s below your interval, which spans 1.5 s."),
        (0, 5, "", "0.4 above your interval, which spans 5.0."),
        (0, 2, "times", "3.4 times above your interval, which spans 2.0 times."),
        (2.7, 2.7, "times", "a factor of 2.0 above your interval."),  # one number, from before 0.3.0
    ],
)
def test_whether_it_is_inside_how_far_off_and_how_wide(low, high, unit, verdict):
    assert make(unit=unit, low=0).verdict(low, high, STORED) == f"The measurement lies {verdict}"


def test_the_reference_is_read_when_it_is_shown_and_not_before():
    read = []
    ask = make(reference=lambda: read.append(1) or STORED)
    repr(ask)
    assert not read
    ask._repr_html_()
    assert read


def test_without_a_commit_the_comparison_says_so():
    compared = make().compare(5.2)
    assert "Your prediction: none committed." in repr(compared)
    assert "the aim is 80 %" not in repr(compared)
    html = compared._repr_html_()
    assert "No prediction committed." in html
    assert 'class="lab-row-yours" hidden' in html
    assert not progress.path().exists()


def test_a_commit_is_kept_and_compared():
    ask = make()
    ask.commit(3.0, 4.0)
    ask.commit(5.0, 5.5)
    assert ask.committed == (5.0, 5.5) and ask.answered
    text = repr(ask.compare(6.5))
    assert "Your prediction: 5 to 5.5 times. The measurement lies inside your interval, which spans a" in text
    assert "Measured here: 6.5 times. One run on this machine, outside the stored spread." in text
    assert "Measured before: 5.4 times. 5.1 to 5.9, three seeds." in text
    assert "Your first interval missed the measurement; the aim is 80 %." in text  # the first one counts
    assert "Stored measurement: rows of `some.jsonl`" in text
    html = ask.compare(6.5)._repr_html_()
    assert "No prediction committed." not in html
    assert "5 to 5.5 times" in html
    assert "<code>some.jsonl</code>" in html


def test_a_skipped_question_is_answered_and_no_later_interval_counts():
    ask = make()
    assert not ask.answered
    ask.skip()
    assert ask.answered and ask.committed is None
    assert "Your prediction: none committed." in repr(ask.compare(6.5))
    ask.commit(5.0, 6.0)
    assert "the aim is 80 %" not in repr(ask.compare(6.5))


def test_the_page_has_the_fields_the_measurement_and_a_way_without_a_script():
    html = make()._repr_html_()
    assert 'min="1" max="20" step="0.5"' in html
    assert html.count('type="number"') == 2 and 'data-median="5.4"' in html
    assert ">Show the measurement</summary>" in html
    assert "A number from 1 to 20 times." in html
