"""Knapsack: one option for each item, with the smallest total cost within a budget"""

import math

import numpy as np

PLACES = 40_000  # that sizes are counted in, at most: a finer table would take longer and gain nothing


def choose(options: dict[str, list[tuple[float, int]]], budget: int) -> dict[str, int]:
    """The option of each item, by its place in the list: sizes fit the budget, the sum of the costs is the smallest.

    An option is (cost, size). Dynamic programming over sizes, counted in their common divisor; where that would make
    more than 40,000 places, in larger ones, every item rounded up, so that the budget holds and the best may be missed
    by a hair. A larger budget never gives a larger sum: the places do not depend on it. The caller has checked that
    costs are finite and that the smallest options fit.
    """
    smallest = {name: min(size for _, size in own) for name, own in options.items()}
    assert sum(smallest.values()) <= budget and all(math.isfinite(cost) for own in options.values() for cost, _ in own)
    extra = {name: [size - smallest[name] for _, size in own] for name, own in options.items()}
    most = sum(map(max, extra.values()))  # what the largest options take beyond the smallest
    unit = max(math.gcd(*(step for steps in extra.values() for step in steps)), math.ceil(most / PLACES), 1)
    left = budget - sum(smallest.values())
    room = min(left, most + unit * len(extra)) // unit + 1  # each item may lose a part of a unit
    best, taken = np.zeros(room), []  # best[j]: the smallest cost with j units; taken: the option that gave it
    for name, own in options.items():
        costs = np.full((len(own), room), np.inf)
        for i, ((cost, _), step) in enumerate(zip(own, extra[name], strict=True)):
            units = -(-step // unit)
            if units < room:
                costs[i, units:] = best[: room - units] + cost
        taken.append(costs.argmin(0))
        best = costs.min(0)
    place, chosen = room - 1, {}
    for name, option in reversed(list(zip(options, taken, strict=True))):
        chosen[name] = int(option[place])
        place -= -(-extra[name][chosen[name]] // unit)
    return {name: chosen[name] for name in options}
