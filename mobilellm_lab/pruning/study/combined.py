"""Measured rows of pruning and quantization in either order, at equal bytes, and of the zeros that grids keep"""

import tempfile
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from safetensors.torch import save_file

from mobilellm_lab import arms
from mobilellm_lab.choices import advice
from mobilellm_lab.measuring import on_disk
from mobilellm_lab.measuring.start import Start, start
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.combined import (
    bitmap_bytes,
    quantize_pruned,
    to_bitmap,
    with_zeros,
    zeros_in_backend,
    zeros_kept,
)
from mobilellm_lab.pruning.masks import Masks
from mobilellm_lab.pruning.recovery import RecoveryRun
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization.calibration import Calibration, calibrate, calibration_data
from mobilellm_lab.quantization.grid import BITS, Grid
from mobilellm_lab.quantization.layers import packed_parts
from mobilellm_lab.quantization.libraries.kernels import BACKENDS
from mobilellm_lab.quantization.ptq import METHODS, quantize
from mobilellm_lab.quantization.qat import QATRun
from mobilellm_lab.quantization.quantized import QuantizedModel
from mobilellm_lab.quantization.rotation import rotate
from mobilellm_lab.tasks import evaluate

COMMAND = "mobilellm-lab sweep pruning"
DEEP = ("stories-deep", "text-deep")
ORDERS = ("prune, quantize", "quantize, prune")
# Amount and bits of equal bytes: a bitmap takes 1 bit a weight, and scales in groups of 32 another half.
EQUAL = {2.5: ((0.0, 2), (0.75, 4)), 3.5: ((0.0, 3), (0.5, 4), (0.75, 8))}
TUNED = ((0.0, 3), (0.5, 4))  # of these, what is also fine-tuned between the two
STEPS, BATCH_SIZE, RATES = 40, 8, (3e-4, 1e-3)


@dataclass(frozen=True, kw_only=True)
class Combined:
    """A float model pruned by Wanda and quantized by GPTQ, in this order or the other.

    With an amount of 0 it is quantized alone. With `steps` it is fine-tuned between the two: with held masks where it
    was pruned first, by QAT where it was quantized first.

    Raises:
        ValueError: an unknown order.
    """

    model: str = "stories-deep"
    order: str = "prune, quantize"  # one of ORDERS
    amount: float = 0.5  # of the weights of the blocks, by row
    bits: int = 4  # of a weight, in symmetric groups of 32
    steps: int = 0  # updates between the two
    lr: float = 1e-3  # their peak
    seed: int = 0  # of the calibration and training sequences

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order={self.order!r}: {advice(self.order, ORDERS)}")


@dataclass(frozen=True, kw_only=True)
class Zeros:
    """A float model without this share of its weights, on every grid and in every kernel of chapter 3."""

    model: str = "stories-deep"
    pruned: float = 0.5  # by magnitude, by row


def combined_plan() -> list[Combined | Zeros]:
    """What is measured without training: both orders at equal bytes, and the zeros that are kept."""
    chosen = [each for own in EQUAL.values() for each in own]
    combined = [
        Combined(model=model, order=order, amount=amount, bits=bits, seed=seed)
        for model, (amount, bits), order, seed in product(DEEP, chosen, ORDERS, arms.SEEDS)
        if amount or order == ORDERS[0]  # without pruning the two orders are one
    ]
    return combined + [Zeros(model=model) for model in DEEP]


def combined_arms() -> list[arms.Arm]:
    """Both orders with fine-tuning between; with an amount of 0, training in float and QAT at as many bytes."""
    return [
        arms.Arm(study="combined", recipe=Combined(model=m, order=order, amount=a, bits=b, steps=STEPS), rates=RATES)
        for m, (a, b), order in product(DEEP, TUNED, ORDERS)
    ]


