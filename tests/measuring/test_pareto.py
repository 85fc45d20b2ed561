"""The Pareto front against a definition written the other way round, ties, directions and what is no number."""

import math

import numpy as np
import pytest

from mobilellm_lab.measuring import dominates, pareto

BETTER = {"ms": "lower", "accuracy": "higher"}


def point(ms, accuracy, **more):
    return {"ms": ms, "accuracy": accuracy, **more}


def test_hand_worked():
    points = [point(1, 0.5), point(2, 0.7), point(3, 0.6), point(4, 0.9), point(4, 0.8)]
    assert pareto(points, BETTER) == [0, 1, 3]


def test_equal_points_all_stay_and_a_tie_in_one_column_does_not_save():
    assert pareto([point(1, 0.5), point(1, 0.5)], BETTER) == [0, 1]
    assert pareto([point(1, 0.5), point(1, 0.4)], BETTER) == [0]
    assert pareto([point(2, 0.5), point(1, 0.5)], BETTER) == [1]


def test_the_direction_decides():
    points = [point(1, 0.5), point(2, 0.4)]
    assert pareto(points, BETTER) == [0]
    assert pareto(points, {"ms": "higher", "accuracy": "lower"}) == [1]
    assert pareto(points, {"ms": "lower", "accuracy": "lower"}) == [0, 1]
    assert pareto(points, {"ms": "lower"}) == [0]


def test_other_columns_are_not_looked_at():
    assert pareto([point(1, 0.5, name="a", mib=math.nan), point(2, 0.6, name="b", mib=1)], BETTER) == [0, 1]


def test_infinite_is_a_value():
    assert pareto([point(math.inf, 0.5), point(1, 0.5)], BETTER) == [1]
    assert pareto([point(math.inf, 0.9), point(math.inf, 0.5)], BETTER) == [0]


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_against_the_sorted_sweep(columns):
    """Every point off the front has one on it that is at least as good everywhere; none on it has."""
    rng = np.random.default_rng(columns)
    names = [f"c{i}" for i in range(columns)]
    values = rng.integers(0, 6, (60, columns))  # small integers: many ties
    points = [dict(zip(names, map(float, row), strict=True)) for row in values]
    better = {name: "lower" if i % 2 else "higher" for i, name in enumerate(names)}
    signs = np.array([1 if i % 2 else -1 for i in range(columns)])
    front = set(pareto(points, better))
    cost = values * signs
    for i in range(60):
        beaten = ((cost <= cost[i]).all(1) & (cost < cost[i]).any(1)).any()
        assert (i in front) != beaten


def test_nobody_dominates_himself():
    assert not dominates(point(1, 0.5), point(1, 0.5), BETTER)
    assert dominates(point(1, 0.6), point(1, 0.5), BETTER) and not dominates(point(1, 0.5), point(1, 0.6), BETTER)


@pytest.mark.parametrize(
    "points, better, message",
    [
        ([], BETTER, "points are empty"),
        ([point(1, 1)], {}, "names no column"),
        ([point(1, 1)], {"ms": "smaller"}, r"better\['ms'\]='smaller': choose one of lower, higher"),
        ([point(1, 1), {"ms": 2}], BETTER, "point 1 has no 'accuracy'"),
        ([point(1, 1), point(math.nan, 1)], BETTER, "point 1: ms is not a number"),
    ],
)
def test_bad_input_is_named(points, better, message):
    with pytest.raises(ValueError, match=message):
        pareto(points, better)
