"""Pruned and quantized model: grids that keep the zeros, and bytes of a bitmap with low-bit codes"""

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from mobilellm_lab.pruning.masks import Masks, PrunedModel
from mobilellm_lab.quantization.calibration import Calibration
from mobilellm_lab.quantization.grid import Grid, QTensor
from mobilellm_lab.quantization.libraries.copies import linear
from mobilellm_lab.quantization.libraries.kernels import find_backend
from mobilellm_lab.quantization.packing import pack, packed_bytes, unpack
from mobilellm_lab.quantization.ptq import quantize
from mobilellm_lab.quantization.qat import spread
from mobilellm_lab.quantization.quantized import QuantizedModel


def quantize_pruned(
    pruned: PrunedModel, grid: Grid, *, method: str = "rtn", calibration: Calibration | None = None
) -> QuantizedModel:
    """The pruned model with its masked matrices on a grid, by a method of `quantize`; `pruned` stays as it is.

    Every grid of 1.58 bits or more has a code for 0, and rounding keeps the zeros. GPTQ moves weights before it rounds
    them, and fills a few percent of the zeros; those are set to 0 again. Doing so as each column is rounded, so that
    later columns make good for it (SparseGPT, arXiv 2301.00774, section 3.5), was no better on our models from 3 bits
    on, and on one of two at 2 bits.

    Raises:
        ValueError: a grid of 1 bit, or what `quantize` refuses; the calibration is of `pruned.model`.
    """
    _require_zero(grid)
    grids = dict.fromkeys(pruned.masks, grid)
    return with_zeros(quantize(pruned.model, grids, method=method, calibration=calibration), pruned.masks)


def with_zeros(q: QuantizedModel, masks: Masks) -> QuantizedModel:
    """A copy whose masked weights have the code of 0: pruning after quantization, with the grid as it was.

    Raises:
        ValueError: a mask of a matrix that is not quantized, or a grid of 1 bit, which has no such code.
    """
    tensors = dict(q.tensors)
    for name, mask in masks.items():
        if name not in tensors:
            raise ValueError(f"mask {name}: the matrix is not quantized, its masks are those of {', '.join(tensors)}")
        tensor = tensors[name]
        _require_zero(tensor.grid)
        zeros = spread(tensor.grid, tensor.zero, tensor.shape).to(torch.int8)
        tensors[name] = QTensor(tensor.grid, tensor.codes.where(mask, zeros), tensor.scale, tensor.zero)
    return QuantizedModel.of(q.model, tensors)


def zeros_kept(model: torch.nn.Module, masks: Masks) -> float:
    """Share of the masked weights that are 0 in this model; after quantization, 1 means that none was filled."""
    masked = [model.get_parameter(name).detach()[~mask] for name, mask in masks.items()]
    return sum((w == 0).sum().item() for w in masked) / max(sum(w.numel() for w in masked), 1)


@torch.no_grad()
def zeros_in_backend(pruned: PrunedModel, name: str) -> float:
    """Share of the masked weights that are 0 in the matrices of a backend of chapter 3, read off by the identity.

    A matrix that the backend leaves in float does not count; nan where it converts none.

    Raises:
        ValueError: no such backend, or it cannot run here.
    """
    backend, zeros, masked = find_backend(name), 0, 0
    if lacking := backend.lacks():
        raise ValueError(f"backend={name!r}: {lacking}")
    for matrix, mask in pruned.masks.items():
        layer = linear(pruned.model.get_parameter(matrix).detach())
        if (made := backend.successor(layer)) is not layer:
            weights = made(torch.eye(mask.shape[1])).T
            zeros, masked = zeros + int((weights[~mask] == 0).sum()), masked + int((~mask).sum())
    return zeros / masked if masked else math.nan


def bitmap_bytes(tensor: QTensor) -> int:
    """Bytes of a quantized matrix by formula: a bit for every weight, packed codes of those that are not 0, scales."""
    count, kept = math.prod(tensor.shape), int(_kept(tensor).sum())
    scales = tensor.nbytes - tensor.shape[0] * packed_bytes(tensor.shape[1], tensor.grid.bits)
    return packed_bytes(count, 1) + packed_bytes(kept, tensor.grid.bits) + scales


def to_bitmap(tensor: QTensor) -> dict[str, Tensor]:
    """The same as tensors that can be written into a file; `from_bitmap` reads them."""
    kept, bits = _kept(tensor), tensor.grid.bits
    parts = {
        "bitmap": pack(2 * kept.flatten().to(torch.int8) - 1, 1),
        "codes": pack(tensor.codes[kept], bits),
        "scale": tensor.scale.to(getattr(torch, tensor.grid.scale_dtype)),
    }
    return parts if tensor.grid.symmetric else {**parts, "zero": pack(tensor.zero.to(torch.int8), bits)}


def from_bitmap(parts: dict[str, Tensor], grid: Grid, shape: tuple[int, int]) -> QTensor:
    """The matrix that `to_bitmap` took apart."""
    kept = (unpack(parts["bitmap"], 1, math.prod(shape)) > 0).view(shape)
    scale = parts["scale"].float()
    zero = torch.zeros_like(scale, dtype=torch.int32)
    if not grid.symmetric:
        zero = unpack(parts["zero"], grid.bits, scale.shape[1]).to(torch.int32)
    codes = spread(grid, zero, shape).to(torch.int8).expand(shape).clone()
    codes[kept] = unpack(parts["codes"], grid.bits, int(kept.sum()))
    return QTensor(grid, codes, scale, zero)


def _kept(tensor: QTensor) -> Bool[Tensor, "R C"]:
    return tensor.codes != spread(tensor.grid, tensor.zero, tensor.shape)


def _require_zero(grid: Grid) -> None:
    if grid.bits == 1:
        raise ValueError("bits=1: a grid of two signs has no code for 0, choose 1.58 bits or more")
