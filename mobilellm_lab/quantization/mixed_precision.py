"""Mixed precision: sensitivity of each matrix, and the best bits under a budget of bytes"""

import copy
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from mobilellm_lab.knapsack import choose
from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.grid import Grid, QTensor
from mobilellm_lab.quantization.quantized import matrices, require_floats
from mobilellm_lab.tasks import Task, evaluate


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One matrix on one grid, all else in float."""

    matrix: str  # its name in the state dict
    grid: Grid
    loss_increase_nats: float  # of the loss; may be slightly below 0
    bytes: int  # packed, scales counted


def sensitivity(
    model: Transformer,
    task: Task,
    grids: Iterable[Grid],
    *,
    split: str = "validation",
    batches: int = 1,
    batch_size: int = 64,
) -> Iterator[Cost]:
    """Yields the cost of every matrix on every grid, one evaluation each; `model` stays as it is.

    Rounded with the range of the least squared error (`Grid.search`). That costs add up is an assumption: errors of
    two matrices may cancel, or make each other worse.

    Raises:
        ValueError: no grid, NaN among the weights, or a model that is not in float32.
    """
    grids = list(grids)
    if not grids:
        raise ValueError("grids is empty: give at least one to try")
    require_floats(model)
    chosen = {"split": split, "batches": batches, "batch_size": batch_size}
    before, tried = evaluate(task, model, **chosen).loss_nats, copy.deepcopy(model)
    for name, w in matrices(tried).items():
        own = w.detach().clone()
        for grid in grids:
            tensor = QTensor.of(own, grid, shrink=grid.search(own))
            with torch.no_grad():  # closed at every yield: the caller's own mode is not touched
                w.copy_(tensor.dequantize())
            loss_nats = evaluate(task, tried, **chosen).loss_nats
            yield Cost(matrix=name, grid=grid, loss_increase_nats=loss_nats - before, bytes=tensor.nbytes)
        with torch.no_grad():
            w.copy_(own)


def assign(costs: Iterable[Cost], budget_bytes: int) -> dict[str, Grid]:
    """A grid for each matrix: the bytes fit the budget, and the sum of the loss increases is the smallest possible.

    A knapsack by dynamic programming over bytes (`knapsack.choose`). More bytes never give a larger sum.

    Raises:
        ValueError: no costs, a loss increase that is no number, or a budget below the fewest bits; names the least
            that is possible.
    """
    choices: dict[str, list[Cost]] = {}
    for cost in costs:
        if not math.isfinite(cost.loss_increase_nats):
            raise ValueError(
                f"loss_increase_nats={cost.loss_increase_nats} of {cost.matrix}, {cost.grid.bits} bits: measure again"
            )
        choices.setdefault(cost.matrix, []).append(cost)
    if not choices:
        raise ValueError("costs is empty: measure them with sensitivity()")
    least = sum(min(cost.bytes for cost in own) for own in choices.values())
    if budget_bytes < least:
        raise ValueError(f"budget_bytes={budget_bytes}: the fewest bits for every matrix take {least}, give as many")
    options = {name: [(cost.loss_increase_nats, cost.bytes) for cost in own] for name, own in choices.items()}
    return {name: choices[name][i].grid for name, i in choose(options, budget_bytes).items()}
