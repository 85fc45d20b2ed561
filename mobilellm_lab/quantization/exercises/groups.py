"""Exercise: round a matrix onto a grid with a scale for each group"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mobilellm_lab.teaching.by_example import by_example, close, tensor
from mobilellm_lab.teaching.exercise import Wrong

STILL = 1e-3  # of a step; a value that is off by less is right

# (rows, columns, bits, group size): a short last group, whole groups, one group longer than the row, groups of one.
_SIZES = ((4, 10, 4, 4), (3, 8, 3, 4), (2, 5, 2, 8), (5, 7, 4, 3))


def _rounded_stub(weights, bits, group_size):
    """Each row in groups of neighbours, rounded onto their grid; (R, C)."""
    return ...  # your code


def _rounded_solution(weights, bits, group_size):
    """Each row in groups of neighbours, rounded onto their grid; (R, C)."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    groups = []
    for group in weights.split(group_size, dim=1):  # the last one may be short
        largest = group.abs().amax(dim=1, keepdim=True)  # (R, 1)
        scale = largest / ((high - low) / 2)
        scale[scale == 0] = 1  # a group of zeros stays one
        codes = (group / scale).round().clamp(low, high)
        groups.append(codes * scale)
    return torch.cat(groups, dim=1)


def _rounded_alternative(weights, bits, group_size):
    """Each row in groups of neighbours, rounded onto their grid; (R, C)."""
    R, C = weights.shape
    padded = torch.nn.functional.pad(weights, (0, -C % group_size))
    groups = padded.view(R, -1, group_size)  # (R, groups, group_size)
    scale = 2 * groups.abs().amax(-1, keepdim=True) / (2**bits - 1)
    codes = torch.round(groups / scale.clamp(min=1e-30))
    codes = codes.clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return (codes * scale).view(R, -1)[:, :C]


def _grid(weights: Tensor, bits: int, scale: Tensor, *, clamp: bool = True, integer: Callable = torch.round) -> Tensor:
    """`weights` on the grid of a scale that can be multiplied with them."""
    codes = integer(weights / scale)
    return (codes.clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if clamp else codes) * scale


def _grouped(step: Callable[[Tensor, int], Tensor], **how: object) -> Callable:
    """The right groups, with another `step(group, bits)` or another way to round."""

    def rounded(weights, bits, group_size):
        return torch.cat([_grid(g, bits, step(g, bits), **how) for g in weights.split(group_size, dim=1)], dim=1)

    return rounded


def _step(group: Tensor, bits: int) -> Tensor:
    """The right step of each row of a group, (R, 1); 1 where all is zero."""
    step = group.abs().amax(1, keepdim=True) / ((2**bits - 1) / 2)
    return step.where(step > 0, 1.0)


def _signed_step(group: Tensor, bits: int) -> Tensor:
    return group.amax(1, keepdim=True).clamp(min=1e-30) / ((2**bits - 1) / 2)


def _flat(weights: Tensor, bits: int, group_size: int) -> Tensor:
    """Groups that run on from the end of a row into the next."""
    return _rounded_solution(weights.reshape(1, -1), bits, group_size).view_as(weights)


def _last_left(weights: Tensor, bits: int, group_size: int) -> Tensor:
    """Only whole groups are rounded."""
    whole = weights.shape[1] // group_size * group_size
    if not whole:
        return weights
    return torch.cat([_rounded_solution(weights[:, :whole], bits, group_size), weights[:, whole:]], dim=1)


_MISTAKES = {
    "one scale for the matrix": (
        lambda w, bits, size: _grid(w, bits, w.abs().max() / ((2**bits - 1) / 2)),
        "You used one scale for the whole matrix. Its largest weight then sets the step everywhere, and where the "
        "weights are small nearly all of them round to 0.",
    ),
    "one scale per row": (
        lambda w, bits, size: _grid(w, bits, _step(w, bits)),
        "You used one scale for each row. `group_size` neighbours share one, so that a row has several.",
    ),
    "groups run down the columns": (
        lambda w, bits, size: _rounded_solution(w.T, bits, size).T,
        "Your groups run down the columns. A row holds the weights of one output; its neighbours along the row share a "
        "scale, which comes out of the sum of the product.",
    ),
    "groups cross the rows": (
        _flat,
        "Your groups run on from the end of one row into the next. Where the row's length is no multiple of "
        "`group_size`, its last group is short, and the next row starts anew.",
    ),
    "leaves the short group": (
        _last_left,
        "The last group of a row stays as it was. It is shorter than `group_size`, and still gets a scale of its own.",
    ),
    "does not saturate": (
        _grouped(_step, clamp=False),
        "Your codes go one beyond the grid: the largest weight divided by the scale is half a step above the largest "
        "code, and rounds up. Clamp the codes after rounding.",
    ),
    "cuts instead of rounding": (
        _grouped(_step, integer=torch.trunc),
        "You cut the fraction off, which moves every weight towards 0 and doubles the largest error. Round to the "
        "nearest code.",
    ),
    "the largest, without its sign": (
        _grouped(_signed_step),
        "You took the largest weight, not the largest *magnitude*. In a group whose largest weight is negative the "
        "step is then too small, and the negative ones are cut off.",
    ),
    "leaves the lowest code unused": (
        _grouped(lambda g, bits: _step(g, bits) * ((2**bits - 1) / 2) / (2 ** (bits - 1) - 1)),
        "You divided by the largest code. That is a grid that libraries use too, with the lowest code idle and wider "
        "steps. Here the largest magnitude lies `(2**bits - 1) / 2` steps from 0, so that all codes are used.",
    ),
    "a group of zeros becomes NaN": (
        lambda w, bits, size: torch.cat(
            [_grid(g, bits, g.abs().amax(1, keepdim=True) / ((2**bits - 1) / 2)) for g in w.split(size, dim=1)], dim=1
        ),
        "A group of zeros became NaN: its scale is 0, and 0 / 0 is not a number. Give such a group any other scale.",
    ),
    "codes, not weights": (
        lambda w, bits, size: torch.cat([_grid(g, bits, _step(g, bits)) / _step(g, bits) for g in w.split(size, 1)], 1),
        "You returned the codes. Multiply each by the scale of its group: the result must be close to the weights.",
    ),
}


