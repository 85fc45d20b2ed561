"""The stored rows of chapter 7: made as they are measured now, and each row sound in itself."""

import pytest

from mobilellm_lab.metrics import OUTCOMES, PITFALLS, recipes
from mobilellm_lab.metrics.study.sweep import PAIRS, SERIES, WINDOWS
from mobilellm_lab.reference import open_sweep

DUELS, TOLD = open_sweep("metrics"), open_sweep("metrics_lies")


def test_every_duel_was_measured_as_it_is_measured_now():
    for row in DUELS.rows.values():
        assert (row["series"], row["windows"], row["pairs"]) == (SERIES, WINDOWS, PAIRS), "delete the rows, sweep again"


def test_shares_are_those_of_outcomes_that_can_happen():
    for row in DUELS.rows.values():
        shares, same = row["shares"], row["recipe"]["slowdown_percent"] == 0
        assert list(shares) == list(OUTCOMES) and all(0 <= share <= 1 for share in shares.values())
        impossible = ("missed", "wrong winner") if same else ("false alarm",)
        assert not any(shares[name] for name in impossible)
        assert row["right_low"] <= shares["right"] <= row["right_high"]


def test_b_was_slower_by_about_what_the_recipe_says():
    for row in DUELS.rows.values():
        wanted = 1 + row["recipe"]["slowdown_percent"] / 100
        ratios = sorted(row["measured_ratio"])
        assert len(ratios) == SERIES and ratios[SERIES // 2] == pytest.approx(wanted, abs=0.05)
        assert row["median_ms"] > 0


def test_more_pairs_and_a_larger_difference_are_judged_better():
    """Of the paired interval, without a neighbour: the trend over the whole table, not of any single row."""
    right = {
        (r.slowdown_percent, r.repeats): DUELS[r]["shares"]["right"]
        for r in recipes()
        if r.rule == "paired interval" and not r.neighbour
    }
    assert right[20, 80] >= 0.9 > right[2, 6]
    assert right[5, 80] > right[5, 6]


@pytest.mark.parametrize("name", PITFALLS)
def test_both_numbers_of_a_lie_were_measured_in_every_repeat(name):
    rows = [row for row in TOLD.rows.values() if row["recipe"]["name"] == name]
    assert len(rows) == 3
    for row in rows:
        assert row["wrong"] > 0 and row["right"] > 0
        assert row["factor"] == pytest.approx(row["wrong"] / row["right"])
        assert all(row[text] for text in ("title", "unit", "says_wrong", "says_right", "cure"))
    assert len({row["wrong"] for row in rows}) == 3  # three measurements, not one copied
