"""From stored runs to the tables that the chapter's claims rest on"""

import pandas as pd

from mobilellm_lab.deep_narrow.recipe import Recipe
from mobilellm_lab.deep_narrow.study.sweep import Arm, arms
from mobilellm_lab.sweeps import Store

AT = {"study": "depth", "task": "shells", "steps": 500}  # the runs that the chapter compares depths on


def reported(store: Store, plan: list[Arm] | None = None) -> pd.DataFrame:
    """One row per reported run: the arm, its chosen rate, its seed, its shape, loss and scores on test sequences.

    Raises:
        ValueError: a run of the plan is not in the store; names it and the command that makes it.
    """
    rows = []
    for arm in plan if plan is not None else arms():
        for recipe in arm.candidates():
            _stored(store, recipe)
        for recipe in arm.reported(store):
            row = _stored(store, recipe)
            rows.append(
                {
                    "study": arm.study,
                    **{name: row["recipe"][name] for name in ("task", "budget", "steps", "depth", "lr", "seed")},
                    **row["shape"],
                    **{name: row[name] for name in ("parameters", "flops_per_token", "kv_bytes_per_token", "train_s")},
                    "loss_nats": row["loss_nats"],
                    "score": row["scores"][row["headline"]],
                    **row["scores"],
                }
            )
    return pd.DataFrame(rows)


def _stored(store: Store, recipe: Recipe) -> dict:
    if recipe not in store:
        raise ValueError(f"no stored run for {recipe}: make it with `mobilellm-lab sweep deep_narrow`")
    return store[recipe]


def budgets(runs: pd.DataFrame, task: str) -> list[int]:
    """The parameter budgets of the task's depth study, ascending."""
    return sorted(runs[(runs["study"] == "depth") & (runs["task"] == task)]["budget"].unique().tolist())


def depths(runs: pd.DataFrame, task: str, budget: int) -> list[int]:
    """The depths of the task's depth study at this budget, ascending."""
    of = (runs["study"] == "depth") & (runs["task"] == task) & (runs["budget"] == budget)
    return sorted(runs[of]["depth"].unique().tolist())


def speeds(store: Store) -> pd.DataFrame:
    """A row per shape of the sweep `deep_narrow_cost`, by budget and depth: decoded tokens/s (p10, p50, p90), rounds.

    Further columns: budget, depth, dim, hidden_dim, parameters.
    """
    rows = [
        {"budget": row["recipe"]["budget"], "depth": row["shape"]["n_layers"], "parameters": row["parameters"]}
        | {name: row["shape"][name] for name in ("dim", "hidden_dim")}
        | row["tokens_per_s"]
        | {"rounds": row["rounds"]}
        for row in store.rows.values()
    ]
    return pd.DataFrame(rows).sort_values(["budget", "depth"], ignore_index=True)


def best_depth(frame: pd.DataFrame, *, lower_is_better: bool = False) -> int:
    """The depth whose median over the seeds is best; `frame` holds the depths of one task and budget."""
    medians = frame.groupby("depth")["score"].median()
    return int(medians.idxmin() if lower_is_better else medians.idxmax())


def curves(store: Store, plan: list[Arm]) -> pd.DataFrame:
    """Learning curves of the reported runs: depth, seed, step, loss_nats and score on validation sequences."""
    rows = []
    for arm in plan:
        for recipe in arm.reported(store):
            for step, loss_nats, score in store[recipe]["curve"]:
                rows.append(
                    {"depth": recipe.depth, "seed": recipe.seed, "step": step, "loss_nats": loss_nats, "score": score}
                )
    return pd.DataFrame(rows)
