"""Measured sweep of one-shot pruning, by study"""

from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from mobilellm_lab import arms
from mobilellm_lab.measuring.start import start
from mobilellm_lab.pruning.calibration import DATA
from mobilellm_lab.pruning.sensitivity import LayerCost
from mobilellm_lab.pruning.study import combined, outliers
from mobilellm_lab.pruning.study.recipe import COMPARED, DATA_DRIVEN, SCOPES, Recipe
from mobilellm_lab.pruning.study.run import Run, seen_key
from mobilellm_lab.reference.models import FOLDER

COMMAND = "mobilellm-lab sweep pruning"
DEEP, WIDE = ("stories-deep", "text-deep"), ("stories-wide", "text-wide")
AMOUNTS = (0.3, 0.5, 0.6, 0.7, 0.8)  # of single weights, in the full product
RANKED = ("random", "l1", "taylor", "wanda", "sparsegpt")  # of single weights; l2 ranks them as l1 does
SEQUENCES, LENGTHS = (1, 4, 16, 64, 128), (4, 16, 0)  # to calibrate on, and tokens of each; 0 is the task's
SEEDS = arms.SEEDS


def studies() -> dict[str, list[Recipe]]:
    """Study -> its recipes; one that belongs to several is measured once."""
    plain = {
        "dense": [Recipe(model=model, amount=0) for model in DEEP + WIDE],
        "grid": [
            Recipe(model=model, amount=amount, importance=importance, compare=compare)
            for model, amount, importance, compare in product(DEEP, AMOUNTS, RANKED, COMPARED)
        ],
        "pattern": [
            Recipe(model=model, granularity="2:4", importance=importance)
            for model, importance in product(DEEP, ("l1", "taylor", "wanda", "sparsegpt"))
        ],
        "sequences": [
            Recipe(model=model, importance=importance, sequences=sequences)
            for model, importance, sequences in product(DEEP, DATA_DRIVEN, SEQUENCES)
        ],
        "length": [
            Recipe(model=model, importance=importance, length=length)
            for model, importance, length in product(DEEP, ("wanda", "sparsegpt"), LENGTHS)
        ],
        "data": [
            Recipe(model=model, importance=importance, data=data)
            for model, importance, data in product(DEEP, DATA_DRIVEN, DATA)
        ],
        "scope": [
            Recipe(model=model, importance=importance, amount=amount, scope=scope)
            for model, importance, amount, scope in product(DEEP, ("l1", "wanda"), (0.5, 0.7), SCOPES)
            if importance == "l1" or scope != "sensitivity"  # a scan takes half a minute, for three seeds too long
        ],
        "shapes": [
            Recipe(model=model, amount=amount, importance=importance)
            for model, amount, importance in product(DEEP + WIDE, (0.5, 0.7), ("l1", "wanda"))
        ],
    }
    return {name: [each for recipe in recipes for each in _seeded(recipe)] for name, recipes in plain.items()}


def _seeded(recipe: Recipe) -> list[Recipe]:
    """The recipe with every seed, or once where a seed makes no difference."""
    return [replace(recipe, seed=seed) for seed in SEEDS] if recipe.draws else [recipe]


def plan() -> list[Recipe]:
    """All that is measured once: model by model, and what looks at the same data together."""
    recipes = dict.fromkeys(recipe for study in studies().values() for recipe in study)
    models = DEEP + WIDE
    return sorted(recipes, key=lambda recipe: (models.index(recipe.model), seen_key(recipe)))


def recipe_row(recipe: Recipe, *, folder: Path) -> dict:
    """One recipe carried out on the checkpoint of its name in `folder`, as plain values."""
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    if recipe.calibrates and seen_key(recipe) not in begin.calibrations:
        begin.calibrations.clear()  # those of earlier rows, which would fill the memory
    run = Run(recipe, begin.model, begin.task, eval_set=begin.eval_set, seen=begin.calibrations)
    for _ in run:
        pass
    result = run.result()
    row = {
        "loss_nats": round(result.loss_nats, 6),
        "parts": [round(loss, 6) for loss in result.evaluation.parts()],
        "scores": {name: round(value, 5) for name, value in result.evaluation.scores.items()},
        "agreement": round(result.evaluation.agreement, 5),
        "sparsity": round(result.sparsity, 5),
        "of_all": round(result.of_all, 5),
    }
    if run.costs:
        row["scan"] = by_layer(run.costs)
    return row | begin.says(COMMAND)


def by_layer(costs: list[LayerCost]) -> dict[str, list[float]]:
    """Layer -> its loss increase in nats at each of the amounts that were scanned."""
    found = {cost.layer: [] for cost in costs}
    for cost in costs:
        if cost.amount:
            found[cost.layer].append(round(cost.loss_increase_nats, 5))
    return found


ROWS = {
    Recipe: recipe_row,
    combined.Combined: combined.combined_row,
    combined.Zeros: combined.zeros_row,
    outliers.Outliers: outliers.outliers_row,
}


def make_row(item: Recipe | combined.Combined | combined.Zeros | outliers.Outliers, *, folder: Path = FOLDER) -> dict:
    """The row of anything that is planned, from the checkpoints in `folder`."""
    return ROWS[type(item)](item, folder=folder)


def everything() -> list:
    """`plan`, then the rows on outliers and on quantization, and last what is fine-tuned."""
    return [*plan(), *outliers.outliers_plan(), *combined.combined_plan(), *combined.combined_arms()]


SWEEPS = (arms.Sweep(name="pruning", plan=everything, measure=make_row, alone=False),)
