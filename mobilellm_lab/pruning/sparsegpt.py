"""SparseGPT: remove a matrix's weights column by column, and let later columns make good for each"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mobilellm_lab.quantization.gptq import DAMPING, compensation


def saliency(w: Float[Tensor, "R C"], gram: Float[Tensor, "C C"], *, damping: float = DAMPING) -> Float[Tensor, "R C"]:
    """Squared output error that each weight's removal leaves after the later columns have made good for it.

    w^2 / U_jj^2, with the factor U of GPTQ's `compensation`. `gram` is X^T X of the calibration inputs.

    Raises:
        ValueError: a damping that is not positive or too small.

    Source: SparseGPT, arXiv 2301.00774, section 3.2; before it optimal brain surgeon (Hassibi and Stork, 1992).
    """
    return (w / compensation(gram, damping).diagonal()).square()


@torch.no_grad()
def sparsegpt(
    w: Float[Tensor, "R C"], gram: Float[Tensor, "C C"], mask: Bool[Tensor, "R C"], *, damping: float = DAMPING
) -> Float[Tensor, "R C"]:
    """The matrix with its masked weights at 0 and the kept ones changed, so that its output changes little.

    GPTQ's loop, with removal in the place of rounding: each column's removed weights are an error that the columns
    after it make good for. Where all removed weights come before all kept ones, these are the solution of the normal
    equations; a kept weight in an earlier column stays as it is, which is what saves one inverse for each row.

    The mask is chosen before, for the whole matrix, so that it may come from any importance, group or pattern. The
    paper chooses it anew for every 128 columns; on our models that was not better.

    Raises:
        ValueError: a `gram` of another matrix, NaN among the inputs, or a damping that is not positive or too small.

    Source: SparseGPT, arXiv 2301.00774, algorithm 1.
    """
    C = w.shape[1]
    if gram.shape != (C, C):
        raise ValueError(f"gram has shape {tuple(gram.shape)}, a matrix with {C} inputs needs ({C}, {C}): calibrate it")
    if not gram.isfinite().all():
        raise ValueError("gram: NaN or inf among the inputs; calibrate again")
    upper = compensation(gram, damping)
    left = w.detach().clone(memory_format=torch.contiguous_format)  # what the columns should still amount to
    for j in range(C):
        error = left[:, j].masked_fill(mask[:, j], 0)
        left[:, j + 1 :].addr_(error, upper[j, j + 1 :] / upper[j, j], alpha=-1)
    return left.masked_fill_(~mask, 0)
