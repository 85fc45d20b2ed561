"""Training recipes of the lab, each alternative at its best of three rates: seconds to 45 % on shells"""

import statistics
from collections.abc import Callable
from dataclasses import replace

import torch

from benchmarks.record import finish
from benchmarks.seconds_to_target import TARGET
from mobilellm_lab.deep_narrow import Recipe
from mobilellm_lab.model import Transformer
from mobilellm_lab.training import TrainConfig, constant, train

EVERY = 20  # updates between evaluations; their time is not counted
SEEDS = range(3)
STEPS = 800  # updates of a run; what has not arrived by then never does
ADAMW, MUON = (2e-3, 4e-3, 8e-3), (5e-3, 1e-2, 2e-2)


def small_init(model: Transformer) -> None:
    """Every matrix normal with 0.02, GPT-2's choice for wide models, instead of 1 / sqrt(inputs)."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 2:
                p.copy_(torch.randn(p.shape, generator=generator) * 0.02)


def keep(model: Transformer) -> None:
    """The model's own initialisation."""


def seconds(settings: TrainConfig, start: Callable[[Transformer], None], seed: int) -> float:
    """Training seconds to the target, or infinity."""
    recipe = Recipe(task="shells", depth=4, budget=60_000)
    task = recipe.make_task()
    model = Transformer(recipe.model_config(task), seed=seed)
    start(model)
    for step in train(model, task, replace(settings, seed=seed, eval_every=EVERY)):
        if step.evaluation is not None and step.evaluation.scores["accuracy"] >= TARGET:
            return step.elapsed_s
    return float("inf")


def main() -> None:
    """Measures every alternative, the arms taking turns seed by seed, and writes results/recipes.json."""
    base = replace(Recipe(task="shells", depth=4, budget=60_000).train_config(), steps=500)
    full = constant(1.0)
    arms: dict[str, tuple[TrainConfig, tuple[float, ...], Callable[[Transformer], None]]] = {
        "the lab's recipe": (base, ADAMW, keep),
        "no curriculum": (replace(base, length=full, steps=STEPS), ADAMW, keep),
        "constant rate": (base, ADAMW, keep),
        "Muon for the matrices": (replace(base, optimizer="muon"), MUON, keep),
        "initialisation 0.02": (base, ADAMW, small_init),
        "batches of 32": (replace(base, batch_size=32, steps=STEPS), ADAMW, keep),
        "batches of 128": (replace(base, batch_size=128), ADAMW, keep),
    }
    runs: dict[str, dict[float, list[float]]] = {name: {rate: [] for rate in arms[name][1]} for name in arms}
    for seed in SEEDS:
        for name, (settings, rates, start) in arms.items():
            for rate in rates:
                lr = constant(rate) if name == "constant rate" else rate
                runs[name][rate].append(seconds(replace(settings, lr=lr), start, seed))
    rows = []
    for name, by_rate in runs.items():
        rate = min(by_rate, key=lambda rate: statistics.median(by_rate[rate]))
        all_s = " ".join(f"{value:.1f}" for value in sorted(by_rate[rate]))
        rows.append(
            {"recipe": name, "best rate": rate, "median s": f"{statistics.median(by_rate[rate]):.2f}", "all s": all_s}
        )
    finish("recipes", rows, target=TARGET, every=EVERY)
