"""Progress of long cells, and the word about a busy machine: only where somebody looks, and never in the way."""

from types import SimpleNamespace

import pytest

from mobilellm_lab.live import cells, check_load, progress
from mobilellm_lab.measuring import Load


@pytest.fixture
def shown(monkeypatch) -> list[str]:
    """What a reader with a kernel sees: every text of a progress line, and what is displayed."""
    texts = []

    def display(what, **options):
        texts.append(what["text/plain"] if isinstance(what, dict) else what)
        return SimpleNamespace(update=lambda data, raw: texts.append(data["text/plain"]))

    monkeypatch.setattr(cells, "display", display)
    monkeypatch.setattr(cells, "headless", lambda: False)
    monkeypatch.setattr(cells, "EVERY_S", 0.0)
    return texts


def test_things_of_known_number_are_counted_and_passed_on(shown):
    assert list(progress([5, 6, 7, 8], "four things")) == [5, 6, 7, 8]
    shares = [text for text in shown if "%" in text]
    assert shares == [f"four things: {share}%" for share in (0, 0, 25, 50, 75)]
    assert shown[-1].startswith("four things: done after ")


def test_steps_that_cannot_say_are_counted_against_a_number(shown):
    assert len(list(progress(iter("abcd"), "pairs", of=4))) == 4
    assert "pairs: 75%" in shown


@pytest.mark.parametrize("step", [0.5, SimpleNamespace(progress=0.5), SimpleNamespace(share=0.5)], ids=str)
def test_a_runs_steps_say_their_share(shown, step):
    assert list(progress(iter([step]), "a run")) == [step]
    assert "a run: 50%" in shown


def test_the_time_left_follows_from_the_share():
    assert cells._line("a run", 0.25, 10.0)["text/plain"] == "a run: 25%, about 30 s left"
    assert "left" not in cells._line("a run", 0.25, 0.5)["text/plain"]  # too early to tell
    assert "&lt;b&gt;" in cells._line("<b>", 0.5, 1.0)["text/html"]


def test_what_is_left_early_or_fails_says_stopped(shown):
    for _ in progress([1, 2, 3], "left"):
        break
    with pytest.raises(ZeroDivisionError):
        for number in progress([0], "failed"):
            1 / number  # noqa: B018
    assert [text for text in shown if "stopped after" in text]


def test_nothing_is_shown_where_nobody_looks(monkeypatch):
    monkeypatch.setattr(cells, "headless", lambda: True)
    monkeypatch.setattr(cells, "display", lambda *_, **__: 1 / 0)
    assert list(progress([1, 2], "two")) == [1, 2]


@pytest.mark.parametrize(("others", "busy"), [(0.1, False), (1.9, True)])
def test_a_busy_machine_is_named_with_the_stored_run_beside_it(shown, monkeypatch, capsys, others, busy):
    monkeypatch.setattr(cells, "load", lambda: Load(others=others, cores=2, share=1.0))
    check_load(lambda: "the stored run")
    said = capsys.readouterr().out
    assert ("Busy: other work keeps 1.9 of 2 cores busy. Expect" in said) == busy
    assert shown == ["the stored run"] * busy
    monkeypatch.setattr(cells, "headless", lambda: True)
    check_load(lambda: 1 / 0)  # a page is not filled with replays
    assert ("Busy" in capsys.readouterr().out) == busy
