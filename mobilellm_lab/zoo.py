"""Published shapes with their sources, and families of shapes with equal parameter count."""

import math
from collections.abc import Iterable, Iterator
from functools import cache, partial

from mobilellm_lab.footprint import parameters
from mobilellm_lab.model import ModelConfig

TOLERANCE = 0.02  # a solved shape's parameters are this close to the budget
FFN_RATIO = {"swiglu": 8 / 3, "relu": 4.0}  # hidden_dim / dim at which both kinds store 8 dim^2 weights
RATIO_LIMIT = 4.0  # the FFN takes up what is left of the budget, but stays within this factor of its ratio

# Multiples for (width, FFN), best first: matrix kernels like 32, and where one step of a deep shape would cost more
# than the tolerance, the FFN gives way first. A finer pair must bring the ratio closer by a factor of 1.25.
FINE_STEPS = ((8, 8), (8, 4), (8, 2), (8, 1))
COARSE_STEPS = ((32, 32), (32, 16), (32, 8), (16, 8), *FINE_STEPS)
COARSE_FROM = 1_000_000  # parameters
WORTHWHILE = math.log(1.25)


def solve(
    budget: int,
    n_layers: int,
    *,
    vocab_size: int,
    n_heads: int = 4,
    n_kv_heads: int = 0,
    embed_dim: int = 0,
    sharing: str = "none",
    ffn: str = "swiglu",
    ffn_ratio: int | float = 0,
    tie_embeddings: bool = True,
    max_seq_len: int = 2048,
) -> ModelConfig:
    """The shape of this depth whose parameters are within 2 % of `budget`.

    The width is chosen so that hidden_dim / dim comes closest to `ffn_ratio` (0: 8/3 for SwiGLU, 4 for relu) when the
    FFN takes up what is left of the budget. From a million parameters up both are multiples of 32 where that reaches
    the budget; below, the width is a multiple of 8 and the FFN as coarse as it can be. `n_kv_heads` = 0 means
    n_heads. Sharing runs blocks twice but stores nothing more, so it does not change the answer.

    Raises:
        ValueError: no width fits; names the budget, the depth and the smallest budget that does.
    """
    if not (math.isfinite(ffn_ratio) and ffn_ratio >= 0):
        raise ValueError(f"ffn_ratio={ffn_ratio}: must be a positive number, or 0 for the usual one")
    shape = partial(
        ModelConfig,
        vocab_size=vocab_size,
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads or n_heads,
        embed_dim=embed_dim,
        sharing=sharing,
        ffn=ffn,
        tie_embeddings=tie_embeddings,
        max_seq_len=max_seq_len,
    )
    shape(dim=1, head_dim=2, hidden_dim=1)  # before any search: names another field that is wrong
    ratio = ffn_ratio or FFN_RATIO[ffn]

    @cache
    def line(dim: int) -> tuple[int, int]:
        """Parameters at this width without any FFN, and what each unit of hidden_dim adds."""
        one, two = (parameters(shape(dim=dim, hidden_dim=h)) for h in (1, 2))
        return one - (two - one), two - one

    def around(width_step: int, ffn_step: int) -> Iterator[tuple[float, int, int, int]]:
        """(distance from the ratio, dim, hidden_dim, parameters) of every width, its FFN nearest to the budget."""
        step = math.lcm(width_step, 2 * n_heads)
        widest = math.isqrt(max(0, budget) // (2 * n_layers))  # queries and output alone store 2 dim^2 a layer
        for dim in range(step, widest + 1, step):
            bare, each = line(dim)
            hidden_dim = round((budget - bare) / each / ffn_step) * ffn_step
            if dim * ratio / RATIO_LIMIT <= hidden_dim <= dim * ratio * RATIO_LIMIT:
                yield abs(math.log(hidden_dim / dim / ratio)), dim, hidden_dim, bare + each * hidden_dim

    best = (math.inf, 0, 0)
    for steps in COARSE_STEPS if budget >= COARSE_FROM else FINE_STEPS:
        fitting = [found[:3] for found in around(*steps) if abs(found[3] - budget) <= TOLERANCE * budget]
        if min(fitting, default=best)[0] < best[0] - WORTHWHILE:
            best = min(fitting)
        if best[0] < WORTHWHILE:
            break
    if best[1]:
        return shape(dim=best[1], hidden_dim=best[2])

    width = math.lcm(8, 2 * n_heads)
    smallest = parameters(shape(dim=width, hidden_dim=math.ceil(width * ratio / RATIO_LIMIT)))
    nearest = min((found[3] for found in around(8, 1)), key=lambda total: abs(total - budget), default=smallest)
    raise ValueError(
        f"budget={budget} parameters at n_layers={n_layers}: no width fits {n_heads} heads and {vocab_size} tokens; "
        f"the smallest budget that does is {smallest}, the nearest {nearest}: choose that, or fewer layers or heads"
    )


def family(budget: int, depths: Iterable[int], **shape) -> dict[int, ModelConfig]:
    """Depth -> the shape of that depth with `budget` parameters (within 2 %); `shape` as in `solve`."""
    return {n_layers: solve(budget, n_layers, **shape) for n_layers in depths}
