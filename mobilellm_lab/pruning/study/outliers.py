"""Measured rows of magnitude beside Wanda and SparseGPT, by the size of injected outliers"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from mobilellm_lab import arms
from mobilellm_lab.measuring.start import start
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization.calibration import calibrate, calibration_data
from mobilellm_lab.quantization.outliers import inject_outliers
from mobilellm_lab.tasks import evaluate

DEEP = ("stories-deep", "text-deep")
FACTORS = (1, 2, 4, 8, 16, 32, 64)  # 1 injects none
CHANNELS = 32  # a third of what every `qkv` and `up` of the deep models reads; with 8 magnitude loses a quarter of it
AMOUNT = 0.5
WAYS = (("l1", "row"), ("l1", "matrix"), ("wanda", "row"), ("wanda", "matrix"), ("sparsegpt", "row"))
BATCHES, BATCH_SIZE = 2, 32  # of test sequences: fewer than elsewhere, since a row has five evaluations


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """A float model whose blocks read outliers, with the same logits, pruned in every one of `WAYS`."""

    model: str = "stories-deep"
    factor: int | float = 16  # how many times larger than before they are
    seed: int = 0  # of where they are injected, and of the calibration sequences


def outliers_plan() -> list[Outliers]:
    """Both deep models at every factor, with three choices of channels."""
    return [Outliers(model=m, factor=factor, seed=seed) for m, factor, seed in product(DEEP, FACTORS, arms.SEEDS)]


def outliers_row(recipe: Outliers, *, folder: Path) -> dict:
    """Loss of the model with outliers, dense and pruned in every way, as plain values."""
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    chosen = {"split": "test", "batches": BATCHES, "batch_size": BATCH_SIZE, "drawn": True}
    model = inject_outliers(begin.model, channels=CHANNELS, factor=recipe.factor, kind="inputs", seed=recipe.seed)
    seen = calibrate(model, calibration_data(begin.task, seed=recipe.seed))

    def pruned_loss(importance: str, compare: str) -> float:
        pruned = prune(model, AMOUNT, importance=importance, compare=compare, calibration=seen)
        return round(evaluate(begin.task, pruned.model, **chosen).loss_nats, 6)

    return {
        "dense_nats": round(evaluate(begin.task, model, **chosen).loss_nats, 6),
        "pruned": [{"importance": i, "compare": c, "loss_nats": pruned_loss(i, c)} for i, c in WAYS],
        **begin.says("mobilellm-lab sweep pruning"),
        "exam": {"split": "test", "sequences": BATCHES * BATCH_SIZE},
    }
