"""Paired measurement of a backend's decode speed beside float32, at one model size"""

import math
import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import torch

from mobilellm_lab import footprint, zoo
from mobilellm_lab.decoding import decoder
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring import Comparison, InMemory, compare_samples, started_operations
from mobilellm_lab.model import KVCache, ModelConfig, Transformer, rope_tables
from mobilellm_lab.quantization.libraries.converted import in_memory, quantized_matrices
from mobilellm_lab.quantization.libraries.kernels import find_backend

CROSSOVER_SIZES: dict[str, ModelConfig] = {  # chapter 1's
    "60k": zoo.solve(60_000, 4, vocab_size=256),
    "1M": zoo.solve(1_000_000, 8, vocab_size=512, n_heads=8, n_kv_heads=4),
    "5M": zoo.solve(5_000_000, 8, vocab_size=4096, n_heads=8, n_kv_heads=4),
    "25M": zoo.solve(25_000_000, 12, vocab_size=8192, n_heads=8, n_kv_heads=4),
    "125M": zoo.SHAPES["MobileLLM-125M"].config,
}
CROSSOVER_LIVE_SIZES = ("60k", "1M", "5M", "25M")  # those that are drawn, converted and decoding within a second
CONTEXT = 64  # positions that each token sees
SAMPLE_MS = 4.0  # one sample is as many steps as take so long: far above the clock's steps and a thread switch
WARMUP = 3  # samples of each model that are not counted
FEWEST, MOST = 6, 200  # pairs; five cannot tell anything at 95 %
SWIFTER = {"a is faster": "slower", "b is faster": "faster", "not distinguishable": "not distinguishable"}


@dataclass(frozen=True, kw_only=True)
class CrossoverRecipe:
    """One setting of the sliders.

    Raises:
        ValueError: an unknown backend or size, or repeats out of range.
    """

    stored_as = "Recipe"  # in the keys of stored rows

    backend: str = "torch.ao int8 dynamic"  # a name of `kernels.BACKENDS`; "float32" measures what noise there is
    size: str = "5M"  # a name of CROSSOVER_SIZES
    repeats: int = 20  # pairs
    seed: int = 0  # of the weights, and of the order within the pairs

    def __post_init__(self) -> None:
        find_backend(self.backend)
        if self.size not in CROSSOVER_SIZES:
            raise ValueError(f"size={self.size!r}: choose one of {', '.join(CROSSOVER_SIZES)}")
        if not isinstance(self.repeats, int) or not FEWEST <= self.repeats <= MOST:
            raise ValueError(f"repeats={self.repeats}: choose {FEWEST} to {MOST} pairs")

    @property
    def config(self) -> ModelConfig:
        """The float model's shape."""
        return CROSSOVER_SIZES[self.size]


def random_model(config: ModelConfig, *, seed: int = 0) -> Generator[float, None, Transformer]:
    """Yields the share of the weights that are drawn, matrix by matrix; the generator's value is the model.

    Speed does not depend on what a model has learned. The weights are laid out `for_decoding`.
    """
    with torch.device("meta"):
        model = for_decoding(Transformer(config))
    generator, done, total = torch.Generator().manual_seed(seed), 0, footprint.parameters(config)
    for module in model.modules():
        for name, p in list(module.named_parameters(recurse=False)):
            value = torch.empty_strided(p.shape, p.stride())
            value = value.fill_(1) if p.ndim == 1 else value.normal_(std=p.shape[1] ** -0.5, generator=generator)
            setattr(module, name, torch.nn.Parameter(value, requires_grad=False))
            done += p.numel()
            yield done / total
    model.cos, model.sin = rope_tables(config)
    return model.eval()


def decode_steps(model: Transformer, *, context: int = CONTEXT) -> Callable[[], None]:
    """A function that decodes one token; every call sees `context` positions, and writes the same place again."""
    tokens = torch.zeros(1, 1, dtype=torch.long)
    with torch.inference_mode():
        cache = KVCache(model.config, max_len=context)
        cache.kv.normal_(generator=torch.Generator().manual_seed(0))
        step = decoder(model, cache)

    def decode() -> None:
        cache.length = context - 1
        with torch.inference_mode():
            step(tokens).argmax(-1)

    return decode


def operations(model: Transformer) -> int:
    """Torch operations that one decode step starts, views included: a small model does little else."""
    decode = decode_steps(model)
    decode()  # what is made once is made now
    return started_operations(decode)


class Contestant:
    """A model that is ready to be timed: warm, and with as many steps in a sample as make it long enough."""

    def __init__(self, model: Transformer, *, clock: Callable[[], float] = time.perf_counter):
        self.decode, self.clock, self.steps = decode_steps(model), clock, 1
        self.decode()  # torch.ao and caches prepare what they need at the first call
        self.steps = max(1, math.ceil(SAMPLE_MS / self.sample_ms()))

    def sample_ms(self) -> float:
        """Milliseconds of one step, over `steps` of them."""
        start = self.clock()
        for _ in range(self.steps):
            self.decode()
        return 1000 * (self.clock() - start) / self.steps


