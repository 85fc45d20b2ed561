"""Tables from stored rows on outliers and on pruning with quantization"""

import math
from dataclasses import asdict

import pandas as pd

from mobilellm_lab.pruning.study.combined import COMMAND, DEEP, EQUAL, Combined, Zeros, combined_arms, combined_plan
from mobilellm_lab.pruning.study.outliers import outliers_plan
from mobilellm_lab.pruning.study.recipe import Recipe
from mobilellm_lab.quantization.study.evidence import found, losses
from mobilellm_lab.sweeps import Store


def outlier_losses(store: Store) -> pd.DataFrame:
    """One row per model, factor, seed and way of pruning; the increase is over the model with the same outliers."""
    rows = []
    for recipe in outliers_plan():
        row = found(store, recipe, COMMAND)
        for made in row["pruned"]:
            rows.append(asdict(recipe) | made | {"loss_increase_nats": made["loss_nats"] - row["dense_nats"]})
    return pd.DataFrame(rows)


def crossover(
    outliers: pd.DataFrame, model: str, worse: tuple[str, str], better: tuple[str, str], *, ratio: int | float = 1
) -> int | float:
    """The smallest factor from which on `worse` loses more than `ratio` times what `better` loses, in every seed.

    Both are (importance, compare); inf where there is no such factor.
    """
    own = outliers[outliers["model"] == model].set_index(["importance", "compare", "factor", "seed"])
    increase = own["loss_increase_nats"].sort_index()
    above = (increase.loc[worse] > ratio * increase.loc[better]).groupby("factor").all()
    factors = [factor for factor in above.index if above[above.index >= factor].all()]
    return min(factors, default=math.inf)


def combined_losses(store: Store) -> pd.DataFrame:
    """One row per run: its recipe, the budget in bits a weight, the increase over the float model, zeros and bytes.

    `tuned` tells whether it was fine-tuned between the two steps, at the rate that its validation run chose.
    """
    tuned = [recipe for arm in combined_arms() for recipe in arm.reported(store)]
    rows = []
    for recipe in (item for item in [*combined_plan(), *tuned] if isinstance(item, Combined)):
        row, before = (found(store, each, COMMAND) for each in (recipe, Recipe(model=recipe.model, amount=0)))
        budget = next(bits for bits, chosen in EQUAL.items() if (recipe.amount, recipe.bits) in chosen)
        rows.append(
            {"budget_bits": budget, "tuned": recipe.steps > 0, **asdict(recipe), **losses(row, before)}
            | {"zeros": row["zeros"], "on_disk_bytes": row["bytes"]["on_disk"]}
        )
    return pd.DataFrame(rows)


def zeros_kept(store: Store) -> pd.DataFrame:
    """Share of the masked weights that are 0 afterwards, by model, kind (grid, method, rotation, kernel) and name."""
    rows = []
    for model in DEEP:
        row = found(store, Zeros(model=model), COMMAND)
        named = [
            ("grid", f"{each['bits']} bits{'' if each['symmetric'] else ', affine'}", each["kept"])
            for each in row["grids"]
        ]
        named += [("method", name, kept) for name, kept in row["methods"].items()]
        named += [("rotation", "Hadamard", row["rotated"])]
        named += [("kernel", name, kept) for name, kept in row["kernels"].items()]
        rows += [{"model": model, "kind": kind, "name": name, "kept": kept} for kind, name, kept in named]
    return pd.DataFrame(rows)
