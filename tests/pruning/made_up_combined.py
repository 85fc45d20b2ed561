"""Rows on outliers and on pruning with quantization whose every number is known."""

from dataclasses import replace

from mobilellm_lab.arms import SEEDS
from mobilellm_lab.pruning.study.combined import ORDERS, Combined, Zeros, combined_arms, combined_plan
from mobilellm_lab.pruning.study.outliers import WAYS, Outliers, outliers_plan

PROVENANCE = {"command": "make it", "commit": "a" * 40, "machine": "a laptop", "threads": 1, "torch": "2.13.0"}
PROVENANCE |= {"date": "2026-12-01"}
BEST_RATE = 1e-3


def items() -> list[Outliers | Combined | Zeros]:
    """All that the sweep `pruning` measures beside one-shot pruning; of arms every rate, and all seeds at the best."""
    tuned = []
    for arm in combined_arms():
        tuned += arm.candidates()
        tuned += [replace(arm.recipe, lr=BEST_RATE, seed=seed) for seed in SEEDS]
    return [*outliers_plan(), *combined_plan(), *tuned]


def increase(item: Outliers | Combined, importance: str = "") -> float:
    """Magnitude loses more with every factor; a combination by its amount, half once it is tuned, and by its seed."""
    seed = 1 + item.seed / 100
    if isinstance(item, Outliers):
        return {"l1": 0.05 * item.factor, "wanda": 0.1, "sparsegpt": 0.08}[importance] * seed
    later = 1.5 if item.order == ORDERS[1] else 1.0
    return later * (0.02 + item.amount**2) * seed * (0.5 if item.steps else 1)


def row(item: Outliers | Combined | Zeros) -> dict:
    """The row of one of `items`."""
    more = {"fingerprint": "f" * 16, "provenance": PROVENANCE}
    if isinstance(item, Zeros):
        grids = [{"bits": 1, "symmetric": True, "kept": 0.0}, {"bits": 4, "symmetric": False, "kept": 1.0}]
        kernels = {"torchao int4 (prototype)": 0.0, "torchao int8 weight-only": 1.0}
        return {"grids": grids, "methods": {"rtn": 1.0, "gptq": 0.95}, "rotated": 0.0, "kernels": kernels} | more
    if isinstance(item, Outliers):
        made = [{"importance": i, "compare": c, "loss_nats": 0.7 + increase(item, i)} for i, c in WAYS]
        return {"dense_nats": 0.7, "pruned": made} | more
    loss_nats = 0.6 + increase(item)
    found = {"loss_nats": loss_nats, "parts": [loss_nats - 0.1, loss_nats + 0.1] * 2, "zeros": item.amount}
    found |= {"bytes": {"packed": 1000 * item.bits, "bitmap": 900 * item.bits, "on_disk": 2000}}
    if item.steps:
        found |= {"validation_loss_nats": loss_nats + (item.lr != BEST_RATE), "batch_size": 8}
    return found | more
