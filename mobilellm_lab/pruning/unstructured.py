"""Prune single weights of a model, by importance, in any comparison group or n:m pattern"""

import math
import re

import torch
from torch import Tensor

from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.importance import CALIBRATED, TABLE, gram_of, scores
from mobilellm_lab.pruning.masks import PrunedModel, apply, require_dense
from mobilellm_lab.pruning.selection import by_matrix, n_of_m, select
from mobilellm_lab.pruning.sparsegpt import sparsegpt
from mobilellm_lab.quantization.calibration import Calibration
from mobilellm_lab.quantization.quantized import matrices
from mobilellm_lab.quantization.quantized import select as matrices_of


def prune(
    model: Transformer,
    amount: float | dict[str, float],
    *,
    importance: str = "l1",
    compare: str = "row",
    pattern: str = "",
    layers: str = "blocks",
    calibration: Calibration | None = None,
    gradients: dict[str, Tensor] | None = None,
    seed: int = 0,
) -> PrunedModel:
    """A copy of the model without the `amount` of least important weights of these `layers`; `model` stays as it is.

    `compare` names the group in which the least important are sought: a row (one output's weights), a matrix, or all
    of them. A dict gives each matrix its own amount, and leaves the others dense. A `pattern` such as "2:4" keeps 2 of
    every 4 neighbouring inputs instead; the amount must be the pattern's own, here 0.5. "sparsegpt" also changes the
    weights that it keeps; all other importances leave them as they are.

    The amount is of all weights of a group: those that are 0 already have the lowest score, and count.

    Raises:
        ValueError: what `scores` and `select` refuse, a model that is pruned or quantized already, a pattern that is
            none, does not fit a matrix's inputs or has another amount, or a global comparison of an embedding table
            with matrices whose scores hold inputs.
    """
    require_dense(model)
    chosen = matrices_of(model, layers)
    by_matrix(chosen, amount, compare)  # refused before any work
    kept = _parse(pattern, amount) if pattern else None
    if importance in CALIBRATED and compare == "global" and TABLE in chosen and not kept:
        raise ValueError(
            f"layers={layers!r} with importance={importance!r} and compare='global': the table has no inputs to be "
            "scored by; choose layers='blocks', or compare='row' or 'matrix'"
        )
    own = scores(model, importance, chosen, calibration=calibration, gradients=gradients, seed=seed)
    masks = n_of_m(own, *kept) if kept else select(own, amount, compare)
    pruned = apply(model, masks)
    if importance == "sparsegpt":
        _update(pruned, model, calibration)
    return pruned


@torch.no_grad()
def _update(pruned: PrunedModel, model: Transformer, calibration: Calibration) -> None:
    """Changes the kept weights in place, so that they make good for those of `model` that are gone."""
    before, after = matrices(model), matrices(pruned.model)
    for name, mask in pruned.masks.items():
        gram = gram_of(name, calibration)
        if gram is not None:
            after[name].copy_(sparsegpt(before[name], gram, mask))


def _parse(pattern: str, amount: float | dict[str, float]) -> tuple[int, int]:
    """(n, m) of a pattern "n:m" whose own amount is this one."""
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", pattern):
        raise ValueError(f"pattern={pattern!r}: give n:m, such as '2:4', or '' for none")
    n, m = map(int, pattern.split(":"))
    if isinstance(amount, dict):
        raise ValueError(f"amounts by matrix with pattern={pattern!r}: give one amount, the pattern's {1 - n / m:.4g}")
    if n <= m and not math.isclose(amount, 1 - n / m, abs_tol=1e-9):
        raise ValueError(f"amount={amount} with pattern={pattern!r}: the pattern's own is {1 - n / m:.4g}")
    return n, m
