"""Knapsack: no other choice within the budget costs less, whatever sizes are counted in."""

import itertools
import random

import pytest

from mobilellm_lab.knapsack import choose


def options(seed: int, *, scale: int = 1) -> dict[str, list[tuple[float, int]]]:
    draw = random.Random(seed)
    return {f"item {i}": [(draw.random(), scale * draw.randint(1, 30)) for _ in range(4)] for i in range(5)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0, 0.2, 0.6, 1, 3])
def test_no_other_choice_costs_less(seed, share):
    given = options(seed)
    every = [tuple(map(sum, zip(*taken, strict=True))) for taken in itertools.product(*given.values())]
    sizes = [size for _, size in every]
    budget = round(min(sizes) + share * (max(sizes) - min(sizes)))
    cost, size = map(sum, zip(*(given[name][i] for name, i in choose(given, budget).items()), strict=True))
    assert size <= budget
    assert cost == pytest.approx(min(cost for cost, size in every if size <= budget))


def test_sizes_that_share_a_divisor_change_nothing():
    small, large = options(0), options(0, scale=12_347)
    assert all(choose(small, budget) == choose(large, 12_347 * budget + 5) for budget in (60, 80, 100))


def test_an_item_alone_gets_its_cheapest_option_that_fits():
    given = {"one": [(3.0, 10), (2.0, 20), (1.0, 31)]}
    assert [choose(given, budget)["one"] for budget in (10, 19, 20, 30, 31, 1000)] == [0, 0, 1, 1, 2, 2]
