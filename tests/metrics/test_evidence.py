"""Chapter 7's tables and answers: from stored rows and formulas, and true to what they say."""

import pytest

from mobilellm_lab import measuring
from mobilellm_lab.metrics.duel import RULES
from mobilellm_lab.metrics.study.evidence import (
    SEEN,
    answers,
    duels,
    pairs_needed,
    phone_sizes,
    questions_needed,
    verdicts_of_100,
)
from mobilellm_lab.reference import open_sweep

STORE = open_sweep("metrics")


def test_more_pairs_are_needed_for_a_smaller_slowdown_and_none_of_the_fewer_is_enough():
    needed = {slower: pairs_needed(STORE, slowdown_percent=slower) for slower in (5, 10, 20)}
    assert needed[5] > needed[10] > needed[20]
    found = duels(STORE, rule="paired interval", neighbour=False, slowdown_percent=10).set_index("repeats")["right"]
    assert found[needed[10]] >= SEEN and all(share < SEEN for n, share in found.items() if n < needed[10])


def test_a_slowdown_that_no_number_of_pairs_sees_is_named():
    with pytest.raises(ValueError, match="slowdown_percent=2: no stored number of pairs"):
        pairs_needed(STORE, slowdown_percent=2)


@pytest.mark.parametrize(("points", "accuracy"), [(1, 0.7), (3, 0.5), (10, 0.9)])
def test_so_many_questions_are_enough_and_a_tenth_fewer_are_not(points, accuracy):
    n = questions_needed(points=points, accuracy=accuracy)
    few = n * 9 // 10
    half = {k: 100 * measuring.accuracy_interval(round(accuracy * k), k).half_width for k in (n, few)}
    assert half[n] <= points < half[few]


def test_the_table_of_verdicts_has_a_row_per_rule_and_shares_of_100():
    table = verdicts_of_100(STORE, pairs=40, slowdown_percent=5)
    assert tuple(table["rule"]) == RULES
    assert table.drop(columns="rule").to_numpy().min() >= 0 and table.drop(columns="rule").to_numpy().max() <= 100
    row = duels(STORE, rule="medians", repeats=40, neighbour=True, slowdown_percent=5).iloc[0]
    assert table.set_index("rule").loc["medians", "right, busy"] == round(100 * row["right"])


def test_four_bits_are_a_quarter_by_formula_only():
    table = phone_sizes().set_index("weights")
    gains = [float(value.split()[0]) for value in table.loc["gain"]]
    assert table.loc["gain", "theoretical, MiB"] == "4.0 times" and max(gains[1:]) < 3


def test_every_answer_is_a_plain_number_of_this_chapter():
    for name, text in answers().items():
        assert name.startswith("metrics_") and float(text.replace(",", "")) > 0
