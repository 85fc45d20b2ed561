"""Tables of the stored runs, and the numbers of the chapter's answer and recipe"""

from dataclasses import replace

import pandas as pd

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints.published import IPHONE_13
from mobilellm_lab.deep_narrow.cost import costs
from mobilellm_lab.deep_narrow.recipe import Recipe
from mobilellm_lab.deep_narrow.study.sweep import Arm, arms
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store

AT = {"study": "depth", "task": "shells", "steps": 500}  # the runs that the chapter compares depths on
PHONE, SHALLOW, DEEP = 125_000_000, 12, 30  # a model for a phone, and the depths that the chapter advises on


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


def moves_solved(accuracy: float, *, moves: int = 12, states: int = 6) -> float:
    """Moves after which a model that answers them all and then guesses has this accuracy over the whole game."""
    return moves * (accuracy - 1 / states) / (1 - 1 / states)


def phone_overhead() -> float:
    """Share of an iPhone 13's time per pass that 30 layers take more than 12 of the same bytes, at most.

    From the paper's profile: the same 30 blocks run twice take 0.4 ms longer than once, arithmetic included.
    """
    once, twice, _ = IPHONE_13
    layer_ms = (twice.execute_ms - once.execute_ms) / once.config.n_layers
    extra_ms = (DEEP - SHALLOW) * layer_ms
    return extra_ms / (once.execute_ms - extra_ms)


def answers() -> dict[str, str]:
    """The numbers of the opening and of the recipe: name -> text without a unit."""
    rates, runs = speeds(open_sweep("deep_narrow_cost")), reported(open_sweep("deep_narrow"))
    fast, slow = (one(rates, budget=PHONE, depth=depth) for depth in (SHALLOW, DEEP))
    single, sixteen = (one(rates, budget=1_000_000, depth=depth)["p50"] for depth in (1, 16))
    timed = {cost.config.n_layers: cost.config for cost in costs() if cost.budget == PHONE}
    cache = {depth: footprint.kv_bytes_per_token(timed[depth]) for depth in (SHALLOW, DEEP)}
    published = zoo.SHAPES["MobileLLM-125M"].config
    untied = footprint.parameters(replace(published, tie_embeddings=False))
    heads = (published.n_kv_heads, published.n_heads)
    kib = [footprint.kv_bytes_per_token(replace(published, n_kv_heads=kept)) / 1024 for kept in heads]
    short, long = (
        [seeds(runs, "score", task="shells", budget=60_000, depth=n, **where).median() for n in (1, 8)]
        for where in ({"study": "depth", "steps": 500}, {"study": "longer"})
    )
    return {
        "deep_paper_points": "0.9",  # arXiv 2402.14905, figure 3: 43.9 to 44.8 over eight tasks, as reported
        "deep_slower": f"{100 * (1 - slow['p50'] / fast['p50']):.0f}",  # % fewer tokens/s
        "deep_rate_shallow": f"{fast['p50']:.0f}",  # tokens/s
        "deep_rate_deep": f"{slow['p50']:.0f}",
        "deep_phone_slower": f"{100 * phone_overhead():.0f}",  # %
        "deep_cache_times": f"{cache[DEEP] / cache[SHALLOW]:.1f}",
        "deep_cache_grouped": f"{kib[0]:.1f}",  # KiB per token
        "deep_cache_full": f"{kib[1]:.1f}",
        "deep_tied_saves": f"{100 * (1 - footprint.parameters(published) / untied):.0f}",  # %
        "deep_tiny_slower": f"{single / sixteen:.1f}",  # times
        "deep_lead_short": f"{short[1] - short[0]:.2f}",  # accuracy
        "deep_lead_long": f"{long[1] - long[0]:.2f}",
    }