def combined_row(recipe: Combined, *, folder: Path) -> dict:
    """Loss, zeros and bytes of one recipe, as plain values."""
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    q, masks = make(recipe, begin)
    *_, evaluation = begin.eval_set.evaluate(q.model)
    weights = [q.model.get_parameter(name) for name in masks]
    row = {
        "loss_nats": round(evaluation.loss_nats, 6),
        "parts": [round(loss, 6) for loss in evaluation.parts()],
        "zeros": round(sum((w == 0).sum().item() for w in weights) / sum(w.numel() for w in weights), 5),
        "bytes": sizes(q),
        **begin.says(COMMAND),
    }
    if recipe.steps:
        found = evaluate(begin.task, q.model, split="validation", batches=2, batch_size=64)
        row |= {"validation_loss_nats": round(found.loss_nats, 6), "batch_size": BATCH_SIZE}
    return row


def make(recipe: Combined, begin: Start) -> tuple[QuantizedModel, Masks]:
    """The quantized model and its masks, which keep every weight where nothing is pruned."""
    grid = Grid(bits=recipe.bits)
    training = {"steps": recipe.steps, "batch_size": BATCH_SIZE, "lr": recipe.lr, "seed": recipe.seed}

    def seen(model: Transformer) -> Calibration:
        return calibrate(model, calibration_data(begin.task, seed=recipe.seed))

    if recipe.order == "prune, quantize":
        pruned = prune(begin.model, recipe.amount, importance="wanda", calibration=seen(begin.model))
        if recipe.steps:
            run = RecoveryRun(pruned, begin.task, **training)
            for _ in run:
                pass
            pruned = run.result()
        return quantize_pruned(pruned, grid, method="gptq", calibration=seen(pruned.model)), pruned.masks
    if recipe.steps:
        run = QATRun(begin.model, begin.task, grid, layers="blocks", **training)
        for _ in run:
            pass
        q = run.result()
    else:
        q = quantize(begin.model, grid, method="gptq", layers="blocks", calibration=seen(begin.model))
    masks = prune(q.model, recipe.amount, importance="wanda", calibration=seen(q.model)).masks
    return with_zeros(q, masks), masks


def sizes(q: QuantizedModel) -> dict[str, int]:
    """Bytes of the quantized matrices with all codes and with a bitmap, and of a file with the smaller one of each."""
    state = {name: value for name, value in q.model.state_dict().items() if name not in q.tensors}
    for name, tensor in q.tensors.items():
        parts = to_bitmap(tensor) if bitmap_bytes(tensor) < tensor.nbytes else packed_parts(tensor)
        state |= {f"{name}.{key}": value.contiguous() for key, value in parts.items()}
    with tempfile.TemporaryDirectory() as folder:
        save_file(state, Path(folder) / "model.safetensors")
        written = on_disk(Path(folder)).bytes
    return {
        "packed": sum(tensor.nbytes for tensor in q.tensors.values()),
        "bitmap": sum(map(bitmap_bytes, q.tensors.values())),
        "on_disk": written,
    }


def zeros_row(recipe: Zeros, *, folder: Path) -> dict:
    """Share of the masked weights that are 0 after rounding by grid, by method, after a rotation, and by kernel."""
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    pruned = prune(begin.model, recipe.pruned)
    seen = calibrate(pruned.model, calibration_data(begin.task))

    def kept(grid: Grid, method: str = "rtn") -> float:
        q = quantize(pruned.model, grid, method=method, layers="blocks", calibration=seen)
        return round(zeros_kept(q.model, pruned.masks), 5)

    grids = [Grid(bits=b, symmetric=s) for s, b in product((True, False), BITS) if s or b >= 2]  # signs have no range
    return {
        "grids": [{"bits": grid.bits, "symmetric": grid.symmetric, "kept": kept(grid)} for grid in grids],
        "methods": {method: kept(Grid(bits=4), method) for method in METHODS},
        "rotated": round(zeros_kept(rotate(pruned.model), pruned.masks), 5),
        "kernels": {
            backend.name: round(zeros_in_backend(pruned, backend.name), 5)
            for backend in BACKENDS.values()
            if backend.bits < 32 and not backend.lacks()
        },
        **begin.says(COMMAND),
    }
