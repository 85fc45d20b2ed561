"""Decode speed of equal-parameter shapes, timed in turn within one process"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mobilellm_lab import footprint, zoo
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring import decode_throughput, settled
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.provenance import provenance

VOCAB = {60_000: 256, 1_000_000: 512, 10_000_000: 4096, 125_000_000: 32_000}  # a table that suits the budget
DEPTHS = {
    60_000: (1, 2, 4, 8),
    1_000_000: (1, 2, 4, 8, 16),
    10_000_000: (2, 4, 8, 16, 32),
    125_000_000: (6, 12, 30, 48),
}
TOKENS = {60_000: 32, 1_000_000: 32, 10_000_000: 16, 125_000_000: 8}  # decoded in one timed call


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Decode speed of one shape, with random weights: speed does not depend on what a model has learned."""

    budget: int
    config: ModelConfig

    def row(self, rates: list[float]) -> dict:
        """The shape, its costs by formula, and the measured tokens/s of every round."""
        c = self.config
        return {
            "shape": {"dim": c.dim, "hidden_dim": c.hidden_dim, "n_layers": c.n_layers, "head_dim": c.head_dim},
            "parameters": footprint.parameters(c),
            "flops_per_token": footprint.flops_per_token(c, context=TOKENS[self.budget]),
            "kv_bytes_per_token": footprint.kv_bytes_per_token(c),
            "tokens_per_s": {f"p{p}": round(float(np.percentile(rates, p)), 2) for p in (10, 50, 90)},
            "rounds": len(rates),
            "provenance": provenance("mobilellm-lab sweep deep_narrow_cost"),
        }


def costs() -> list[Cost]:
    """Every shape that is timed: some depths at each budget, 8 heads and 4 key/value heads (4 and 4 at 60k)."""
    shapes = []
    for budget, depths in DEPTHS.items():
        heads = {"n_heads": 4} if budget < 1_000_000 else {"n_heads": 8, "n_kv_heads": 4}
        family = zoo.family(budget, depths, vocab_size=VOCAB[budget], max_seq_len=64, **heads)
        shapes += [Cost(budget=budget, config=config) for config in family.values()]
    return shapes


@dataclass(kw_only=True)
class CostRun:
    """Shapes being timed in turn, so that a busy minute slows them alike. Iterate for the share done; then `rows()`."""

    shapes: list[Cost]
    rounds: int = 7
    limit_s: float = 0.0  # rounds follow beyond `rounds` until the times of each shape have settled, but no longer
    rates: list[list[float]] = field(init=False, default_factory=list)  # tokens/s of each shape's rounds

    def __iter__(self) -> Iterator[float]:
        models = [for_decoding(Transformer(shape.config)) for shape in self.shapes]
        self.rates, start = [[] for _ in self.shapes], time.monotonic()
        while self._go_on(time.monotonic() - start):
            for shape, model, samples in zip(self.shapes, models, self.rates, strict=True):
                once = decode_throughput(
                    model, length=TOKENS[shape.budget], warmup=int(not samples), repeats=1, min_time_s=0.0
                )
                samples.append(once.median_per_s)
                done = sum(map(len, self.rates)) / len(self.shapes)
                yield done / max(self.rounds, done + 1)  # below 1 where further rounds follow
        yield 1.0

    def _go_on(self, taken_s: float) -> bool:
        settling = taken_s < self.limit_s and not all(settled([1 / rate for rate in each]) for each in self.rates)
        return len(self.rates[-1]) < self.rounds or settling

    def rows(self) -> Iterator[tuple[Cost, dict]]:
        """A row for each shape, of the rounds so far."""
        yield from ((shape, shape.row(samples)) for shape, samples in zip(self.shapes, self.rates, strict=True))


def measure(shapes: list[Cost], *, rounds: int = 7) -> Iterator[tuple[Cost, dict]]:
    """Yields a row per shape, budget after budget."""
    for budget in dict.fromkeys(shape.budget for shape in shapes):
        run = CostRun(shapes=[shape for shape in shapes if shape.budget == budget], rounds=rounds)
        for _ in run:
            pass
        yield from run.rows()
