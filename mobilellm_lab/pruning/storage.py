"""Bytes of a pruned model by format, and the amount of zeros from which each format is smaller than dense"""

import bisect
import math
from dataclasses import dataclass

from mobilellm_lab.measuring import Theoretical
from mobilellm_lab.pruning.masks import PrunedModel
from mobilellm_lab.quantization.quantized import matrices

FORMATS = ("dense", "zlib", "bitmap", "csr int32", "csr int64")
INDEX_BYTES = {"csr int32": 4, "csr int64": 8}


def matrix_bytes(shape: tuple[int, int], kept: int, format: str, *, bits: int | float = 32) -> int:
    """Bytes of one matrix with `kept` weights, `bits` for each value that is stored; scales come on top.

    A bitmap has one bit for every weight, kept or not. CSR (compressed sparse row) has a column index for every kept
    weight, and one offset for every row and the end.

    Raises:
        ValueError: an unknown format, zlib, which has no formula, or more kept weights than the matrix has.
    """
    rows, columns = shape
    if format == "zlib":
        raise ValueError("format='zlib' has no formula: write it with save_sparse and ask file_sizes")
    require_format(format)
    if not 0 <= kept <= rows * columns:
        raise ValueError(f"kept={kept}: a {rows} x {columns} matrix keeps 0 to {rows * columns} weights")
    if format == "dense":
        return math.ceil(rows * columns * bits / 8)
    values = math.ceil(kept * bits / 8)
    if format == "bitmap":
        return math.ceil(rows * columns / 8) + values
    return INDEX_BYTES[format] * (kept + rows + 1) + values


def theoretical_bytes(pruned: PrunedModel, format: str) -> Theoretical:
    """Bytes of a float32 model by formula, its masked matrices in this format and all other weights dense."""
    own = matrices(pruned.model)
    rest = sum(4 * p.numel() for name, p in pruned.model.named_parameters() if name not in pruned.masks)
    masked = {name: tuple(own[name].shape) for name in pruned.masks}
    kept = {name: int(mask.sum()) for name, mask in pruned.masks.items()}
    return Theoretical(bytes=rest + sum(matrix_bytes(shape, kept[name], format) for name, shape in masked.items()))


def smaller_from(shape: tuple[int, int], format: str, *, bits: int | float = 32) -> float:
    """Smallest share of zeros at which a matrix takes fewer bytes in this format than dense; inf: at none.

    In float32 a bitmap needs 1 zero in 32 weights, CSR about half of them with int32 indices and two thirds with int64.
    """
    count, dense = math.prod(shape), matrix_bytes(shape, 0, "dense", bits=bits)
    # the fewest kept weights that take at least as much as all of them do dense
    first = bisect.bisect_left(range(count + 1), dense, key=lambda kept: matrix_bytes(shape, kept, format, bits=bits))
    return (count - first + 1) / count if first else math.inf


@dataclass(frozen=True, kw_only=True)
class Shares:
    """One amount of zeros over its three denominators."""

    of_prunable: float  # zeros in the weights of the masked matrices
    of_all: float  # the same zeros in all weights, norms included; a tied table counts once
    of_bytes: float  # bytes saved in those of the dense float32 model; below 0 where the format is larger


def shares(pruned: PrunedModel, *, format: str = "bitmap") -> Shares:
    """Share of zeros of the prunable weights and of all weights, and share of the bytes that the format saves."""
    saved = 1 - theoretical_bytes(pruned, format) / theoretical_bytes(pruned, "dense")
    return Shares(of_prunable=pruned.sparsity, of_all=pruned.of_all, of_bytes=saved)


def require_format(format: str) -> None:
    """Raises a ValueError for a format that there is not."""
    if format not in FORMATS:
        raise ValueError(f"format={format!r}: choose one of {', '.join(FORMATS)}")
