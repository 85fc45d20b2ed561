"""Quantization grid: symmetric or affine, with a scale per tensor, channel or group"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int8, Shaped
from torch import Tensor

from mobilellm_lab.quantization.packing import TERNARY, WIDTHS, packed_bytes

BITS = WIDTHS  # 1 is binary, {-1, +1}; 1.58 is ternary, {-1, 0, +1}
TENSOR, CHANNEL = -1, 0  # group sizes with a name: one scale for the whole tensor, one for each output row
SCALE_DTYPES = {"float16": torch.float16, "float32": torch.float32}
SMALLEST_SCALE = 2.0**-23  # a group of zeros needs a scale too; torch's observers stop here, and float16 has it
SHRINKS = tuple(2.0 ** (step / 16) for step in range(-32, 17))  # 1/4 to 2, what `Grid.search` tries


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How a matrix (R outputs, C inputs) is rounded: value = scale * (code - zero), both per group of weights.

    Groups are `n_groups` a row, or one for the tensor. Codes, symmetric or affine, are the integers `low` to `high`.
    Symmetric and affine grids of 2 to 8 bits are torchao's and torch's (tests/quantization/test_grid.py). Binary:
    sign(w) times the group's mean |w|, XNOR-Net (arXiv 1603.05279). Ternary: in steps of mean |w|, BitNet b1.58
    (arXiv 2402.17764).

    Raises:
        ValueError: a value that has no grid; names the field, its value and a remedy.
    """

    bits: int | float = 4  # one of BITS
    group_size: int = 32  # neighbouring inputs of a row that share a scale; TENSOR or CHANNEL; the last may be short
    symmetric: bool = True  # zero is code 0; else the range is the weights' own, and each group has a zero code
    scale_dtype: str = "float16"  # what a scale is rounded to and stored as, "float32" as torchao does

    def __post_init__(self) -> None:
        if self.bits not in BITS:
            raise ValueError(f"bits={self.bits!r}: choose one of {', '.join(map(str, BITS))}")
        if type(self.group_size) is not int or self.group_size < TENSOR:
            raise ValueError(f"group_size={self.group_size!r}: give 1 or more, {CHANNEL} per row, {TENSOR} per tensor")
        if self.bits < 2 and not self.symmetric:
            raise ValueError(f"symmetric=False: {self.bits} bits are signs (and zero), give 2 bits or more")
        if not isinstance(self.symmetric, bool):
            raise ValueError(f"symmetric={self.symmetric!r}: give True or False")
        if self.scale_dtype not in SCALE_DTYPES:
            raise ValueError(f"scale_dtype={self.scale_dtype!r}: choose one of {', '.join(SCALE_DTYPES)}")
        if self.bits != TERNARY:
            object.__setattr__(self, "bits", int(self.bits))  # a slider's 4.0 is 4

    @property
    def levels(self) -> int:
        """Values that a group can take."""
        return 3 if self.bits == TERNARY else 2**self.bits

    @property
    def low(self) -> int:
        """Smallest code."""
        return -1 if self.bits < 2 else -(2 ** (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest code."""
        return 1 if self.bits < 2 else 2 ** (self.bits - 1) - 1

    def groups(self, shape: tuple[int, int]) -> tuple[int, int]:
        """(rows, n_groups) of the scales of a matrix of this shape."""
        rows, columns = shape
        return (1, 1) if self.group_size == TENSOR else (rows, math.ceil(columns / (self.group_size or columns)))

    def nbytes(self, shape: tuple[int, int]) -> int:
        """Bytes of a packed matrix of this shape, its scales and zeros counted."""
        rows, n_groups = self.groups(shape)
        scales = rows * n_groups * SCALE_DTYPES[self.scale_dtype].itemsize
        zeros = 0 if self.symmetric else rows * packed_bytes(n_groups, self.bits)
        return shape[0] * packed_bytes(shape[1], self.bits) + scales + zeros

    def bits_per_weight(self, shape: tuple[int, int]) -> float:
        """Bits that a weight of such a matrix takes when packed, scales and zeros counted: 4 in groups of 32 is 4.5."""
        return 8 * self.nbytes(shape) / math.prod(shape)

    @torch.no_grad()
    def fit(
        self, w: Float[Tensor, "R C"], *, shrink: int | float | Float[Tensor, "r n"] = 1.0
    ) -> tuple[Float[Tensor, "r n"], Int[Tensor, "r n"]]:
        """(scale, zero) of each group, so that its largest weight times `shrink` is at the end of the grid.

        The scale is float32, rounded to `scale_dtype`. Symmetric grids put the largest magnitude half a step beyond
        `high`, as torchao and torch do: both ends then round equally. Affine ranges are widened to hold 0.

        Raises:
            ValueError: no weights, NaN or inf among them, too large for `scale_dtype`, or a `shrink` that is not
                positive.
        """
        if w.ndim != 2 or w.numel() == 0:
            check(w)
        if not (torch.as_tensor(shrink) > 0).all():
            raise ValueError(f"shrink={shrink}: must be positive, 1 covers all weights")
        scale, zero = self._scale_and_zero(*self._range(w), shrink)
        if not scale.isfinite().all():  # NaN and inf reach the scale of their group, and there are fewer of these
            check(w)
            raise ValueError(f"scale_dtype={self.scale_dtype!r} cannot hold the scale of such weights: take float32")
        return scale, zero

    @torch.no_grad()
    def quantize(
        self, w: Float[Tensor, "R C"], scale: Float[Tensor, "r n"], zero: Int[Tensor, "r n"]
    ) -> Int8[Tensor, "R C"]:
        """The nearest code of each weight, halves to the even one; beyond the ends the end (saturation).

        Multiplied by 1 / scale, not divided by the scale: at an exact half that may differ, and torchao does so.
        """
        return self._ungrouped(self._codes(self._grouped(w.float()), scale, zero).to(torch.int8), w.shape)

    def dequantize(
        self, codes: Int8[Tensor, "R C"], scale: Float[Tensor, "r n"], zero: Int[Tensor, "r n"]
    ) -> Float[Tensor, "R C"]:
        """The float32 weights that the codes stand for."""
        steps = self._grouped(codes).float().sub_(zero[..., None])
        return self._ungrouped(steps * scale[..., None], codes.shape)

    def fake(
        self, w: Float[Tensor, "R C"], *, shrink: int | float | Float[Tensor, "r n"] = 1.0
    ) -> Float[Tensor, "R C"]:
        """The weights rounded to their grid, still float32; no gradient passes."""
        scale, zero = self.fit(w, shrink=shrink)
        return self.dequantize(self.quantize(w, scale, zero), scale, zero)

    @torch.no_grad()
    def search(self, w: Float[Tensor, "R C"], weight: Float[Tensor, " C"] | None = None) -> Float[Tensor, "r n"]:
        """The `shrink` of each group, among SHRINKS, with the least squared error; `weight` counts input channels.

        Large weights are then cut off for the sake of the many small ones. Source: OCTAV (arXiv 2206.06501) has the
        idea and a faster way.
        """
        best = torch.ones_like(self.fit(w)[0])  # refuses what has no fit
        least = torch.full_like(best, math.inf)
        groups, counts = self._grouped(w.float()), self._counts(w, weight)
        low, high = self._range(w)
        for shrink in sorted(SHRINKS, key=lambda shrink: abs(math.log(shrink))):  # of equals, the one nearest to 1
            scale, zero = self._scale_and_zero(low, high, shrink)
            values = self._codes(groups, scale, zero).sub_(zero[..., None]).mul_(scale[..., None])
            error = values.sub_(groups).square_().mul_(counts).sum(-1)
            better = error < least
            best, least = torch.where(better, shrink, best), torch.where(better, error, least)
        return best

    def _range(self, w: Float[Tensor, "R C"]) -> tuple[Float[Tensor, "r n"], Float[Tensor, "r n"]]:
        """(low, high) of each group: what the steps from `low` to `high` of the grid are to span."""
        groups = self._grouped(w.float())
        if self.bits < 2:
            high = groups.abs().sum(-1) / self._counts(w).sum(-1)
            return -high, high
        low, high = torch.aminmax(groups, dim=-1)
        if self.symmetric:
            high = torch.maximum(high, -low)
            return -high, high
        return low.clamp(max=0), high.clamp(min=0)

    def _scale_and_zero(
        self, low: Float[Tensor, "r n"], high: Float[Tensor, "r n"], shrink: int | float | Float[Tensor, "r n"]
    ) -> tuple[Float[Tensor, "r n"], Int[Tensor, "r n"]]:
        """Of groups with these ranges; inf where the scale is beyond its type."""
        scale = ((high - low) / (self.high - self.low) * shrink).clamp(min=SMALLEST_SCALE)
        scale = scale.to(SCALE_DTYPES[self.scale_dtype]).float()
        if self.symmetric:
            return scale, torch.zeros_like(scale, dtype=torch.int32)
        zero = (self.low - (low * shrink / scale).round()).clamp(self.low, self.high)
        return scale, zero.to(torch.int32)

    def _codes(
        self, groups: Float[Tensor, "r n group"], scale: Float[Tensor, "r n"], zero: Int[Tensor, "r n"]
    ) -> Float[Tensor, "r n group"]:
        """The codes of all weights, still as floats."""
        if self.bits == 1:
            return torch.where(groups < 0, -1.0, 1.0)
        steps = groups * (1.0 / scale)[..., None]
        return steps.round_().add_(zero[..., None]).clamp_(self.low, self.high)

    def _counts(self, w: Float[Tensor, "R C"], weight: Float[Tensor, " C"] | None = None) -> Float[Tensor, "_ n group"]:
        """What each weight counts, by default 1, in groups; the filling of a short group counts nothing."""
        weight = torch.ones(w.shape[1], device=w.device) if weight is None else weight
        return self._grouped(weight.expand(w.shape if self.group_size == TENSOR else (1, -1)))

    def _grouped(self, w: Shaped[Tensor, "R C"]) -> Shaped[Tensor, "r n group"]:
        """Groups along the last axis, a short one filled up with zeros, which change no range and no sum."""
        if self.group_size == TENSOR:
            return w.reshape(1, 1, -1)
        size = self.group_size or w.shape[1]
        return F.pad(w.contiguous(), (0, -w.shape[1] % size)).unflatten(1, (-1, size))

    def _ungrouped(self, groups: Shaped[Tensor, "r n group"], shape: tuple[int, int]) -> Shaped[Tensor, "R C"]:
        return groups.reshape(shape[0], -1)[:, : shape[1]].contiguous()


@dataclass(frozen=True, eq=False)
class QTensor:
    """A quantized matrix: codes with the scale and zero of each group."""

    grid: Grid
    codes: Int8[Tensor, "R C"]
    scale: Float[Tensor, "r n"]  # float32, and representable in grid.scale_dtype
    zero: Int[Tensor, "r n"]  # the code of 0; 0 for a symmetric grid

    @classmethod
    def of(cls, w: Float[Tensor, "R C"], grid: Grid, *, shrink: int | float | Float[Tensor, "r n"] = 1.0) -> "QTensor":
        """These weights by RTN on a grid fitted to them."""
        scale, zero = grid.fit(w, shrink=shrink)
        return cls(grid, grid.quantize(w, scale, zero), scale, zero)

    @property
    def shape(self) -> tuple[int, int]:
        """(R, C), as of the float matrix."""
        return tuple(self.codes.shape)

    @property
    def nbytes(self) -> int:
        """Bytes when packed, scales and zeros counted."""
        return self.grid.nbytes(self.shape)

    def dequantize(self) -> Float[Tensor, "R C"]:
        """The float32 weights that the codes stand for."""
        return self.grid.dequantize(self.codes, self.scale, self.zero)


def check(w: Tensor, name: str = "weights") -> None:
    """Raises a ValueError with this name for a tensor that no grid can be fitted to."""
    if w.ndim != 2 or w.numel() == 0:
        raise ValueError(f"{name} of shape {tuple(w.shape)}: give a matrix with at least one weight")
    if not w.isfinite().all():
        raise ValueError(f"{name}: NaN or inf among the weights; train or load them again")
