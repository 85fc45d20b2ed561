"""The line below a measured figure names where its rows come from."""

import pytest

from mobilellm_lab.reference import open_sweep, origin, sweep_names
from mobilellm_lab.sweeps import Store

MADE = {
    "command": "make it",
    "commit": "a" * 40,
    "machine": "a laptop",
    "threads": 1,
    "torch": "2.13.0",
    "date": "2026-11-23",
}


def stored(tmp_path, *changes: dict) -> Store:
    store = Store(tmp_path / "sweep.jsonl")
    store.rows = {str(i): {"recipe": {}, "provenance": MADE | change} for i, change in enumerate(changes)}
    return store


@pytest.mark.parametrize("name", sweep_names())
def test_every_stored_sweep_says_where_it_comes_from(name):
    made = origin(open_sweep(name))
    assert made.rows == len(open_sweep(name).rows) and made.threads[0] == 1
    assert all(text in str(made) for text in (f"{name}.jsonl", f"mobilellm-lab sweep {name}", *made.machines))
    assert made.commits[-1] in str(made) and "+" not in str(made.commits)


def test_one_commit_and_date_or_first_and_last(tmp_path):
    assert "commit aaaaaaa, 2026-11-23;" in str(origin(stored(tmp_path, {}, {})))
    several = str(origin(stored(tmp_path, {"date": "2026-11-25"}, {"commit": "b" * 40, "date": "2026-11-24"})))
    assert "commit aaaaaaa to bbbbbbb, 2026-11-23" not in several
    assert "commit aaaaaaa to bbbbbbb, 2026-11-24 to 2026-11-25;" in several


@pytest.mark.parametrize("change", [{"threads": 2}, {"torch": "2.9.0"}])
def test_rows_measured_in_different_ways_are_not_shown_as_one(tmp_path, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        origin(stored(tmp_path, {}, change))


def test_an_empty_store_names_the_command(tmp_path):
    with pytest.raises(ValueError, match="mobilellm-lab sweep sweep"):
        origin(stored(tmp_path))


def test_threads_that_are_compared_are_all_named(tmp_path):
    store = stored(tmp_path, {}, {})
    assert "one process with 1 torch thread, torch" in str(origin(store))
    store.rows["0"]["recipe"] = {"threads": 4}
    store.rows["1"]["recipe"] = {"threads": 1}
    assert "one process with 1 or 4 torch threads, torch" in str(origin(store))
