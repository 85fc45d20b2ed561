"""Tables from stored recoveries and their controls"""

import math
from dataclasses import asdict

import pandas as pd

from mobilellm_lab.pruning.study.recovery import COMMAND, arms
from mobilellm_lab.quantization.study.evidence import found, score
from mobilellm_lab.reference.rows import seeds
from mobilellm_lab.sweeps import Store


def recoveries(store: Store) -> pd.DataFrame:
    """Every reported recovery and its controls: loss after it, beside the pruned and the dense model's.

    `damage_nats` is the loss less that of the dense model with the same training, at its own best rate; `cost_nats` is
    what one-shot pruning with the same seed cost before any training, and `left` the one over the other. The dense arm
    has amount 0. `start_nats` is the loss of the dense model as it was.

    Raises:
        ValueError: a run is not in the store; names it and the command that makes it.
    """
    for recipe in (recipe for arm in arms() for recipe in arm.candidates()):
        found(store, recipe, COMMAND)
    plan = [recipe for arm in arms() for recipe in arm.reported(store)]
    stored = {recipe: found(store, recipe, COMMAND) for recipe in plan}
    dense = {(recipe.model, recipe.seed): row["loss_nats"] for recipe, row in stored.items() if not recipe.amount}
    cost = {
        (recipe.model, recipe.seed, recipe.granularity, recipe.amount): row["before"]["loss_nats"]
        - row["start"]["loss_nats"]
        for recipe, row in stored.items()
        if row["before"] is not None
    }
    rows = []
    for recipe, row in stored.items():
        own = {name: row[name] for name in ("loss_nats", "steps", "zeros", "parameters", "train_s")}
        own |= {"score": score(row), "start_nats": row["start"]["loss_nats"]}
        own |= {"damage_nats": row["loss_nats"] - dense[recipe.model, recipe.seed]}
        own |= {"cost_nats": cost.get((recipe.model, recipe.seed, recipe.granularity, recipe.amount), math.nan)}
        rows.append(asdict(recipe) | own)
    return pd.DataFrame(rows).assign(left=lambda frame: frame["damage_nats"] / frame["cost_nats"])


def no_longer_pays(runs: pd.DataFrame, model: str, arm: str = "scratch: seconds") -> float | None:
    """The smallest amount from which on a small model from random weights always ends below the pruned one.

    Of single weights, in all seeds; None where there is no such amount. `runs` are `recoveries`.
    """
    single = (runs["model"] == model) & (runs["granularity"] == "weight") & (runs["masks"] == "held")
    runs, found = runs[single], None
    for amount in sorted(runs.loc[runs["arm"] == arm, "amount"].unique(), reverse=True):
        twin, pruned = (seeds(runs, "loss_nats", amount=amount, arm=each) for each in (arm, "one-shot"))
        if pruned.min() <= twin.max():
            break
        found = float(amount)
    return found
