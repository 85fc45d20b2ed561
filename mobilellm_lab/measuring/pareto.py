"""Pareto front: the candidates that no other dominates"""

import math
from collections.abc import Mapping, Sequence

BETTER = ("lower", "higher")


def dominates(a: Mapping[str, object], b: Mapping[str, object], better: Mapping[str, str]) -> bool:
    """True if a is as good as b in every column of `better`, and better in at least one."""
    pairs = [(a[name], b[name]) if way == "lower" else (b[name], a[name]) for name, way in better.items()]
    return all(low <= high for low, high in pairs) and any(low < high for low, high in pairs)


def pareto(points: Sequence[Mapping[str, object]], better: Mapping[str, str]) -> list[int]:
    """Indices of the points that no other dominates, in the order given; points that are equal all stay.

    `better` says for each column that counts which way is better: {"tpot_ms": "lower", "accuracy": "higher"}. Other
    columns of a point are not looked at. A difference within the noise counts as a difference: decide that first.

    Raises:
        ValueError: no points, no column, a direction that is not "lower" or "higher", a column that a point lacks, or
            a value that is not a number.
    """
    if not points:
        raise ValueError("points are empty: give at least one candidate")
    if not better:
        raise ValueError("better names no column: say what counts, such as {'tpot_ms': 'lower'}")
    for name, way in better.items():
        if way not in BETTER:
            raise ValueError(f"better[{name!r}]={way!r}: choose one of {', '.join(BETTER)}")
        for i, point in enumerate(points):
            if name not in point:
                raise ValueError(f"point {i} has no {name!r}: measure it, or leave the column out of better")
            if math.isnan(point[name]):
                raise ValueError(f"point {i}: {name} is not a number, so it is neither better nor worse: leave it out")
    return [
        i
        for i, point in enumerate(points)
        if not any(dominates(other, point, better) for j, other in enumerate(points) if j != i)
    ]
