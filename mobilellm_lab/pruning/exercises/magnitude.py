"""Exercise: write a magnitude mask, row by row, with exact counts and ties"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mobilellm_lab.teaching.by_example import by_example, tensor
from mobilellm_lab.teaching.exercise import Wrong

# (rows, columns, amount): half, a count to round up, one to round down, nothing at all, and all ties.
_SIZES = ((4, 8, 0.5), (3, 9, 0.3), (5, 7, 0.33), (2, 6, 0.0))
_TIED = ((4, 6, 0.5), (3, 10, 0.8))


def _kept_stub(weights, amount):
    """True where a weight stays; in each row of (R, C) the smallest go."""
    return ...  # your code


def _kept_solution(weights, amount):
    """True where a weight stays; in each row of (R, C) the smallest go."""
    count = round(amount * weights.shape[1])
    order = weights.abs().argsort(dim=1)  # places, the smallest magnitude first
    kept = torch.ones_like(weights, dtype=torch.bool)
    return kept.scatter(1, order[:, :count], False)


def _kept_alternative(weights, amount):
    """True where a weight stays; in each row of (R, C) the smallest go."""
    rows = []
    for row in weights.abs().tolist():
        gone = sorted(range(len(row)), key=row.__getitem__)
        gone = gone[: round(amount * len(row))]
        rows.append([place not in gone for place in range(len(row))])
    return torch.tensor(rows)


def _mask(weights: Tensor, amount: float, *, score: Callable = torch.abs, count: Callable = round) -> Tensor:
    """The right mask, by another score or with another way to count."""
    order = score(weights).argsort(dim=1)[:, : int(count(amount * weights.shape[1]))]
    return torch.ones_like(weights, dtype=torch.bool).scatter(1, order, False)


def _threshold(weights: Tensor, amount: float, *, keep_ties: bool) -> Tensor:
    """What lies above the largest magnitude that goes, or at it."""
    size = weights.abs()
    count = round(amount * weights.shape[1])
    if not count:
        return torch.ones_like(size, dtype=torch.bool)
    edge = size.kthvalue(count, dim=1, keepdim=True).values
    return size >= edge if keep_ties else size > edge


def _flat(weights: Tensor, amount: float) -> Tensor:
    return _mask(weights.reshape(1, -1), amount).view_as(weights)


_MISTAKES = {
    "the matrix, not its rows": (
        _flat,
        "You compared all weights of the matrix. A row of small weights then loses nearly all, one of large weights "
        "hardly any. Compare each row's weights with each other.",
    ),
    "columns": (
        lambda weights, amount: _mask(weights.T, amount).T,
        "You compared the weights of a column, which belong to one input. A row holds the weights of one output.",
    ),
    "keeps the smallest": (
        lambda weights, amount: ~_mask(weights, amount),
        "Your mask is True where a weight goes. True means that it stays.",
    ),
    "with their signs": (
        partial(_mask, score=lambda weights: weights),
        "You compared the weights with their signs: -3 is the smallest of a row, and the last that should go. Compare "
        "magnitudes.",
    ),
    "rounds down": (
        partial(_mask, count=int),
        "You cut the count off. Of 9 weights an amount of 0.3 is 2.7: round it, to 3.",
    ),
    "a threshold takes the ties too": (
        partial(_threshold, keep_ties=False),
        "A row of equal magnitudes lost everything: all of them lie at the threshold. Count the weights that go, "
        "and take that many by their places.",
    ),
    "a threshold leaves the ties": (
        partial(_threshold, keep_ties=True),
        "A row of equal magnitudes lost nothing, or too little: what lies at the threshold stayed. Count the weights "
        "that go, and take that many by their places.",
    ),
}


def matrix(rows: int, columns: int, *, tied: bool = False) -> Tensor:
    """A made-up matrix whose rows differ in size; with `tied` all magnitudes of a row are equal."""
    draw = torch.Generator().manual_seed(rows * columns)
    weights = torch.randn(rows, columns, generator=draw)
    return (weights.sign() if tied else weights) * 2.0 ** torch.arange(rows)[:, None]


def read_mask(found: object, score: Tensor, amount: float) -> Tensor:
    """A mask as bools, with ties broken as the solution breaks them: any of them may go.

    Raises:
        Wrong: another shape, or other values than two.
    """
    found = tensor(found, score)
    if not ((found == 0) | (found == 1)).all():
        raise Wrong("not a mask", "Return True where a weight stays and False where it goes, not the weights.")
    count, right = round(amount * score.shape[1]), _mask(score, amount)
    for row, (kept, size) in enumerate(zip(found.bool(), score.abs(), strict=True)):
        as_many = int((~kept).sum()) == count
        if as_many and (not count or not kept.any() or size[~kept].max() <= size[kept].min()):
            found[row] = right[row].float()
    return found.bool()


def describe_mask(found: Tensor, right: Tensor, score: Tensor, amount: float, what: str) -> Wrong:
    """What is wrong with a mask, by the first row that differs."""
    row = int((found != right).any(1).nonzero()[0])
    values = ", ".join(f"{value:.3g}" for value in score[row].tolist())
    gone = (~found[row]).nonzero().flatten().tolist()
    return Wrong(
        "another mask",
        f"Amount {amount:g}, row {row} with {what} {values}: yours removes the places {gone}, right are "
        f"{(~right[row]).nonzero().flatten().tolist()}.",
    )


def _lesson(answer, found):
    weights, amount = matrix(*_SIZES[0][:2]), _SIZES[0][2]
    by_row, flat = (~found[0]).sum(1).tolist(), (~_flat(weights, amount)).sum(1).tolist()
    return (
        f"{sum(mask.numel() for mask in found)} weights, and every row loses as many as it should. In the first matrix "
        f"each row loses {by_row[0]}; compared over the whole matrix its rows would lose {flat}, and the smallest "
        "output would hardly be computed at all."
    )


def _cases():
    whole = [(matrix(rows, columns), amount) for rows, columns, amount in _SIZES]
    return whole + [(matrix(rows, columns, tied=True), amount) for rows, columns, amount in _TIED]


MAGNITUDE = by_example(
    name="magnitude",
    title="Write a magnitude mask",
    task="""
Write `kept(weights, amount)`. `weights` is a matrix (R, C), one row for each output. Return a mask of the same shape:
**True where a weight stays, False where it goes**. In each row exactly `round(amount * C)` weights go, those with the
smallest magnitudes. Where magnitudes are equal, any of them may go, but not more of them and not fewer.
""".strip(),
    answer="kept",
    stub=_kept_stub,
    solution=_kept_solution,
    alternative=_kept_alternative,
    mistakes=_MISTAKES,
    hints=(
        "A threshold cannot keep the count where several weights lie at it. What can: their order.",
        "`weights.abs().argsort(dim=1)` gives the places of each row's weights, the smallest first. The first "
        "`round(amount * C)` of them go.",
        "Start with a mask of `torch.ones_like(weights, dtype=torch.bool)`; its `.scatter(1, order[:, :count], False)` "
        "writes False at these places.",
    ),
    cases=_cases,
    describe=partial(describe_mask, what="weights"),
    lesson=_lesson,
    read=read_mask,
    same=lambda a, b, *case: torch.equal(a, b),
)
