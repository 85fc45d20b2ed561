"""The sweeps of chapter 7: the whole plan, rows from series that decide them, and resuming."""

import json
from itertools import product

import numpy as np
import pytest

from mobilellm_lab.metrics import (
    OUTCOMES,
    PITFALLS,
    RULES,
    DuelRecipe,
    Pitfall,
    PitfallTrial,
    measure_pitfalls,
    pitfall_trials,
    recipes,
)
from mobilellm_lab.metrics.study import sweep
from mobilellm_lab.metrics.study.sweep import (
    REPEATS,
    SLOWDOWNS,
    Series,
    duel_row,
    measure_duels,
    measure_series,
    shares,
)
from mobilellm_lab.sweeps import Store


def series(ratio=1.0, pairs=200, noise=0.0, slowdown=5, seed=0) -> Series:
    rng = np.random.default_rng(seed)
    a, b = 1 + noise * rng.random((2, pairs))
    return Series(slowdown_percent=slowdown, neighbour=False, a_ms=tuple(a.tolist()), b_ms=tuple((ratio * b).tolist()))


def test_the_plan_is_the_full_product():
    plan = recipes()
    found = {(r.slowdown_percent, r.repeats, r.neighbour, r.rule) for r in plan}
    assert found == set(product(SLOWDOWNS, REPEATS, (False, True), RULES)) and len(plan) == len(found)
    assert {(t.name, t.repeat) for t in pitfall_trials()} == set(product(PITFALLS, range(3)))


@pytest.mark.parametrize("rule", RULES)
def test_a_clear_difference_is_always_found_and_a_clear_tie_never_is(rule):
    slower = shares(series(1.2), DuelRecipe(slowdown_percent=20, repeats=10, rule=rule), windows=20, seed=0)
    assert slower == {"right": 1.0, "false alarm": 0.0, "missed": 0.0, "wrong winner": 0.0}
    same = shares(series(1.0), DuelRecipe(slowdown_percent=0, repeats=10, rule=rule), windows=20, seed=0)
    assert same["right"] == 1


def test_shares_add_up_and_repeat_themselves():
    recipe = DuelRecipe(slowdown_percent=2, repeats=6, rule="means")
    found = shares(series(1.02, noise=0.2), recipe, windows=60, seed=1)
    assert list(found) == list(OUTCOMES) and sum(found.values()) == pytest.approx(1)
    assert len([share for share in found.values() if share]) > 1
    assert found == shares(series(1.02, noise=0.2), recipe, windows=60, seed=1)


def test_windows_are_consecutive_pairs():
    """A burst of 20 bad pairs in 200: single draws would almost never fill a window with it, stretches do."""
    a, b = np.ones(200), np.ones(200)
    b[100:120] = 2.0
    burst = Series(slowdown_percent=0, neighbour=False, a_ms=tuple(a), b_ms=tuple(b))
    found = shares(burst, DuelRecipe(slowdown_percent=0, repeats=10, rule="medians"), windows=400, seed=0)
    assert 0.03 < found["false alarm"] < 0.2


def test_a_window_longer_than_the_series_is_refused():
    with pytest.raises(ValueError, match="repeats=80: the series has only 40 pairs"):
        shares(series(pairs=40), DuelRecipe(repeats=80), windows=5, seed=0)


def test_a_row_holds_the_spread_over_its_series():
    measured = [series(1.0), series(1.2), series(1.3)]
    row = duel_row(measured, DuelRecipe(slowdown_percent=20, repeats=10, rule="medians"), windows=10)
    assert row["shares"]["right"] == 1 and (row["right_low"], row["right_high"]) == (0, 1)
    assert row["measured_ratio"] == [1.0, 1.2, 1.3] and row["median_ms"] == 1 and row["series"] == 3
    assert row["provenance"]["command"] == "mobilellm-lab sweep metrics"
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_a_series_is_measured_in_runs_of_its_own_order():
    found = measure_series(100, False, number=1, pairs=230)
    assert len(found.a_ms) == len(found.b_ms) == 230
    assert 1.5 < min(found.b_ms) / min(found.a_ms) < 2.5  # of undisturbed calls, on a busy machine too


def test_recipes_of_one_slowdown_share_their_series(monkeypatch, tmp_path):
    asked = []

    def measured(slowdown_percent, neighbour, *, number):
        asked.append((slowdown_percent, neighbour, number))
        return series(1 + slowdown_percent / 100)

    monkeypatch.setattr(sweep, "measure_series", measured)
    plan = [r for r in recipes() if r.repeats == 6 and r.slowdown_percent in (0, 20)]
    store = Store(tmp_path / "metrics.jsonl")
    for recipe, row in measure_duels(plan):
        store.add(recipe, row)
    assert len(asked) == len(set(asked)) == 2 * 2 * 3
    assert all(recipe in Store(store.path) for recipe in plan)


def test_a_lie_becomes_a_row(monkeypatch):
    pitfall = Pitfall(
        name="one_shot",
        title="one shot",
        wrong=3.0,
        right=1.5,
        unit="ms",
        says_wrong="three",
        says_right="half of it",
        cure="Repeat.",
        series={"ms": (3.0, 1.5)},
    )
    seeds = []
    monkeypatch.setitem(PITFALLS, "one_shot", lambda *, seed: (seeds.append(seed), pitfall)[1])
    ((trial, row),) = measure_pitfalls([PitfallTrial(name="one_shot", repeat=2)])
    assert seeds == [2] and trial.repeat == 2
    assert (row["wrong"], row["right"], row["factor"], row["unit"]) == (3.0, 1.5, 2.0, "ms")
    assert row["provenance"]["command"] == "mobilellm-lab sweep metrics_lies"
    assert json.loads(json.dumps(row, allow_nan=False)) == row
