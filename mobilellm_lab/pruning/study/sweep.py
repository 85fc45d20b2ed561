"""Measured sweep of one-shot pruning, by study"""

from dataclasses import fields, replace
from itertools import product
from pathlib import Path

import torch

from mobilellm_lab import arms
from mobilellm_lab.measuring.start import start
from mobilellm_lab.pruning.calibration import DATA
from mobilellm_lab.pruning.layers import LAYER_CHOICES
from mobilellm_lab.pruning.sensitivity import LayerCost
from mobilellm_lab.pruning.structured import GROUPED
from mobilellm_lab.pruning.study import combined, outliers
from mobilellm_lab.pruning.study.recipe import COMPARED, DATA_DRIVEN, SCOPES, Recipe
from mobilellm_lab.pruning.study.run import Run, seen_key
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.sweeps import Store

COMMAND = "mobilellm-lab sweep pruning"
DEEP, WIDE = ("stories-deep", "text-deep"), ("stories-wide", "text-wide")
AMOUNTS = (0.3, 0.5, 0.6, 0.7, 0.8)  # of single weights, in the full product
RANKED = ("random", "l1", "taylor", "wanda", "sparsegpt")  # of single weights; l2 ranks them as l1 does
GRAINS = ("weight", "neuron", "head", "width", "layer")  # granularities that are compared ...
GRAIN_AMOUNTS = (0.125, 0.25, 0.5)  # ... at these amounts
SHARED_AMOUNTS = (0.25, 0.5)  # which also divide the wide models' four layers
SEQUENCES, LENGTHS = (1, 4, 16, 128), (4, 16, 0)  # to calibrate on, and tokens of each; 0 is the task's
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
        "grains": [grain(*setting) for setting in product(DEEP, GRAINS, GRAIN_AMOUNTS)],
        "neurons": [
            Recipe(model=model, granularity="neuron", amount=0.25, importance=importance)
            for model, importance in product(DEEP, GROUPED)
        ],
        "sequences": [
            Recipe(model=model, importance=importance, sequences=sequences)
            for model, importance, sequences in product(DEEP, DATA_DRIVEN, SEQUENCES)
        ],
        "length": [Recipe(model=model, importance="wanda", length=length) for model, length in product(DEEP, LENGTHS)],
        "data": [
            Recipe(model=model, importance=importance, data=data)
            for model, importance, data in product(DEEP, ("wanda", "sparsegpt"), DATA)
        ],
        "scope": [
            Recipe(model=model, importance=importance, amount=amount, scope=scope)
            for model, importance, amount, scope in product(DEEP, ("l1", "wanda"), (0.5, 0.7), SCOPES)
            # A scan takes half a minute, for three seeds too long. One ranking by Wanda empties a matrix at 70 %.
            if importance == "l1" or scope == "uniform" or (scope == "global" and amount == 0.5)
        ]
        + [
            Recipe(model=model, granularity="neuron", importance="l2", amount=amount, scope=scope)
            for model, amount, scope in product(DEEP, SHARED_AMOUNTS, SCOPES)
        ],
        "layers": [
            Recipe(model=model, granularity="layer", amount=amount, choice=choice)
            for model, amount, choice in product(DEEP, SHARED_AMOUNTS, LAYER_CHOICES)
        ],
        "shapes": [
            Recipe(model=model, amount=amount, importance=importance)
            for model, amount, importance in product(DEEP + WIDE, (0.5, 0.7), ("l1", "wanda"))
        ]
        + [grain(*setting) for setting in product(DEEP + WIDE, ("neuron", "head", "layer"), SHARED_AMOUNTS)],
    }
    return {name: [each for recipe in recipes for each in _seeded(recipe)] for name, recipes in plain.items()}


def grain(model: str, granularity: str, amount: float) -> Recipe:
    """The recipe by which granularities are compared: by Wanda, heads in one ranking, layers by their measured loss.

    A block has two or three key/value heads, of which a quarter is none.
    """
    if granularity == "layer":
        return Recipe(model=model, granularity=granularity, amount=amount, choice="measured")
    scope = "global" if granularity == "head" else "uniform"
    return Recipe(model=model, granularity=granularity, amount=amount, importance="wanda", scope=scope)


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
        "sparsity": round(result.zeros.sparsity, 5),
        "of_all": round(result.zeros.of_all, 5),
        "bytes": {
            "theory": result.sizes.theory[result.sizes.stored_as].bytes,
            "on_disk": result.sizes.on_disk.bytes,
            "float": begin.on_disk.bytes,
        },
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


def distances(store: Store, model: str) -> list[tuple[int, float]]:
    """(bytes on disk, loss increase in nats) of what is stored of a model that was pruned and nothing else."""
    own = {field.name for field in fields(Recipe)}
    rows = [row for row in store.rows.values() if row["recipe"].keys() == own and row["recipe"]["model"] == model]
    before = next((row["loss_nats"] for row in rows if not row["recipe"]["amount"]), None)
    if before is None:
        return []
    return [(row["bytes"]["on_disk"], row["loss_nats"] - before) for row in rows if row["recipe"]["amount"]]


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
