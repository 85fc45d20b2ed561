"""GPTQ: round a matrix column by column, and correct the remaining columns for each error"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mobilellm_lab.quantization.grid import CHANNEL, TENSOR, Grid, QTensor, check

# Of the mean diagonal, added to the diagonal: a few sequences leave directions of which almost nothing was seen. The
# paper takes 0.01 for 128 sequences of 2048 tokens; with our 16 short ones, 0.1 is better at 2 bits and equal above.
DAMPING = 0.1


def compensation(gram: Float[Tensor, "C C"], damping: float = DAMPING) -> Float[Tensor, "C C"]:
    """Upper triangle U with U^T U = H^-1: an error e in column j is made good by -e U[j, k] / U[j, j] in columns k > j.

    H = 2 X^T X is the Hessian of |X w - X q|^2 for each row q. What the algorithm needs of its inverse, over the
    columns that are not rounded yet, stands for every j in row j of this one Cholesky factor (section 3.3, step 3).

    Raises:
        ValueError: a damping that is not positive, or too small for directions of which nothing was seen.
    """
    if not 0 < damping < math.inf:
        raise ValueError(f"damping={damping}: must be positive, or unseen directions have no inverse; try {DAMPING}")
    hessian = 2 * gram.double()
    mean = hessian.diagonal().mean()
    hessian.diagonal().add_(damping * mean if mean > 0 else 1.0)  # inputs that are always 0: any rounding is as good
    try:
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
        return torch.linalg.cholesky(inverse, upper=True).to(gram.dtype)
    except torch.linalg.LinAlgError as error:
        raise ValueError(
            f"damping={damping}: so little leaves directions of the {len(gram)} channels, of which nothing was seen, "
            f"without an inverse; try {DAMPING}, or calibrate on more sequences"
        ) from error


@torch.no_grad()
def gptq(
    w: Float[Tensor, "R C"],
    gram: Float[Tensor, "C C"],
    grid: Grid,
    *,
    clip: bool = True,
    damping: float = DAMPING,
) -> QTensor:
    """The matrix on its grid, rounded so that its product with the calibration inputs changes little.

    `gram` is X^T X of those inputs. The grid is fitted first and once: with `clip` to the least squared error weighted
    by the inputs' energy (`Grid.search`), else to the largest weight of each group, as in the paper. Then columns are
    rounded from the first to the last. With inputs that are not correlated this is round-to-nearest.

    Inputs are the float model's. Taking those of the model quantized so far, as the paper does, was not better on our
    models at 3 bits, and needs another pass for every block.

    Raises:
        ValueError: no weights, NaN among weights or inputs, a `gram` of another matrix, or a damping that is not
            positive or too small.

    Source: GPTQ, arXiv 2210.17323, without its batches of columns, and with its option of static groups.
    """
    check(w)
    R, C = w.shape
    if gram.shape != (C, C):
        raise ValueError(f"gram has shape {tuple(gram.shape)}, a matrix with {C} inputs needs ({C}, {C}): calibrate it")
    if not gram.isfinite().all():
        raise ValueError("gram: NaN or inf among the inputs; calibrate again")
    upper = compensation(gram, damping)
    energy = gram.diagonal()
    scale, zero = grid.fit(w, shrink=grid.search(w, energy if energy.any() else None) if clip else 1.0)
    size = C if grid.group_size in (TENSOR, CHANNEL) else grid.group_size

    left = w.float().clone(memory_format=torch.contiguous_format)  # what the columns should still amount to
    codes = torch.empty(R, C, dtype=torch.int8, device=w.device)
    for j in range(C):
        column, code, group = left[:, j : j + 1], codes[:, j : j + 1], slice(j // size, j // size + 1)
        code.copy_(grid.quantize(column, scale[:, group], zero[:, group]))
        error = column - grid.dequantize(code, scale[:, group], zero[:, group])
        left[:, j + 1 :].addr_(error[:, 0], upper[j, j + 1 :] / upper[j, j], alpha=-1)
    return QTensor(grid, codes, scale, zero)
