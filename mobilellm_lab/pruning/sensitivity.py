"""Sensitivity of each layer to pruning, and the best amounts under a budget of kept weights"""

import copy
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from mobilellm_lab.choices import advice
from mobilellm_lab.knapsack import choose
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.masks import PrunedModel
from mobilellm_lab.pruning.shrinking import masked
from mobilellm_lab.pruning.structured import BY_BLOCK, prune_structured
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization.quantized import matrices
from mobilellm_lab.tasks import Task, evaluate

SCANNED = ("weight", *BY_BLOCK)  # granularities whose amounts can differ by layer


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One layer at one amount, all others dense."""

    layer: str  # a matrix, "blocks.3.ffn.up.weight"; of neurons and heads the block's part, "blocks.3.ffn"
    amount: int | float  # removed
    loss_increase_nats: float  # of the loss; may be slightly below 0
    kept: int  # weights of the layer that stay


def scan(
    model: Transformer,
    task: Task,
    amounts: Iterable[int | float],
    *,
    granularity: str = "weight",
    split: str = "validation",
    batches: int = 1,
    batch_size: int = 64,
    **how,
) -> Iterator[LayerCost]:
    """Yields the cost of every layer at amount 0 and at each of `amounts`, one evaluation each; `model` stays as it is.

    A layer is a matrix where single weights are removed, and a block's part where neurons or heads are. `how` are the
    options of `prune` or of `prune_structured`, calibration among them.

    Raises:
        ValueError: no amounts, a granularity without amounts by layer, a global ranking, or what `prune` or
            `prune_structured` refuses.
    """
    amounts = sorted({*amounts} - {0})
    if not amounts:
        raise ValueError("amounts holds nothing above 0: give at least one to try")
    if granularity not in SCANNED:
        raise ValueError(f"granularity={granularity!r}: {advice(granularity, SCANNED)}")
    if "global" in (how.get("compare"), how.get("scope")):
        raise ValueError("a global ranking leaves no amount to a layer: choose compare='row' or 'matrix', or no scope")
    tried = {amount: _pruned(model, amount, granularity, how) for amount in amounts}
    sizes = {name: p.numel() for name, p in matrices(model).items()}
    if granularity == "weight":
        parts = {name: [name] for name in tried[amounts[0]].masks}
    else:
        layers = [f"blocks.{i}.{BY_BLOCK[granularity]}" for i in range(model.config.n_layers)]
        parts = {layer: [name for name in sizes if name.startswith(f"{layer}.")] for layer in layers}
    for layer, names in parts.items():
        yield LayerCost(layer=layer, amount=0.0, loss_increase_nats=0.0, kept=sum(sizes[name] for name in names))
    chosen = {"split": split, "batches": batches, "batch_size": batch_size}
    before, shown = evaluate(task, model, **chosen).loss_nats, copy.deepcopy(model)
    for amount, pruned in tried.items():
        for layer, names in parts.items():
            _copy(pruned.model, shown, names)
            loss_nats = evaluate(task, shown, **chosen).loss_nats
            _copy(model, shown, names)
            kept = sum(int(pruned.masks[name].sum()) if name in pruned.masks else sizes[name] for name in names)
            yield LayerCost(layer=layer, amount=amount, loss_increase_nats=loss_nats - before, kept=kept)


def _pruned(model: Transformer, amount: int | float, granularity: str, how: dict) -> PrunedModel:
    if granularity == "weight":
        return prune(model, amount, **how)
    return masked(model, prune_structured(model, amount, granularity=granularity, **how))


@torch.no_grad()
def _copy(source: Transformer, target: Transformer, names: Iterable[str]) -> None:
    """Gives the target the source's matrices of these names."""
    given, own = matrices(source), matrices(target)
    for name in names:
        own[name].copy_(given[name])


def allocate(costs: Iterable[LayerCost], kept: int) -> dict[str, int | float]:
    """An amount for each layer: at most `kept` weights stay, and the sum of the loss increases is the smallest.

    That costs add up is an assumption: two pruned layers may make each other worse. More weights never give a larger
    sum. Costs of neurons and of heads may be allocated together.

    Raises:
        ValueError: no costs, a loss increase that is no number, or a budget below the largest amounts; names the least
            that is possible.
    """
    found: dict[str, list[LayerCost]] = {}
    for cost in costs:
        if not math.isfinite(cost.loss_increase_nats):
            raise ValueError(
                f"loss_increase_nats={cost.loss_increase_nats} of {cost.layer} at {cost.amount}: scan again"
            )
        found.setdefault(cost.layer, []).append(cost)
    if not found:
        raise ValueError("costs is empty: measure them with scan()")
    least = sum(min(cost.kept for cost in own) for own in found.values())
    if kept < least:
        raise ValueError(f"kept={kept}: the largest amounts that were scanned keep {least}; scan larger ones")
    options = {layer: [(cost.loss_increase_nats, cost.kept) for cost in own] for layer, own in found.items()}
    return {layer: found[layer][i].amount for layer, i in choose(options, kept).items()}