def _matrix(rows: int, columns: int, bits: int, group_size: int) -> Tensor:
    """A made-up matrix whose groups differ in size. Steps are powers of two, so that a tie is one in any formula."""
    draw = torch.Generator().manual_seed(columns)
    half = (2**bits - 1) / 2  # steps from 0 to the largest magnitude
    weights = torch.empty(rows, columns)
    for row in range(rows):
        for number, start in enumerate(range(0, columns, group_size)):
            n = min(group_size, columns - start)
            group = (2 * torch.rand(n, generator=draw) - 1) * (half - 0.6)
            group[row % n] = half if (row + number) % 2 else -half
            weights[row, start : start + n] = group * 2.0 ** (-2 - (row + 2 * number) % 4)
    weights[0, :group_size] = 0
    return weights


def _step_of_each(weights: Tensor, bits: int, group_size: int) -> Tensor:
    """The step of each weight's group, as large as the matrix."""
    return torch.cat([_step(g, bits).expand_as(g) for g in weights.split(group_size, dim=1)], dim=1)


def _values(found, weights, bits, group_size):
    """The result, with the solution's value wherever it is as good: a tie may go either way."""
    found, best = tensor(found, weights), _rounded_solution(weights, bits, group_size)
    step = _step_of_each(weights, bits, group_size)
    codes = found / step
    on_grid = (codes - codes.round()).abs() < STILL
    inside = (codes.round() >= -(2 ** (bits - 1))) & (codes.round() <= 2 ** (bits - 1) - 1)
    return best.where(on_grid & inside & ((found - weights).abs() <= (best - weights).abs() + STILL * step), found)


def _describe(found, expected, weights, bits, group_size):
    row, column = (found != expected).nonzero()[0].tolist()
    return Wrong(
        "another grid",
        f"{bits} bits, groups of {group_size}: the weight {weights[row, column]:.5f} in row {row}, column {column} "
        f"became {found[row, column]:.5f} where {expected[row, column]:.5f} is right, a multiple of the step "
        f"{_step_of_each(weights, bits, group_size)[row, column]:.5f}.",
    )


def _lesson(answer, found):
    weights, bits, group_size = _matrix(*_SIZES[0]), *_SIZES[0][2:]
    one = _MISTAKES["one scale for the matrix"][0](weights, bits, group_size)
    errors = [(values - weights).square().mean().sqrt() for values in (one, found[0])]
    return (
        f"{sum(values.numel() for values in found)} weights lie on their grids. In the first matrix one "
        f"scale for all would make the error {errors[0] / errors[1]:.1f} times as large: a large weight now "
        "spoils its own group only. The price is a scale to store for each group."
    )


GROUPS = by_example(
    name="groups",
    title="Round to a grid, group by group",
    task="""
Write `rounded(weights, bits, group_size)`. `weights` is a matrix (R, C); each of its rows is cut into **groups of
`group_size` neighbours, the last of which may be shorter**. A group has a grid of its own: the whole numbers from
`-2**(bits - 1)` to `2**(bits - 1) - 1`, its **codes**, times a **scale**. Return the matrix with every weight moved to
the nearest value of its group's grid.

The scale is the group's largest magnitude divided by `(2**bits - 1) / 2`. The largest weight then lies half a step
beyond the last code, and is **saturated** to it. A group of zeros stays zero.
""".strip(),
    answer="rounded",
    stub=_rounded_stub,
    solution=_rounded_solution,
    alternative=_rounded_alternative,
    mistakes=_MISTAKES,
    hints=(
        "First write it for one group that is a whole row: scale, division, rounding, clamp, multiplication. What "
        "changes when the row has several groups?",
        "`weights.split(group_size, dim=1)` gives the groups of all rows at once, the short one too; "
        "`group.abs().amax(dim=1, keepdim=True)` is the largest magnitude in each row of a group.",
        "`codes = (group / scale).round().clamp(low, high)`, and `codes * scale` is the group on its grid. "
        "`torch.cat(groups, dim=1)` puts the groups side by side. Where `scale` is 0, set it to 1 before dividing.",
    ),
    cases=lambda: [(_matrix(*sizes), *sizes[2:]) for sizes in _SIZES],
    describe=_describe,
    lesson=_lesson,
    read=_values,
    same=partial(close, atol=1e-6),
)
