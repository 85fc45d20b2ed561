"""Exercise: Pareto front of latency and accuracy"""

from collections.abc import Callable

import numpy as np

from mobilellm_lab.teaching.by_example import by_example
from mobilellm_lab.teaching.exercise import Wrong

# (latency in ms, lower is better; accuracy, higher is better): no order, ties in one column, and equal points.
_BOARDS = (
    [(31.0, 0.71), (12.0, 0.55), (20.0, 0.66), (25.0, 0.60), (12.0, 0.48), (40.0, 0.71), (9.0, 0.41)],
    [(5.0, 0.30), (7.0, 0.44), (7.0, 0.44), (6.0, 0.25), (9.0, 0.44), (11.0, 0.52), (14.0, 0.50)],
    [(3.0, 0.9), (4.0, 0.8), (5.0, 0.7)],
    [(8.0, 0.6)],
)


def _front_stub(points):
    """Indices of the points that no other dominates: (ms, accuracy)."""
    return ...  # your code


def _front_solution(points):
    """Indices of the points that no other dominates: (ms, accuracy)."""
    kept = []
    for i, (ms, accuracy) in enumerate(points):
        beaten = any(
            other_ms <= ms and other_accuracy >= accuracy and (other_ms, other_accuracy) != (ms, accuracy)
            for other_ms, other_accuracy in points
        )
        if not beaten:
            kept.append(i)
    return kept


def _front_alternative(points):
    """Indices of the points that no other dominates: (ms, accuracy)."""
    losses = np.array(points) * [1, -1]  # lower is better in both columns
    no_worse = (losses[None] <= losses[:, None]).all(-1)  # [i, j]: j is no worse than i
    better = (losses[None] < losses[:, None]).any(-1)
    return np.flatnonzero(~(no_worse & better).any(1))


def _keep(beats: Callable) -> Callable:
    """Indices of the points that no other `beats`, which is given the other point and this one."""
    return lambda points: [
        i for i, point in enumerate(points) if not any(beats(other, point) for j, other in enumerate(points) if j != i)
    ]


def _sweep(points: list[tuple[float, float]]) -> list[int]:
    """The usual sweep by latency, which keeps one of several equal points."""
    kept, best = [], -np.inf
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[i][1] > best:
            kept.append(i)
            best = points[i][1]
    return kept


_MISTAKES = {
    "drops ties": (
        _sweep,
        "Two candidates are equal in both columns, and you kept only one of them. Neither dominates the other, since "
        "neither is worse in a column.",
    ),
    "equal points beat each other": (
        _keep(lambda other, point: other[0] <= point[0] and other[1] >= point[1]),
        "Two candidates are equal in both columns, and you dropped both. One dominates another only if it is no worse "
        "in both columns *and* better in one.",
    ),
    "keeps what is beaten in one column": (
        _keep(lambda other, point: other[0] < point[0] and other[1] > point[1]),
        "You kept a candidate although another is as fast and more accurate, or as accurate and faster. Better in "
        "*one* column and no worse in the other is enough to dominate.",
    ),
    "lower accuracy is better": (
        _keep(lambda other, point: other[0] <= point[0] and other[1] <= point[1] and tuple(other) != tuple(point)),
        "You minimised both columns. A lower latency is better, and a *higher* accuracy.",
    ),
    "higher latency is better": (
        _keep(lambda other, point: other[0] >= point[0] and other[1] >= point[1] and tuple(other) != tuple(point)),
        "You maximised both columns. A higher accuracy is better, and a *lower* latency.",
    ),
    "the two winners": (
        lambda points: sorted(
            {min(range(len(points)), key=lambda i: points[i][0]), max(range(len(points)), key=lambda i: points[i][1])}
        ),
        "You kept the fastest and the most accurate. Between them lie candidates that none dominates, slower than the "
        "one and more accurate, faster than the other and less accurate.",
    ),
    "the best ratio": (
        lambda points: [max(range(len(points)), key=lambda i: points[i][1] / points[i][0])],
        "You took the most accuracy per ms. A ratio fixes the weights of the two columns; the front leaves them open.",
    ),
    "keeps everything": (
        lambda points: list(range(len(points))),
        "You kept every candidate, also those that another dominates in both columns.",
    ),
    "points, not places": (
        lambda points: [points[i] for i in _front_solution(points)],
        "You returned the points. Return their indices in the list, counted from 0.",
    ),
}


def _places(found, points):
    try:
        found = list(found)
    except TypeError as error:
        raise Wrong("not places", f"Return a list of indices. Yours is a {type(found).__name__}.") from error
    if any(np.size(item) == 2 for item in found):
        raise Wrong("points, not places", _MISTAKES["points, not places"][1])
    if found and all(isinstance(item, (bool, np.bool_)) for item in found):
        raise Wrong(
            "a mask, not places", "You returned a mask. `np.flatnonzero(mask)` gives the indices where it is true."
        )
    return sorted(int(place) for place in found)


def _describe(found, right, points):
    listed = ", ".join(f"({ms:g} ms, {accuracy:g})" for ms, accuracy in points)
    return Wrong("other places", f"Of {listed} you kept {found}; none dominates {right}.")


def _lesson(answer, found):
    return (
        f"Of {len(_BOARDS[0])} candidates {len(found[0])} are on the front; each of the others is dominated. Which one "
        "of the front is best depends on what the device allows."
    )


FRONT = by_example(
    name="front",
    title="Pareto front",
    task="""
Candidates are measured by latency in ms, where lower is better, and by accuracy, where higher is better. Write
`front(points)`: the **indices, counted from 0, of the candidates that no other one dominates**, in any order. `points`
is a list of `(ms, accuracy)`.

One candidate dominates another if it is **no worse in both columns and better in at least one**. Two that are equal in
both do not dominate each other.
""".strip(),
    answer="front",
    stub=_front_stub,
    solution=_front_solution,
    alternative=_front_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Look at one candidate. What must another one be like, so that this one is never the better choice?",
        "For each candidate ask `any(...)` over the others: as fast or faster, as accurate or better, and not the same "
        "in both.",
        "Keep index `i` unless `any(o[0] <= p[0] and o[1] >= p[1] and o != p for o in points)`, with `p = points[i]`.",
    ),
    cases=lambda: [(board,) for board in _BOARDS],
    describe=_describe,
    lesson=_lesson,
    read=_places,
)
