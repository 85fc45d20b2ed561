"""Seconds of training to 45 % accuracy on shells, beside transformers' Llama with AdamW at its best constant rate."""

import statistics
import time
from dataclasses import replace

import torch
import torch.nn.functional as F

from benchmarks.peers import Logits, llama
from benchmarks.record import finish, mark
from mobilellm_lab.deep_narrow import Recipe
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import Task, evaluate
from mobilellm_lab.training import TrainConfig, train

TARGET = 0.45  # accuracy over all positions of held-out sequences
EVERY = 20  # updates between evaluations; their time is not counted
MOST = 2000  # updates after which a run counts as one that never arrives
SEEDS = range(5)
PEER_RATES = (1e-3, 2e-3, 4e-3, 8e-3)  # constant; the best of them is the peer
CHOOSING_SEEDS = range(2)
MUST, AIM = 1.5, 3.0


def ours(config: ModelConfig, task: Task, settings: TrainConfig, seed: int) -> tuple[float, int]:
    """(seconds, updates) that the lab's default recipe needs."""
    settings = replace(settings, eval_every=EVERY, seed=seed)
    for step in train(Transformer(config, seed=seed), task, settings):
        if step.evaluation is not None and step.evaluation.scores["accuracy"] >= TARGET:
            return step.elapsed_s, step.step
    return float("inf"), step.step


def peer(config: ModelConfig, task: Task, batch_size: int, rate: float, seed: int) -> tuple[float, int]:
    """(seconds, updates) that the plain loop needs: the same batches, the same clipping, the same evaluation."""
    model = llama(config, seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    elapsed_s = 0.0
    for i in range(MOST):
        start = time.perf_counter()
        batch = task.batch(i, batch_size, seed=seed)
        loss = F.cross_entropy(model(input_ids=batch.tokens).logits.flatten(0, 1), batch.targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        elapsed_s += time.perf_counter() - start
        if (i + 1) % EVERY == 0 and evaluate(task, Logits(model)).scores["accuracy"] >= TARGET:
            return elapsed_s, i + 1
    return float("inf"), MOST


def main() -> None:
    """Chooses the peer's rate, measures every seed of both in turn, prints and writes the table."""
    recipe = Recipe(task="shells", depth=4, budget=60_000)
    task, settings = recipe.make_task(), recipe.train_config()
    config = recipe.model_config(task)
    batch_size = settings.batch_size
    peers = {rate: [peer(config, task, batch_size, rate, seed) for seed in CHOOSING_SEEDS] for rate in PEER_RATES}
    best_rate = min(peers, key=lambda rate: statistics.mean(seconds for seconds, _ in peers[rate]))
    name = f"peer at its best rate, {best_rate:g}"
    runs: dict[str, list[tuple[float, int]]] = {"ours": [], name: []}
    for seed in SEEDS:
        runs["ours"].append(ours(config, task, settings, seed))
        runs[name].append(peer(config, task, batch_size, best_rate, seed))
    runs |= {f"peer at {rate:g}": found for rate, found in peers.items() if rate != best_rate}
    median_s = {name: statistics.median(seconds for seconds, _ in found) for name, found in runs.items()}
    best = median_s[name]
    rows = [
        {
            "who": name,
            "median s": f"{median_s[name]:.2f}",
            "all s": " ".join(f"{seconds:.1f}" for seconds, _ in sorted(found)),
            "median updates": statistics.median(updates for _, updates in found),
            "times the best peer": f"{best / median_s[name]:.2f}",
        }
        for name, found in runs.items()
    ]
    ratio = best / median_s["ours"]
    rows[0]["must / aim"] = f"{MUST} / {AIM}: {mark(ratio, MUST, AIM)}"
    for row in rows[1:]:
        row["must / aim"] = ""
    runs_s = {who: [(s if s < float("inf") else None, n) for s, n in found] for who, found in runs.items()}
    finish("seconds_to_target", rows, seconds_and_updates=runs_s, target=TARGET, every=EVERY)
