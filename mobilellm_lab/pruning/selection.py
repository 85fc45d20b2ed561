"""Selection of the weights to keep: the lowest scores go, by row, by matrix, globally, or n of m"""

from collections.abc import Collection

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mobilellm_lab.choices import advice
from mobilellm_lab.pruning.masks import Masks

COMPARE = ("row", "matrix", "global")  # the weights among which the lowest scores are sought


def select(scores: dict[str, Tensor], amount: float | dict[str, float], compare: str = "row") -> Masks:
    """Masks without the `amount` of lowest scores in each row (one output's weights), matrix, or all matrices.

    Of n weights round(amount * n) go, as in torch.nn.utils.prune. Of equal scores the first ones go. The mask of a
    larger amount lies inside that of a smaller one. A dict gives each matrix its own amount; one without stays dense.

    Raises:
        ValueError: an unknown comparison, an amount outside [0, 1) or of no scored matrix, a dict that is compared
            globally, NaN among the scores, or an amount that would empty a matrix.
    """
    amounts = by_matrix(scores, amount, compare)
    for name in amounts:
        _check_scores(name, scores[name])
    if compare == "global":
        return _globally(scores, amount)
    masks = {}
    for name, own in amounts.items():
        groups = scores[name] if compare == "row" else scores[name].reshape(1, -1)
        masks[name] = _keep(groups, own).view(scores[name].shape)
        _require_some(name, masks[name], own)
    return masks


def n_of_m(scores: dict[str, Tensor], n: int, m: int) -> Masks:
    """Masks that keep the n highest scores of every m neighbours along the input dimension, such as 2 of 4.

    Raises:
        ValueError: an n outside 1 .. m, NaN among the scores, or a matrix whose inputs are no multiple of m.
    """
    if not 1 <= n <= m:
        raise ValueError(f"pattern {n}:{m}: keep 1 to {m} of {m} weights")
    masks = {}
    for name, own in scores.items():
        _check_scores(name, own)
        if own.shape[1] % m:
            raise ValueError(
                f"pattern {n}:{m}: {name} has {own.shape[1]} inputs, no multiple of {m}; leave it out, "
                "or choose a pattern that divides them"
            )
        masks[name] = _keep(own.reshape(-1, m), 1 - n / m).view(own.shape)
    return masks


def by_matrix(names: Collection[str], amount: float | dict[str, float], compare: str) -> dict[str, float]:
    """The amount of each matrix that is to be pruned.

    Raises:
        ValueError: an unknown comparison, an amount outside [0, 1) or of no such matrix, or a dict that is compared
            globally.
    """
    if compare not in COMPARE:
        raise ValueError(f"compare={compare!r}: {advice(compare, COMPARE)}")
    if not isinstance(amount, dict):
        amount = dict.fromkeys(names, amount)
    elif compare == "global":
        raise ValueError("amounts by matrix with compare='global': choose compare='row' or 'matrix'")
    for name, own in amount.items():
        if name not in names:
            raise ValueError(f"amount for {name!r}: the matrices to prune are {', '.join(names)}")
        check_amount(own)
    return amount


def check_amount(amount: float) -> None:
    """Raises a ValueError for what is no share of weights to remove."""
    if not 0 <= amount < 1:
        raise ValueError(f"amount={amount}: the share of weights to remove, give 0 or more and less than 1")


def _keep(groups: Float[Tensor, "G N"], amount: float) -> Bool[Tensor, "G N"]:
    """False at the round(amount * N) lowest scores of each group."""
    lowest = groups.sort(dim=1, stable=True).indices[:, : round(amount * groups.shape[1])]
    return torch.ones_like(groups, dtype=torch.bool).scatter_(1, lowest, False)


def _globally(scores: dict[str, Tensor], amount: float) -> Masks:
    everything = torch.cat([own.flatten() for own in scores.values()])
    parts = _keep(everything[None], amount)[0].split([own.numel() for own in scores.values()])
    masks = {name: part.view(own.shape) for (name, own), part in zip(scores.items(), parts, strict=True)}
    for name, mask in masks.items():
        _require_some(name, mask, amount)
    return masks


def _check_scores(name: str, scores: Tensor) -> None:
    if not scores.isfinite().all():
        raise ValueError(f"scores of {name} hold NaN or inf: calibrate again, or choose another importance")


def _require_some(name: str, mask: Tensor, amount: float) -> None:
    if not mask.any():
        raise ValueError(
            f"amount={amount} empties {name}, which would pass nothing on: choose less, or compare='row' or 'matrix'"
        )
