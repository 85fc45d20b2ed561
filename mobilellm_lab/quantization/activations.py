"""Simulated quantization of activations: every matrix's inputs rounded as the model runs"""

from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor

from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.calibration import RANGES, Calibration, activation_grid, range_of, watch
from mobilellm_lab.quantization.grid import SMALLEST_SCALE
from mobilellm_lab.quantization.rotation import rotation

ACTIVATIONS = ("dynamic", "static")


def quantize_activations(
    model: Transformer,
    bits: int,
    *,
    how: str = "dynamic",
    calibration: Calibration | None = None,
    ranges: str = "minmax",
    hadamard: bool = False,
) -> ExitStack:
    """Rounds what every matrix of `model` is multiplied with, until the returned stack is closed; use it with `with`.

    "dynamic": each token has a symmetric grid of its own, up to its largest value. "static": each matrix has one affine
    grid for all tokens, from `range_of` its calibration inputs. `forward` and `generate` both see the rounding;
    attention scores, their softmax and the norms stay in float, and so do the weights unless you quantized them.
    `hadamard` turns the inputs of `down`, rounds, and turns back: what a kernel does that rotates there as the model
    runs, with the second turn folded into its weights (QuaRot, arXiv 2404.00456).

    Raises:
        ValueError: bits that have no such grid, an unknown choice, "static" without the calibration of this very model;
            later, in a forward pass, NaN or inf among the inputs of a matrix.
    """
    if how not in ACTIVATIONS:
        raise ValueError(f"activation={how!r}: choose one of {', '.join(ACTIVATIONS)}")
    if ranges not in RANGES:
        raise ValueError(f"ranges={ranges!r}: choose one of {', '.join(RANGES)}")
    grid = activation_grid(bits)
    if how == "static" and calibration is None:
        raise ValueError('activation="static" needs the range of every input: give calibration=calibrate(...)')
    config = model.config
    sizes = {*config.hidden_dims, config.hidden_dim} if hadamard else ()
    turns = {size: rotation(size).to(model.norm.weight.device) for size in sizes}

    def turned(name: str, size: int) -> Tensor | None:
        return turns.get(size) if name.endswith("ffn.down") else None

    scales = {}
    if how == "static":
        calibration.check(model)
        for name, seen in calibration.inputs.items():
            turn = turned(name, seen.sample.shape[-1])
            values = seen.sample if turn is None else seen.sample @ turn
            ends = torch.stack((seen.low.min(), seen.high.max())) if turn is None else values.new_empty(0)
            low, high = range_of(torch.cat((values.flatten(), ends)), grid.bits, ranges)
            scale, zero = grid.fit(torch.tensor([[low, high]]))
            scales[name] = scale.item(), zero.item()

    def visit(name: str, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
        matrix = turned(name, x.shape[-1])
        x = x if matrix is None else x @ matrix
        largest = x.abs().amax(-1, keepdim=True)
        if not largest.isfinite().all():
            raise ValueError(f"{name}: NaN or inf among its inputs; train or load the model again")
        if how == "dynamic":
            scale = (largest / ((grid.high - grid.low) / 2)).clamp(min=SMALLEST_SCALE)
            x = (x * (1 / scale)).round().clamp(grid.low, grid.high) * scale
        else:
            x = torch.fake_quantize_per_tensor_affine(x, *scales[name], grid.low, grid.high)
        return x if matrix is None else x @ matrix.T

    stack = ExitStack()
    stack.enter_context(watch(model, visit))
    return stack
