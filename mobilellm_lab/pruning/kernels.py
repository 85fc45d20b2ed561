"""CSR linear layers in place of masked ones, and the sparsity from which their product beats the dense one"""

import copy
import functools
import math
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mobilellm_lab.measuring import Comparison, compare
from mobilellm_lab.measuring.latency import Clock
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.masks import PrunedModel, require_pruned

INDEX = {"csr int32": torch.int32, "csr int64": torch.int64}
SAMPLE_MS = 4.0  # one sample is as many calls as take so long: far above the clock's steps and a thread switch
PAIRS = 14


def csr_parts(mask: Bool[Tensor, "R C"], format: str) -> tuple[Tensor, Tensor]:
    """(row offsets, column indices) of the kept weights, as torch and scipy store them."""
    ends = torch.cat((torch.zeros(1, dtype=torch.int64), mask.sum(1).cumsum(0)))
    columns = mask.nonzero()[:, 1].clone()  # a view would keep the indices of the rows alive, too
    return ends.to(INDEX[format]), columns.to(INDEX[format])


def csr_tensor(rows: Tensor, columns: Tensor, values: Float[Tensor, " N"], shape: tuple[int, int]) -> Tensor:
    """The sparse tensor of these parts, which it goes on sharing.

    Raises:
        RuntimeError: parts that are no matrix of this shape (torch's own check).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(rows, columns, values, shape, check_invariants=True)


class CSRLinear(nn.Module):
    """`F.linear` with a matrix of which the kept weights and their positions are all that there is.

    A single input goes through the product with a vector, which is up to three times as fast as the one with a matrix.
    `F.linear` itself takes CSR weights too, but for a prompt it is six times slower than this product.
    """

    def __init__(self, weight: Float[Tensor, "R C"], mask: Bool[Tensor, "R C"], *, format: str = "csr int32"):
        super().__init__()
        if format not in INDEX:
            raise ValueError(f"format={format!r}: choose one of {', '.join(INDEX)}")
        rows, columns = csr_parts(mask, format)
        self.register_buffer("rows", rows)  # buffers, so that `measuring.in_memory` sees them
        self.register_buffer("columns", columns)
        self.register_buffer("values", weight.detach()[mask])
        self.matrix = csr_tensor(rows, columns, self.values, tuple(weight.shape))
        self.by_vector = _multiplies_vectors()

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B R"]:
        flat = x.reshape(-1, x.shape[-1])
        if self.by_vector and len(flat) == 1:
            y = torch.mv(self.matrix, flat[0])
        else:
            y = torch.mm(self.matrix, flat.t()).t().contiguous()
        return y.view(*x.shape[:-1], self.matrix.shape[0])

    def extra_repr(self) -> str:
        rows, columns = self.matrix.shape
        return f"{rows} x {columns}, {len(self.values)} kept, {self.columns.dtype}"


@functools.cache
def _multiplies_vectors() -> bool:
    """Whether this torch has the sparse product with a vector; where it lacks MKL there is only that with a matrix."""
    one = torch.ones(1)
    try:
        torch.mv(csr_tensor(torch.tensor([0, 1]), torch.tensor([0]), one, (1, 1)), one)
    except RuntimeError:
        return False
    return True


def with_csr(pruned: PrunedModel, *, format: str = "csr int32") -> Transformer:
    """A copy of the pruned model whose masked linear layers are `CSRLinear`, equal to it within 1e-4.

    An embedding table stays dense, since its rows are looked up.

    Raises:
        ValueError: an unknown format, or not a PrunedModel.
    """
    if format not in INDEX:
        raise ValueError(f"format={format!r}: choose one of {', '.join(INDEX)}")
    require_pruned(pruned)
    sparse = copy.deepcopy(pruned.model)
    for name, mask in pruned.masks.items():
        place = name.removesuffix(".weight")
        layer = sparse.get_submodule(place)
        if isinstance(layer, nn.Linear):
            sparse.set_submodule(place, CSRLinear(layer.weight, mask, format=format))
    return sparse


def in_pairs(
    a: Callable[[], object],
    b: Callable[[], object],
    *,
    pairs: int = PAIRS,
    seed: int = 0,
    clock: Clock = time.process_time,
) -> Comparison:
    """Ratio of the CPU times of `b()` and `a()`, in pairs; a sample is the mean of as many calls as take 4 ms.

    CPU time leaves out what other processes take, but for the caches and the memory that they share.

    Raises:
        ValueError: fewer than 6 pairs.
    """
    shortest = math.inf
    for call in (a, b):
        call()  # what is made once is made now
        start = clock()
        call()
        shortest = min(shortest, 1000 * (clock() - start))
    count = max(1, math.ceil(SAMPLE_MS / max(shortest, 1e-3)))
    several = ((lambda call=call: [call() for _ in range(count)]) for call in (a, b))
    found = compare(*several, warmup=1, repeats=pairs, seed=seed, clock=clock)
    each = (replace(side, samples_ms=tuple(ms / count for ms in side.samples_ms)) for side in (found.a, found.b))
    return replace(found, **dict(zip("ab", each, strict=True)))


def compare_csr(
    shape: tuple[int, int],
    sparsity: float,
    *,
    format: str = "csr int32",
    batch: int = 1,
    pairs: int = PAIRS,
    seed: int = 0,
    clock: Clock = time.process_time,
) -> Comparison:
    """CPU times of one product with `batch` inputs, dense (a) and CSR (b), of random weights at random places.

    The dense matrix lies as `layout.for_decoding` stores it.

    Raises:
        ValueError: a sparsity outside [0, 1), no inputs, an unknown format, or fewer than 6 pairs.
    """
    if not 0 <= sparsity < 1 or batch < 1:
        raise ValueError(f"sparsity={sparsity}, batch={batch}: give a share in [0, 1) and at least 1 input")
    generator = torch.Generator().manual_seed(seed)
    kept = round((1 - sparsity) * math.prod(shape))
    mask = torch.zeros(math.prod(shape), dtype=torch.bool)
    mask[torch.randperm(math.prod(shape), generator=generator)[:kept]] = True
    mask = mask.view(shape)
    weight = torch.randn(shape, generator=generator) * mask
    x = torch.randn(batch, shape[1], generator=generator)
    sparse = CSRLinear(weight, mask, format=format)
    dense = weight.t().contiguous().t() if shape[0] > shape[1] else weight
    with torch.inference_mode():
        return in_pairs(lambda: F.linear(x, dense), lambda: sparse(x), pairs=pairs, seed=seed, clock=clock)


def crossover(verdicts: Iterable[tuple[float, str]]) -> float | None:
    """The smallest measured sparsity from which on CSR (b of the comparisons) was always faster; None: at none.

    `verdicts` are pairs of a sparsity and the verdict of its `Comparison`.
    """
    found = None
    for sparsity, verdict in sorted(verdicts, reverse=True):
        if verdict != "b is faster":
            break
        found = sparsity
    return found
