"""Sweeps of chapter 2 over depth, budget and seed, each arm at its own best learning rate"""

from dataclasses import replace

import torch

from mobilellm_lab.arms import SEEDS, Arm, Sweep
from mobilellm_lab.deep_narrow.cost import costs, measure
from mobilellm_lab.deep_narrow.recipe import Recipe, Run
from mobilellm_lab.provenance import provenance
from mobilellm_lab.stored import as_stored
from mobilellm_lab.sweeps import Store

EVALUATIONS = 10  # points on each learning curve


def roadmap(start: Recipe, *, deep: int, n_kv_heads: int) -> dict[str, Recipe]:
    """The paper's steps, each on top of the one before, all at one parameter budget. Source: 2402.14905, Fig. 3."""
    steps = {"baseline": replace(start, ffn="relu", tie_embeddings=False)}
    for name, change in {
        "SwiGLU": {"ffn": "swiglu"},
        "deep and narrow": {"depth": deep},
        "tied embeddings": {"tie_embeddings": True},
        "GQA": {"n_kv_heads": n_kv_heads},
        "layer sharing": {"sharing": "immediate"},
    }.items():
        steps[name] = replace(list(steps.values())[-1], **change)
    return steps


def arms() -> list[Arm]:
    """Everything that chapter 2 reports, the cheap studies first."""
    shells, language = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2), (2e-3, 4e-3, 8e-3)
    depths = (1, 2, 3, 4, 6, 8, 12, 16)
    small, large = Recipe(steps=500), Recipe(budget=200_000)
    text, stories = replace(large, task="text", steps=400), replace(large, task="stories", steps=300)
    plan = [
        Arm(study="depth", recipe=replace(small, budget=budget, depth=d), rates=shells)
        for budget in (30_000, 60_000, 100_000, 200_000)
        for d in depths
    ]
    plan += [Arm(study="unseen", recipe=replace(small, depth=d, hold_out=True), rates=shells) for d in (1, 2, 4, 8)]
    plan += [Arm(study="longer", recipe=replace(small, depth=d, steps=1500), rates=shells) for d in (1, 4, 8)]
    plan += [Arm(study="depth", recipe=replace(text, depth=d), rates=language) for d in (1, 2, 4, 8)]
    plan += [
        Arm(study=f"roadmap: {name}", recipe=recipe, rates=language)
        for name, recipe in roadmap(replace(text, depth=2), deep=8, n_kv_heads=2).items()
    ]
    plan += [Arm(study="depth", recipe=replace(stories, depth=d), rates=language) for d in (2, 4, 8)]
    million = replace(text, budget=1_000_000, steps=150)
    plan += [Arm(study="depth", recipe=replace(million, depth=d), rates=language) for d in (2, 6, 12)]
    return plan


def training(recipe: Recipe) -> dict:
    """The task's defaults beside the recipe; a row measured with other values is out of date."""
    return {name: value for name, value in as_stored(recipe.defaults).items() if name not in ("steps", "lr")}


def train_row(recipe: Recipe) -> dict:
    """One run as a row of plain values: shape, quality on test sequences, learning curve."""
    torch.set_num_threads(1)
    steps = recipe.steps or recipe.defaults.steps
    run = Run(recipe, eval_every=max(1, steps // EVALUATIONS))
    curve = [
        [step.step, step.evaluation.loss_nats, step.evaluation.scores[run.task.headline]]
        for step in run
        if step.evaluation is not None
    ]
    result = run.result(measure_decode=False)
    return {
        "shape": {name: getattr(result.config, name) for name in ("dim", "hidden_dim", "n_layers", "head_dim")},
        "parameters": result.parameters,
        "flops_per_token": result.flops_per_token,
        "kv_bytes_per_token": result.kv_bytes_per_token,
        "train_s": round(result.train_s, 2),
        "tokens": run.last.tokens,
        "loss_nats": result.loss_nats,
        "floor_nats": result.floor_nats,
        "headline": result.headline,
        "scores": result.scores,
        "validation_loss_nats": curve[-1][1],
        "curve": [[step, round(loss, 5), round(score, 5)] for step, loss, score in curve],
        "training": training(recipe),
        "provenance": provenance(
            "mobilellm-lab sweep deep_narrow", corpus_sha256=getattr(run.task, "corpus_sha256", "no corpus")
        ),
    }


def band(store: Store, recipe: Recipe) -> list[tuple[int, float]]:
    """(depth, score) of the stored runs that differ from `recipe` only in depth, rate and seed; the panel's band.

    A recipe that is stopped by the clock is set beside runs of any length.
    """
    free = {"depth", "lr", "seed", "width", "steps", "seconds"}
    return [
        (row["recipe"]["depth"], row["scores"][row["headline"]])
        for row in store.alike(recipe, free=free)
        if row["recipe"]["seed"] in SEEDS
        and (recipe.seconds or row["recipe"]["steps"] == (recipe.steps or recipe.defaults.steps))
    ]


SWEEPS = (
    Sweep(name="deep_narrow", plan=arms, measure=train_row, alone=False),
    Sweep(name="deep_narrow_cost", plan=costs, measure=measure, alone=True),
)
