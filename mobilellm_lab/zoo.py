"""Published model shapes with sources, and families of shapes with equal parameters"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from mobilellm_lab.choices import advice
from mobilellm_lab.footprint import parameters
from mobilellm_lab.model import ModelConfig

TOLERANCE = 0.02  # a solved shape's parameters are this close to the budget
FFN_RATIO = {"swiglu": 8 / 3, "relu": 4.0}  # hidden_dim / dim at which both kinds store 8 dim^2 weights
RATIO_LIMIT = 4.0  # the FFN takes up what is left of the budget, but stays within this factor of its ratio

COARSE_FROM = 1_000_000  # parameters: from here on multiples of 32 are worth having, for the sake of matrix kernels
CLOSE = math.log(1.25)  # how far from the ratio a coarse width may lead


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One published model: its sizes, where they stand, and our block of the same sizes if there is one."""

    name: str
    year: int | None  # of the release, where the source says it
    weights: int | None  # stored in all, recounted from the sizes; None where the sizes vary by layer
    published: int | None  # parameters as the authors print them, rounded by them
    n_layers: int
    dim: int
    n_heads: int | None
    n_kv_heads: int | None
    head_dim: int
    hidden_dim: int | None
    vocab_size: int
    tie_embeddings: bool = True
    sharing: str = "none"
    extra: int | None = 0  # weights that our block does not have; None: too different to be built from it
    source: str  # of the sizes
    note: str = ""

    @property
    def config(self) -> ModelConfig | None:
        """Our model with these sizes and `weights` - `extra` parameters; position base and context are our own."""
        if self.extra is None:
            return None
        return ModelConfig(
            vocab_size=self.vocab_size,
            dim=self.dim,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.n_kv_heads,
            head_dim=self.head_dim,
            hidden_dim=self.hidden_dim,
            tie_embeddings=self.tie_embeddings,
            sharing=self.sharing,
        )


class _Shapes(dict[str, Shape]):
    """Published shapes by name. Raises a ValueError for an unknown one, with the name that was meant."""

    def __missing__(self, name: str) -> Shape:
        raise ValueError(f"shape={name!r}: {advice(name, self)}")


def _row(name, weights, n_layers, dim, n_heads, n_kv_heads, head_dim, hidden_dim, vocab_size, source, **rest) -> Shape:
    sizes = dict(n_layers=n_layers, dim=dim, n_heads=n_heads, n_kv_heads=n_kv_heads, head_dim=head_dim)
    sizes |= dict(hidden_dim=hidden_dim, vocab_size=vocab_size)
    return Shape(name=name, weights=weights, source=source, **{"year": None, "published": None} | sizes | rest)


_PAPER = "MobileLLM, arXiv 2402.14905, table 9, and the repository's configs"
_R1 = "MobileLLM-R1 paper, table 1, and README"
_LITGPT = "litgpt config"
_GEMMA = "google-deepmind/gemma, _gemma.py"
_LFM = "ExecuTorch lfm2_350m_config.json"
_ELM = "apple/corenet general_gpt.py"
_HF = "Hugging Face config.json"
_GPT = "LayerNorm, biases and learned positions: not our block"
_R1_NOTE = "QK norm left out; vocabulary printed as 128k, 128,256 is Llama 3's and gives the printed count"
_GEMMA_NOTE = "not in our block: two more norms a layer and QK norms (extra), a GELU gate, windows of 512 positions"

