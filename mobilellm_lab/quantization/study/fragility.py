"""Deep and narrow against shallow and wide at equal parameters: small models trained, rounded and evaluated again"""

from dataclasses import dataclass

import torch

from mobilellm_lab import footprint, zoo
from mobilellm_lab.arms import Arm
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.provenance import provenance
from mobilellm_lab.quantization.grid import CHANNEL, Grid
from mobilellm_lab.quantization.ptq import quantize
from mobilellm_lab.tasks import Task, evaluate, make
from mobilellm_lab.training import TrainConfig, train

DEPTHS = (2, 4, 8)
RATES = (2e-3, 4e-3, 8e-3)
BITS, GROUPS = (2, 3, 4, 8), (CHANNEL, 32)
TRAINING = {"task": "shells", "batch_size": 64, "start_length": 0.2, "full_length_at": 0.8, "n_heads": 4}
TEST_BATCHES = 8  # of 256 games


@dataclass(frozen=True, kw_only=True)
class Small:
    """One small model on the shell game, all of a kind but for how many layers its parameters make."""

    depth: int = 4  # layers; the width is solved for
    budget: int = 60_000  # parameters, within 2 %
    steps: int = 600  # updates
    lr: float = 0.0  # AdamW's peak; the arm's to fill in
    seed: int = 0  # of the weights and of the training data

    def config(self, task: Task) -> ModelConfig:
        """The shape of so many layers with so many parameters."""
        heads = TRAINING["n_heads"]
        shape = {"vocab_size": task.vocab_size, "n_heads": heads, "n_kv_heads": heads, "max_seq_len": 2 * task.seq_len}
        return zoo.solve(self.budget, self.depth, **shape)


def arms() -> list[Arm]:
    """A line per depth, each at its own best rate."""
    return [Arm(study="fragile", recipe=Small(depth=depth), rates=RATES) for depth in DEPTHS]


def small_row(recipe: Small) -> dict:
    """The model's own loss and accuracy on test games, and those of its rounded copies, as plain values."""
    torch.set_num_threads(1)
    task, first, full_at = make(TRAINING["task"]), TRAINING["start_length"], TRAINING["full_length_at"]
    model = Transformer(recipe.config(task), seed=recipe.seed)
    config = TrainConfig(
        steps=recipe.steps,
        batch_size=TRAINING["batch_size"],
        optimizer="adamw",
        lr=recipe.lr,
        length=lambda progress: min(1.0, first + (1 - first) * progress / full_at),
        seed=recipe.seed,
    )
    *_, last = train(model, task, config)
    model.eval()
    grids = [Grid(bits=bits, group_size=group_size) for group_size in GROUPS for bits in BITS]
    rounded = [
        {"bits": grid.bits, "group_size": grid.group_size} | _evaluated(quantize(model, grid).model, task)
        for grid in grids
    ]
    shape = {name: getattr(model.config, name) for name in ("dim", "hidden_dim", "n_layers", "head_dim")}
    return {
        "shape": shape,
        "parameters": footprint.parameters(model.config),
        "train_s": round(last.elapsed_s, 2),
        "validation_loss_nats": last.evaluation.loss_nats,
        **_evaluated(model, task),
        "rounded": rounded,
        "training": TRAINING,
        "provenance": provenance("mobilellm-lab sweep quantization", corpus_sha256="no corpus"),
    }


def _evaluated(model: Transformer, task: Task) -> dict[str, float]:
    found = evaluate(task, model, split="test", batches=TEST_BATCHES)
    return {"loss_nats": round(found.loss_nats, 5), "accuracy": round(found.scores["accuracy"], 5)}
