"""Measured sweep of decode speed: every backend beside float32 at every size, with bytes and operations"""

import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from mobilellm_lab import footprint
from mobilellm_lab.arms import Sweep
from mobilellm_lab.measuring import compare_samples, on_disk
from mobilellm_lab.model import Transformer
from mobilellm_lab.provenance import provenance
from mobilellm_lab.quantization.libraries import converted
from mobilellm_lab.quantization.libraries.kernels import BACKENDS, find_backend
from mobilellm_lab.quantization.study.crossover import (
    CONTEXT,
    CROSSOVER_SIZES,
    SWIFTER,
    WARMUP,
    Contestant,
    CrossoverRecipe,
    operations,
    pairs,
    random_model,
)

SERIES, PAIRS = 5, 10  # series of so many pairs, each with the series of all other backends in between
SPEED_REPEATS = SERIES * PAIRS


def speed_recipes() -> list[CrossoverRecipe]:
    """Every backend at every size, the small models first; float32 beside itself shows the noise."""
    return [
        CrossoverRecipe(backend=backend, size=size, repeats=SPEED_REPEATS)
        for size in CROSSOVER_SIZES
        for backend in BACKENDS
    ]


def crossover_size(rows: Iterable[dict], backend: str) -> str | None:
    """The smallest size from which on this backend was measured to be faster than float32; None if there is none."""
    verdicts = {row["recipe"]["size"]: row["verdict"] for row in rows if row["recipe"]["backend"] == backend}
    found = None
    for size in reversed([size for size in CROSSOVER_SIZES if size in verdicts]):
        if verdicts[size] != "faster":
            break
        found = size
    return found


def measure_speed(todo: Iterable[CrossoverRecipe]) -> Iterator[tuple[CrossoverRecipe, dict]]:
    """Yields a row per recipe. The backends of one size take turns, so that a busy minute slows them alike.

    All models of a size are in memory together, with float32 and its copy: 2 GiB at 125M.
    """
    todo = list(todo)
    for size in dict.fromkeys(recipe.size for recipe in todo):
        group = [recipe for recipe in todo if recipe.size == size]
        base = _drawn(size)
        models = {recipe: find_backend(recipe.backend).prepare(base) for recipe in group}
        facts = {recipe: _facts(model) for recipe, model in models.items()}
        plain, others = _warm(base), {recipe: _warm(model) for recipe, model in models.items()}
        taken: dict[CrossoverRecipe, list[tuple[list[float], list[float]]]] = {recipe: [] for recipe in group}
        for number in range(SERIES):
            for recipe in group:
                repeats = recipe.repeats // SERIES + (number < recipe.repeats % SERIES)
                found: dict[str, list[float]] = {"a": [], "b": []}
                for name, ms in pairs(plain, others[recipe], repeats=repeats, seed=number):
                    found[name].append(ms)
                taken[recipe].append((found["a"], found["b"]))
        float_facts = _facts(base)
        yield from ((recipe, _row(recipe, taken[recipe], facts[recipe], float_facts)) for recipe in group)


def _row(
    recipe: CrossoverRecipe, series: list[tuple[list[float], list[float]]], facts: dict, float_facts: dict
) -> dict:
    """What was measured: both speeds, their ratio with its interval, and each series by itself."""
    c = recipe.config
    a_ms, b_ms = ([ms for one in series for ms in one[side]] for side in (0, 1))
    found = compare_samples(a_ms, b_ms)
    low, high = 1 / found.ratio_high, 1 / found.ratio_low if found.ratio_low else None
    return {
        "shape": {"dim": c.dim, "hidden_dim": c.hidden_dim, "n_layers": c.n_layers, "head_dim": c.head_dim},
        "parameters": footprint.parameters(c),
        "context": CONTEXT,
        "step_ms": _percentiles(b_ms),
        "float_step_ms": _percentiles(a_ms),
        "tokens_per_s": _percentiles([1000 / ms for ms in b_ms]),
        "speedup": _short(1 / found.ratio),
        "speedup_low": _short(low),
        "speedup_high": None if high is None else _short(high),
        "verdict": SWIFTER[found.verdict],
        "series_speedups": [_short(np.median(np.divide(a, b))) for a, b in series if a],
        "pairs": len(a_ms),
        **facts,
        **{f"float_{name}": value for name, value in float_facts.items()},
        "provenance": provenance(
            "mobilellm-lab sweep quantization_speed",
            torchao=version("torchao"),
            cpu=torch.backends.cpu.get_cpu_capability(),
        ),
    }


def _facts(model: Transformer) -> dict:
    """What does not depend on the clock."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.pt")
        converted.save(model, path)
        file_bytes = on_disk(path).bytes
    quantized, matrices = converted.quantized_matrices(model)
    return {
        "file_bytes": file_bytes,
        "memory_bytes": converted.in_memory(model).bytes,
        "operations": operations(model),
        "quantized_matrices": quantized,
        "matrices": matrices,
    }


def _drawn(size: str) -> Transformer:
    drawing = random_model(CROSSOVER_SIZES[size])
    while True:
        try:
            next(drawing)
        except StopIteration as done:
            return done.value


def _warm(model: Transformer) -> Contestant:
    contestant = Contestant(model)
    for _ in range(WARMUP):
        contestant.sample_ms()
    return contestant


def _percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{percent}": _short(np.percentile(values, percent)) for percent in (10, 50, 90)}


def _short(value: int | float) -> float:
    return float(f"{value:.5g}")


SWEEPS = (Sweep(name="quantization_speed", plan=speed_recipes, measure=measure_speed, alone=True),)
