"""Sweeps of chapter 1: decode speed by size, context, batch and bits; probes of the machine"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from tqdm import tqdm

from mobilellm_lab import footprint, zoo
from mobilellm_lab.arms import Sweep
from mobilellm_lab.constraints.decode import DTYPES, build, decode_steps
from mobilellm_lab.constraints.machine import Machine
from mobilellm_lab.constraints.prediction import LAB_MODELS, predict
from mobilellm_lab.constraints.probes import ProbePlan, Probing, cores, full_plan, torch_threads
from mobilellm_lab.constraints.workload import Workload
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.provenance import provenance

SIZES: dict[str, ModelConfig] = {
    "60k": LAB_MODELS["60k"],
    "1M": zoo.solve(1_000_000, 8, vocab_size=512, n_heads=8, n_kv_heads=4),
    "5M": zoo.solve(5_000_000, 8, vocab_size=4096, n_heads=8, n_kv_heads=4),
    "25M": LAB_MODELS["25M"],
    "125M": LAB_MODELS["125M"],
}
CONTEXTS, BATCHES = (64, 256, 1024), (1, 4, 16)
ROUNDS = 5  # each point is measured as often, with all others of its model in between
ROUND_STEPS, ROUND_S = 3, 0.1  # steps of a round, at least, and until they add up to this; but with no further one ...
ROUND_LIMIT_S = 2.0  # ... after this: threads that wait for each other on a busy machine can take seconds a step


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measured decode speed."""

    size: str  # a name of SIZES
    context: int
    batch: int
    bits: int
    threads: int = 1

    @property
    def config(self) -> ModelConfig:
        return SIZES[self.size]

    def row(self, rounds_ms: list[float], machine: Machine) -> dict:
        """What a step costs by formula, what it took in every round, and what the probes had said."""
        c = self.config
        workload = Workload(
            config=c, bits_per_weight=self.bits, kv_bits=self.bits, context=self.context, batch=self.batch
        )
        rates = [1000 * self.batch / ms for ms in rounds_ms]
        p = predict(c, machine, bits=self.bits, batch=self.batch, context=self.context, threads=self.threads)
        parts = ("tokens_per_s", "step_ms", "memory_ms", "compute_ms", "dispatch_ms", "bandwidth_gb_s")
        return {
            "shape": {"dim": c.dim, "hidden_dim": c.hidden_dim, "n_layers": c.n_layers, "head_dim": c.head_dim},
            "parameters": footprint.parameters(c),
            "read_bytes": workload.read_bytes,
            "operations": workload.operations,
            "step_ms": _percentiles(rounds_ms),
            "tokens_per_s": _percentiles(rates),
            "rounds": len(rounds_ms),
            "predicted": {name: _short(getattr(p, name)) for name in parts} | {"binds": p.binds},
            "provenance": provenance("mobilellm-lab sweep constraints"),
        }


def _short(value: int | float) -> float:
    return float(f"{value:.5g}")


def _percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{percent}": _short(np.percentile(values, percent)) for percent in (10, 50, 90)}


def points() -> list[Point]:
    """The full product at one thread, and every model alone on all cores, the small models first."""
    plan = [
        Point(size=size, context=context, batch=batch, bits=bits)
        for size, bits, context, batch in product(SIZES, DTYPES, CONTEXTS, BATCHES)
    ]
    if cores() > 1:
        plan += [
            Point(size=size, context=CONTEXTS[0], batch=1, bits=bits, threads=cores())
            for size, bits in product(SIZES, DTYPES)
        ]
    return plan


def measure_points(plan: Iterable[Point], machine: Machine, *, rounds: int = ROUNDS) -> Iterator[tuple[Point, dict]]:
    """Yields a row per point. The points of one model take turns, so that a busy minute slows them alike."""
    plan = list(plan)
    for size, bits in dict.fromkeys((point.size, point.bits) for point in plan):
        group = [point for point in plan if (point.size, point.bits) == (size, bits)]
        model = build(SIZES[size], bits=bits)
        decoders = [decode_steps(model, batch=point.batch, context=point.context) for point in group]
        took: list[list[float]] = [[] for _ in group]
        for _ in range(rounds):
            for point, steps, rounds_ms in zip(group, decoders, took, strict=True):
                with torch_threads(point.threads):
                    rounds_ms.append(_round_ms(steps))
        yield from ((point, point.row(rounds_ms, machine)) for point, rounds_ms in zip(group, took, strict=True))


def measure_predicted(todo: list[Point]) -> Iterator[tuple[Point, dict]]:
    """As `measure_points`, with predictions from fresh probes of this machine; probes where there is a point."""
    probing = Probing(full_plan())
    with tqdm(total=100, unit="%", desc="probes of this machine", disable=not todo) as bar:
        for share in probing if todo else ():
            bar.update(round(100 * share) - bar.n)
    return measure_points(todo, probing.machine())


def _round_ms(steps: Iterator[float]) -> float:
    """Median step of one round; the first is not counted, the others had the cache meanwhile."""
    next(steps)
    samples, start = [], time.perf_counter()
    while not samples or (
        (len(samples) < ROUND_STEPS or time.perf_counter() - start < ROUND_S)
        and time.perf_counter() - start < ROUND_LIMIT_S
    ):
        samples.append(next(steps))
    return float(np.median(samples))


def probe_plans() -> tuple[ProbePlan, ...]:
    """Every probe of the stored sweep."""
    return full_plan()


def measure_probes(plan: Iterable[ProbePlan]) -> Iterator[tuple[ProbePlan, dict]]:
    """Yields a row per probe, with more samples than a lab takes."""
    for one in plan:
        probing = Probing((one,), min_samples=15, min_time_s=0.3, limit_s=1.0)
        for _ in probing:
            pass
        (probe,) = probing.probes
        rates = {name: _short(getattr(probe, name)) for name in ("median", "p10", "p90")}
        source = provenance("mobilellm-lab sweep constraints_machine")
        said = {"runs": probe.runs, "settled": probe.settled, "provenance": source}
        yield one, {"unit": probe.unit, **rates, **said}


SWEEPS = (
    Sweep(name="constraints_machine", plan=probe_plans, measure=measure_probes, alone=True),
    Sweep(name="constraints", plan=points, measure=measure_predicted, alone=True),
)
