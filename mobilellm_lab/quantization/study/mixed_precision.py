"""Measured sweep of mixed precision beside the same bits everywhere, at equal bytes"""

from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

import torch

from mobilellm_lab.measuring.start import start
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.mixed_precision import assign, sensitivity
from mobilellm_lab.quantization.ptq import quantize
from mobilellm_lab.quantization.quantized import matrices

BUDGETS = (2.5, 3, 3.5, 4)  # bits of a weight: the bytes of all matrices with so many, between two of them by share
BITS = (2, 3, 4, 8)  # that a matrix may be given
UNIFORM = (2, 3, 4)  # that all are given in the comparison


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """One float model and one size of groups."""

    model: str = "stories-deep"
    group_size: int = 32


def mixture_row(recipe: Mixture, *, folder: Path) -> dict:
    """What each matrix costs on validation sequences, and both ways of spending each budget, as plain values."""
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    grids = {bits: Grid(bits=bits, group_size=recipe.group_size) for bits in BITS}
    costs = list(sensitivity(begin.model, begin.task, grids.values()))
    shapes = {name: tuple(p.shape) for name, p in matrices(begin.model).items()}
    size = {bits: sum(grid.nbytes(shape) for shape in shapes.values()) for bits, grid in grids.items()}

    def made(kind: str, bits: int | float, chosen: dict[str, Grid]) -> dict:
        q = quantize(begin.model, chosen, method="mse")
        *_, evaluation = begin.eval_set.evaluate(q.model)
        return {
            "kind": kind,
            "budget_bits": bits,
            "bytes": sum(tensor.nbytes for tensor in q.tensors.values()),
            "loss_nats": round(evaluation.loss_nats, 6),
            "parts": [round(loss, 6) for loss in evaluation.parts()],
            "matrices": {str(grid.bits): sum(g == grid for g in chosen.values()) for grid in grids.values()},
        }

    rows = [made("uniform", bits, dict.fromkeys(shapes, grids[bits])) for bits in BITS if bits in UNIFORM]
    rows += [made("mixed", budget, assign(costs, _bytes(size, budget))) for budget in BUDGETS]
    return {
        "sensitivity": [[c.matrix, c.grid.bits, round(c.loss_increase_nats, 6), c.bytes] for c in costs],
        "made": rows,
        **begin.says("mobilellm-lab sweep quantization"),
    }


def _bytes(size: dict[int, int], bits: int | float) -> int:
    """Bytes of all matrices with so many bits each; of a broken number, between its neighbours by share."""
    below, above = floor(bits), ceil(bits)
    return round(size[below] + (bits - below) * (size[above] - size[below]))
