"""Histogram of a matrix before and after rounding, with the values of its widest group"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mobilellm_lab.quantization.grid import QTensor, check

BINS = 81  # odd: one of them is centred on 0


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How many weights lie in each of equal bins from -`end` to `end`."""

    end: float  # the largest magnitude, before or after
    before: tuple[int, ...]  # the float weights
    after: tuple[int, ...]  # the same once they are rounded; equal to `before` where they are not
    values: tuple[float, ...]  # of the grid of the group with the largest weight; none where it stays float
    groups: int  # that have a scale of their own
    error: float  # root mean square of the rounding, as a share of that of the weights


def histogram(w: Float[Tensor, "R C"], tensor: QTensor | None = None, *, bins: int = BINS) -> Histogram:
    """The float weights beside what `tensor` makes of them; None leaves them as they are.

    Raises:
        ValueError: no weights, or NaN among them.
    """
    check(w)
    w = w.detach().float()
    rounded = w if tensor is None else tensor.dequantize()
    end = max(w.abs().max().item(), rounded.abs().max().item(), 1e-30)
    before, after = (torch.histc(each, bins, -end, end).int().tolist() for each in (w, rounded))
    values, groups = (), 0
    if tensor is not None:
        values, groups = tuple(_widest(tensor)), tensor.scale.numel()
    rms = w.square().mean().sqrt().item()
    return Histogram(
        end=end,
        before=tuple(before),
        after=tuple(after),
        values=values,
        groups=groups,
        error=(rounded - w).square().mean().sqrt().item() / rms if rms else 0.0,
    )


def _widest(tensor: QTensor) -> list[float]:
    """The values of the group with the largest scale, from the lowest to the highest."""
    grid, at = tensor.grid, tensor.scale.argmax()
    codes = [-1, 1] if grid.bits == 1 else range(grid.low, grid.high + 1)
    scale, zero = tensor.scale.flatten()[at].item(), tensor.zero.flatten()[at].item()
    return [(code - zero) * scale for code in codes]