def pairs(a: Contestant, b: Contestant, *, repeats: int, seed: int) -> Iterator[tuple[str, float]]:
    """Yields ("a" or "b", ms of a step) sample by sample; two make a pair, and in half of them b comes first."""
    b_first = [pair % 2 == 1 for pair in range(repeats)]
    random.Random(seed).shuffle(b_first)
    for swap in b_first:
        for name in ("b", "a") if swap else ("a", "b"):
            yield name, (a if name == "a" else b).sample_ms()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands."""

    phase: str  # "drawing", "converting", "warming up" or "measuring"
    share: float  # of the whole run, 0 to 1
    pairs: int  # whole ones so far


@dataclass(frozen=True, kw_only=True)
class CrossoverResult:
    """A backend beside float32 at one size, on this machine."""

    recipe: CrossoverRecipe
    comparison: Comparison  # a: float32, b: the backend; milliseconds of a step
    matrices: tuple[int, int]  # quantized, all
    memory: InMemory
    float_memory: InMemory

    @property
    def speedup(self) -> float:
        """How many times as many tokens per second as float32; below 1 it is slower."""
        return 1 / self.comparison.ratio

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the speedup's interval."""
        found = self.comparison
        return 1 / found.ratio_high, math.inf if found.ratio_low <= 0 else 1 / found.ratio_low

    @property
    def verdict(self) -> str:
        """ "faster", "slower" or "not distinguishable": the interval holds 1."""
        return SWIFTER[self.comparison.verdict]

    @property
    def tokens_per_s(self) -> float:
        return 1000 / self.comparison.b.median_ms

    @property
    def float_tokens_per_s(self) -> float:
        return 1000 / self.comparison.a.median_ms


SHARES = {"drawing": (0.0, 0.15), "converting": (0.15, 0.3), "warming up": (0.3, 0.4), "measuring": (0.4, 1.0)}


@dataclass
class CrossoverRun:
    """A recipe being run. Iterate for the progress, stop whenever you like, then ask for `result()`."""

    recipe: CrossoverRecipe
    clock: Callable[[], float] = time.perf_counter
    float_ms: list[float] = field(init=False, default_factory=list)
    backend_ms: list[float] = field(init=False, default_factory=list)
    _known: dict = field(init=False, default_factory=dict, repr=False)  # what was seen of both models

    def __iter__(self) -> Iterator[Progress]:
        """After every matrix that is drawn or converted, and after every sample."""
        recipe, backend = self.recipe, find_backend(self.recipe.backend)
        self.float_ms.clear()
        self.backend_ms.clear()
        base = yield from self._steps("drawing", random_model(recipe.config, seed=recipe.seed))
        other = yield from self._steps("converting", backend.preparing(base))
        self._known = {
            "matrices": quantized_matrices(other),
            "memory": in_memory(other),
            "float_memory": in_memory(base),
        }
        contestants = {}
        for number, (name, model) in enumerate((("a", base), ("b", other)), 1):
            contestants[name] = contestant = Contestant(model, clock=self.clock)
            for sample in range(WARMUP):
                contestant.sample_ms()
                yield self._progress("warming up", (number - 1 + (sample + 1) / WARMUP) / 2)
        taken = {"a": self.float_ms, "b": self.backend_ms}
        samples = pairs(contestants["a"], contestants["b"], repeats=recipe.repeats, seed=recipe.seed)
        for number, (name, ms) in enumerate(samples, 1):
            taken[name].append(ms)
            yield self._progress("measuring", number / (2 * recipe.repeats))

    def _steps(self, phase: str, work: Generator[float, None, Transformer]) -> Generator[Progress, None, Transformer]:
        while True:
            try:
                share = next(work)
            except StopIteration as done:
                return done.value
            yield self._progress(phase, share)

    def _progress(self, phase: str, share: float) -> Progress:
        low, high = SHARES[phase]
        whole = min(len(self.float_ms), len(self.backend_ms))
        return Progress(phase=phase, share=low + (high - low) * share, pairs=whole)

    def result(self) -> CrossoverResult:
        """What is known now; after a stop, from the pairs that are whole.

        Raises:
            ValueError: not a single pair was taken.
        """
        whole = min(len(self.float_ms), len(self.backend_ms))
        if not whole:
            raise ValueError("pairs=0 taken: iterate over the run before asking for its result")
        found = compare_samples(self.float_ms[:whole], self.backend_ms[:whole])
        return CrossoverResult(recipe=self.recipe, comparison=found, **self._known)
