"""Tables from stored runs, for claims, replays and the page"""

import math
from dataclasses import asdict

import pandas as pd

from mobilellm_lab.pruning.study.recipe import SCAN_AMOUNTS, Recipe
from mobilellm_lab.pruning.study.sweep import COMMAND, studies
from mobilellm_lab.quantization.study.evidence import found, losses, score
from mobilellm_lab.sweeps import Store


def runs(store: Store, study: str) -> pd.DataFrame:
    """One row per stored run of a study: its recipe, its loss beside the dense model's, its answers, zeros and bytes.

    `loss_increase_nats` is the loss less the dense model's on the same test sequences; `..._low_nats` and
    `..._high_nats` are its lowest and highest over four equal parts of them. `score` is two-hop accuracy on stories
    (higher is better) and bits per byte on text (lower is better). `sparsity` is the share of zeros of the prunable
    weights, `of_all` that of all weights.

    Raises:
        ValueError: no such study, or a run of it is not in the store; names it and the command that makes it.
    """
    plan = studies()
    if study not in plan:
        raise ValueError(f"study={study!r}: choose one of {', '.join(plan)}")
    return pd.DataFrame(_run(store, study, recipe) for recipe in plan[study])


def _run(store: Store, study: str, recipe: Recipe) -> dict:
    row, before = (found(store, each, COMMAND) for each in (recipe, Recipe(model=recipe.model, amount=0)))
    return {
        "study": study,
        **asdict(recipe),
        **losses(row, before),
        "perplexity": math.exp(min(row["loss_nats"], 700)),
        "score": score(row),
        **{name: row[name] for name in ("agreement", "sparsity", "of_all")},
        "on_disk_bytes": row["bytes"]["on_disk"],
        "float_bytes": row["bytes"]["float"],
    }


def scans(store: Store) -> pd.DataFrame:
    """What each matrix alone costs at every amount that was scanned: loss increase on validation sequences."""
    rows = []
    for recipe in studies()["scope"]:
        if recipe.scope == "sensitivity" and recipe.granularity == "weight":
            for layer, increases in found(store, recipe, COMMAND)["scan"].items():
                own = {"model": recipe.model, "layer": layer}
                rows += [
                    own | {"amount": amount, "loss_increase_nats": nats}
                    for amount, nats in zip(SCAN_AMOUNTS, increases, strict=True)
                ]
    return pd.DataFrame(rows).drop_duplicates(["model", "layer", "amount"])