# fmt: off
SHAPES = _Shapes((shape.name, shape) for shape in (
    #    name                      weights        L   dim   h  kv  Dh  FFN   vocab    source
    _row("MobileLLM-125M",         124_635_456,   30, 576,  9, 3,  64, 1536, 32_000,  _PAPER,
         year=2024, published=124_600_000),
    _row("MobileLLM-LS-125M",      124_635_456,   30, 576,  9, 3,  64, 1536, 32_000,  _PAPER,
         year=2024, sharing="immediate", note="30 stored layers, each executed twice in a row"),
    _row("MobileLLM-350M",         345_355_200,   32, 960,  15, 5, 64, 2560, 32_000,  _PAPER,
         year=2024, published=345_300_000),
    _row("MobileLLM-600M",         603_188_352,   40, 1152, 18, 6, 64, 3072, 32_000,  _PAPER,
         year=2024, published=603_100_000),
    _row("MobileLLM-1B",           1_005_461_760, 54, 1280, 20, 5, 64, 3584, 32_000,  _PAPER,
         year=2024, published=1_010_000_000),
    _row("MobileLLM-1.5B",         1_511_188_800, 54, 1600, 25, 5, 64, 4352, 32_000,  _PAPER,
         year=2024, published=1_510_000_000),
    _row("MobileLLM-R1-140M",      140_248_512,   15, 576,  9, 3,  64, 2048, 128_256, _R1,
         year=2025, published=140_200_000, note=_R1_NOTE),
    _row("MobileLLM-R1-360M",      359_431_168,   15, 1024, 16, 4, 64, 4096, 128_256, _R1,
         year=2025, published=359_400_000, note=_R1_NOTE),
    _row("MobileLLM-R1-950M",      949_685_760,   22, 1536, 24, 6, 64, 6144, 128_256, _R1,
         year=2025, published=949_200_000,
         note="QK norm left out; with a vocabulary of 128,256 the count is 0.05 % above the printed one"),
    _row("MobileLLM-Pro",          1_084_453_120, 30, 1280, 20, 4, 64, 6144, 202_048, "config.json; arXiv 2511.06719",
         year=2025, published=1_080_000_000,
         note="head counts from a secondary source, confirmed by the total; 21 of its layers see 512 positions only"),
    _row("SmolLM2-135M",           134_515_008,   30, 576,  9, 3,  64, 1536, 49_152,  _LITGPT,
         note="MobileLLM-125M's body with a larger vocabulary"),
    _row("SmolLM2-360M",           361_821_120,   32, 960,  15, 5, 64, 2560, 49_152,  _LITGPT,
         note="MobileLLM-350M's body with a larger vocabulary"),
    _row("Qwen2.5-0.5B",           494_032_768,   24, 896,  14, 2, 64, 4864, 151_936, _LITGPT,
         extra=27_648, note="not in our block: the biases of q, k and v (extra)"),
    _row("Qwen3-0.6B",             596_049_920,   28, 1024, 16, 8, 128, 3072, 151_936, _LITGPT,
         extra=7_168, note="not in our block: the weights of the QK norms (extra)"),
    _row("Gemma 3 270M",           268_098_176,   18, 640,  4, 1,  256, 2048, 262_144, _GEMMA,
         extra=32_256, note=_GEMMA_NOTE),
    _row("Gemma 3 1B",             999_885_952,   26, 1152, 4, 1,  256, 6912, 262_144, _LITGPT,
         extra=73_216, note=_GEMMA_NOTE),
    _row("LFM2-350M",              354_483_968,   16, 1024, 16, 8, 64, 4608, 65_536,  _LFM,
         extra=None, note="ten of its layers are short convolutions, six attend: not our block"),
    _row("OpenELM-270M",           None,          16, 1280, None, None, 64, None, 32_000, _ELM,
         extra=None, published=270_000_000, note="heads and FFN grow with depth: not our block, not recounted"),
    _row("TinyLlama-1.1B",         1_100_048_384, 22, 2048, 32, 4, 64, 5632, 32_000,  _HF,
         tie_embeddings=False),
    _row("Llama-3.2-1B",           1_235_814_400, 16, 2048, 32, 8, 64, 8192, 128_256, _LITGPT,
         note="its RoPE is scaled, which stores nothing"),
    _row("OPT-125M",               125_239_296,   12, 768,  12, 12, 64, 3072, 50_272, _HF, extra=None, note=_GPT),
    _row("GPT-2 small",            124_439_808,   12, 768,  12, 12, 64, 3072, 50_257, "GPT2Config of transformers",
         extra=None, note=_GPT),
    _row("Cerebras-GPT-111M",      111_050_496,   10, 768,  12, 12, 64, 3072, 50_257, _HF, extra=None, note=_GPT),
    _row("Pythia-160M",            162_322_944,   12, 768,  12, 12, 64, 3072, 50_304, _LITGPT, tie_embeddings=False,
         extra=None, note="LayerNorm, biases, RoPE on a quarter of the channels: not our block"),
    _row("BLOOM-560M",             559_214_592,   24, 1024, 16, 16, 64, 4096, 250_880, _HF,
         extra=None, note="LayerNorm, biases and ALiBi positions: not our block"),
))
# fmt: on


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

    The width is the one whose hidden_dim / dim comes closest to `ffn_ratio` (0: 8/3 for SwiGLU, 4 for relu) when the
    FFN fills the budget; the FFN is then rounded as coarsely as the 2 % allow. Widths are multiples of 8, and from a
    million parameters up of 32 or 16 where that leads near the ratio. Deeper is never wider. `n_kv_heads` = 0 means
    n_heads. Sharing runs blocks twice but stores nothing more, so it does not change the answer.

    Raises:
        ValueError: no width fits; names the budget, the depth, the smallest budget that does and the nearest.
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
    # The narrowest model names another field that is wrong, and tells what each unit of dim * hidden_dim stores.
    one, two = (parameters(shape(dim=1, head_dim=2, hidden_dim=hidden_dim)) for hidden_dim in (1, 2))
    ratio, coarse = ffn_ratio or FFN_RATIO[ffn], budget >= COARSE_FROM
    lowest, highest = ratio / RATIO_LIMIT, ratio * RATIO_LIMIT
    step = math.lcm(8, 2 * n_heads)  # RoPE needs an even width of every head
    widest = math.isqrt(max(0, budget) // (2 * n_layers))  # queries and output alone store 2 dim^2 a layer
    room = {}  # width -> the FFN that would fill the budget
    for dim in range(step, widest + 1, step):
        hidden_dim = 1 + (budget - parameters(shape(dim=dim, hidden_dim=1))) / ((two - one) * dim)
        if lowest <= hidden_dim / dim <= highest:
            room[dim] = hidden_dim
    distance = {dim: abs(math.log(hidden_dim / dim / ratio)) for dim, hidden_dim in room.items()}
    for width_step, far in ((32, CLOSE), (16, CLOSE), (8, math.inf)) if coarse else ((8, math.inf),):
        for dim in sorted((dim for dim in room if dim % width_step == 0 and distance[dim] < far), key=distance.get):
            for ffn_step in (32, 16, 8, 4, 2, 1) if coarse else (8, 4, 2, 1):
                hidden_dim = ffn_step * round(room[dim] / ffn_step)
                missed = abs(hidden_dim - room[dim]) * (two - one) * dim
                if missed <= TOLERANCE * budget and lowest <= hidden_dim / dim <= highest:
                    return shape(dim=dim, hidden_dim=hidden_dim)

    smallest = parameters(shape(dim=step, hidden_dim=math.ceil(step * lowest)))
    totals = [parameters(shape(dim=dim, hidden_dim=max(1, round(hidden_dim)))) for dim, hidden_dim in room.items()]
    nearest = min(totals, key=lambda total: abs(total - budget), default=smallest)
    raise ValueError(
        f"budget={budget} parameters at n_layers={n_layers}: no width fits {n_heads} heads and {vocab_size} tokens; "
        f"the smallest budget that does is {smallest}, the nearest {nearest}: choose that, or fewer layers or heads"
    )


def family(budget: int, depths: Iterable[int], **shape) -> dict[int, ModelConfig]:
    """Depth -> the shape of that depth with `budget` parameters (within 2 %); `shape` as in `solve`."""
    return {n_layers: solve(budget, n_layers, **shape) for n_layers in depths}
