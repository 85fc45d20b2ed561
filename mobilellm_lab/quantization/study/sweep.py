"""Measured sweep of post-training quantization, by study"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from mobilellm_lab import arms
from mobilellm_lab.measuring.start import start
from mobilellm_lab.quantization.calibration import RANGES
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study import fragility
from mobilellm_lab.quantization.study.kv_cache import Context, context_row, contexts
from mobilellm_lab.quantization.study.mixed_precision import Mixture, mixture_row
from mobilellm_lab.quantization.study.recipe import FLOAT, Recipe
from mobilellm_lab.quantization.study.run import Run
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.sweeps import Store

COMMAND = "mobilellm-lab sweep quantization"
DEEP, WIDE = ("stories-deep", "text-deep"), ("stories-wide", "text-wide")
BITS, GROUPS = (2, 3, 4, 6, 8), (TENSOR, CHANNEL, 32, 16)  # of the full product
SCHEMES = (("rtn", True), ("rtn", False), ("mse", True), ("gptq", True), ("awq", True))  # method, symmetric
FACTORS = (8, 64)  # of injected outliers
SEEDS = arms.SEEDS


def studies() -> dict[str, list[Recipe]]:
    """Study -> its recipes; one that belongs to several is measured once."""
    plain = {
        "float": [Recipe(model=model, bits=FLOAT) for model in DEEP + WIDE],
        "grid": [
            Recipe(model=model, bits=bits, group_size=group_size, method=method, symmetric=symmetric)
            for model, bits, group_size, (method, symmetric) in product(DEEP, BITS, GROUPS, SCHEMES)
        ],
        "low": [Recipe(model=m, bits=b, method=how) for m, b, how in product(DEEP, (1.58, 1), ("rtn", "gptq"))],
        "wide": [
            Recipe(model=model, bits=bits, group_size=group_size, method=method)
            for model, bits, group_size, method in product(WIDE, (2, 3, 4, 8), (CHANNEL, 32), ("rtn", "gptq"))
        ],
        "activations": [recipe for model in DEEP for recipe in _activations(Recipe(model=model, bits=FLOAT))]
        + [Recipe(model=model, bits=8, group_size=CHANNEL, activation_bits=8) for model in DEEP + WIDE],
        "data": [
            replace(recipe, model=model, data=data)
            for model, data in product(DEEP, ("own", "other", "random"))
            for recipe in (
                Recipe(bits=FLOAT, activation_bits=8, activation="static"),
                Recipe(bits=3, method="gptq"),
                Recipe(bits=3, method="awq"),
            )
        ],
        "kv": [Recipe(model=model, bits=FLOAT, kv_bits=bits) for model, bits in product(DEEP + WIDE, (8, 4))]
        + [Recipe(model=model, bits=4, kv_bits=4) for model in DEEP],
        "layers": [
            Recipe(model=model, bits=bits, layers=layers)
            for model, bits, layers in product(DEEP, (3, 2), ("blocks", "attention", "ffn", "embedding"))
        ],
        "planted": [recipe for model in DEEP for recipe in _planted(Recipe(model=model))],
    }
    return {name: [each for recipe in recipes for each in _seeded(recipe)] for name, recipes in plain.items()}


def _activations(base: Recipe) -> Iterator[Recipe]:
    """Dynamic and static activations by bits, and what a phone runs: 4-bit weights and 8-bit activations."""
    for bits in (8, 6, 4):
        yield replace(base, activation_bits=bits)
        for ranges in RANGES:
            yield replace(base, activation_bits=bits, activation="static", ranges=ranges)
    yield replace(base, bits=4, activation_bits=8)


def _planted(base: Recipe) -> Iterator[Recipe]:
    """Outliers in weights under one scale a matrix or a row, and in activations under one a token or for all tokens."""
    for rotate, factor in product((False, True), (None, *FACTORS)):
        turned = replace(base, rotate=rotate)
        weights, activations = (
            turned if factor is None else replace(turned, planted=kind, factor=factor)
            for kind in ("weights", "activations")
        )
        yield from (replace(weights, group_size=group_size) for group_size in (TENSOR, CHANNEL))
        yield from (
            replace(activations, bits=FLOAT, activation_bits=8, activation=how) for how in ("dynamic", "static")
        )


def _seeded(recipe: Recipe) -> list[Recipe]:
    """The recipe with every seed, or once where a seed makes no difference."""
    return [replace(recipe, seed=seed) for seed in SEEDS] if recipe.draws else [recipe]


def plan() -> list[Recipe | Context | Mixture]:
    """All that is measured once, model by model, so that a process reads each seldom."""
    recipes = dict.fromkeys(recipe for study in studies().values() for recipe in study)
    models = DEEP + WIDE
    items = [*recipes, *(recipe for model in models for recipe in contexts(model))]
    items += [Mixture(model=model) for model in DEEP]
    return sorted(items, key=lambda item: models.index(item.model))


def recipe_row(recipe: Recipe, *, folder: Path) -> dict:
    """One recipe carried out on the checkpoint of its name in `folder`, as plain values."""
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    run = Run(recipe, begin.model, begin.task, eval_set=begin.eval_set, calibrations=begin.calibrations)
    for _ in run:
        pass
    result = run.result()
    return {
        "loss_nats": round(result.loss_nats, 6),
        "parts": [round(loss, 6) for loss in result.evaluation.parts()],
        "scores": {name: round(value, 5) for name, value in result.scores.items()},
        "agreement": round(result.evaluation.agreement, 5),
        "bytes": {
            "theory": result.sizes.theory.bytes,
            "on_disk": result.sizes.on_disk.bytes,
            "float": begin.on_disk.bytes,
        },
        "bits_per_weight": round(result.sizes.bits_per_weight, 4),
        **begin.says(COMMAND),
    }


def distances(store: Store, model: str) -> list[tuple[int, float]]:
    """(bytes on disk, loss increase in nats) of what is stored of a model whose weights alone were rounded."""
    free = {"bits", "group_size", "symmetric", "method", "layers", "seed"}
    chosen = store.alike(Recipe(model=model), free=free)
    before = next((row["loss_nats"] for row in chosen if row["recipe"]["bits"] == FLOAT), None)
    if before is None:
        return []
    return [(row["bytes"]["on_disk"], row["loss_nats"] - before) for row in chosen if row["recipe"]["bits"] != FLOAT]


ROWS = {Recipe: recipe_row, Context: context_row, Mixture: mixture_row}


def make_row(item: Recipe | Context | Mixture | fragility.Small, *, folder: Path = FOLDER) -> dict:
    """The row of anything that is planned, from the checkpoints in `folder`."""
    return fragility.small_row(item) if isinstance(item, fragility.Small) else ROWS[type(item)](item, folder=folder)


def everything() -> list[Recipe | Context | Mixture | arms.Arm]:
    """`plan`, then the small models, which are trained first."""
    return [*plan(), *fragility.arms()]


SWEEPS = (arms.Sweep(name="quantization", plan=everything, measure=make_row, alone=False),)
