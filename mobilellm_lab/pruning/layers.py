"""Choice of whole layers to remove: measured loss, block influence, best run, last, random"""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilellm_lab.choices import advice
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.masks import require_dense
from mobilellm_lab.tasks import IGNORE, Batch

LAYER_CHOICES = ("measured", "influence", "consecutive", "last", "random")
LOOKING = ("measured", "influence", "consecutive")  # those that need data


def choose_layers(
    model: Transformer, n: int, how: str = "measured", *, batches: Iterable[Batch] = (), seed: int = 0
) -> tuple[int, ...]:
    """The blocks that stay when n of them go, ascending; `Structure.layers`.

    - "measured" removes those whose removal alone raises the loss on `batches` the least.
    - "influence" removes those that turn their input the least: see `block_influence`.
    - "consecutive" removes the run of n neighbours whose removal raises the loss the least.
    - "last" removes the last n; "random" draws them from `seed`.

    A block that sharing runs twice goes twice.

    Raises:
        ValueError: an unknown choice, an n that leaves no block, no batches where they are needed, or a model that is
            not dense float32.
    """
    if how not in LAYER_CHOICES:
        raise ValueError(f"how={how!r}: {advice(how, LAYER_CHOICES)}")
    require_dense(model)
    stored = model.config.n_layers
    if not 0 <= n < stored:
        raise ValueError(f"n={n}: a block must stay, remove 0 to {stored - 1} of {stored}")
    batches = _checked(batches) if how in LOOKING else []
    if how == "consecutive":
        runs = [set(range(first, first + n)) for first in range(stored - n + 1)]
        removed = min(runs, key=lambda run: _loss(model, batches, run)) if n else set()
    else:
        removed = set(_ranked(model, how, batches, seed)[:n])
    return tuple(i for i in range(stored) if i not in removed)


def _ranked(model: Transformer, how: str, batches: list[Batch], seed: int) -> list[int]:
    """All blocks, those that go first at the front."""
    blocks = list(range(model.config.n_layers))
    if how == "last":
        return blocks[::-1]
    if how == "random":
        return torch.randperm(len(blocks), generator=torch.Generator().manual_seed(seed)).tolist()
    costs = removal_costs(model, batches) if how == "measured" else block_influence(model, batches)
    return sorted(blocks, key=lambda i: costs[i])


def removal_costs(model: Transformer, batches: Iterable[Batch]) -> list[float]:
    """Loss increase in nats on `batches` when each block is removed alone; may be below 0.

    Raises:
        ValueError: no batches, or no position with a target.
    """
    batches = _checked(batches)
    before = _loss(model, batches, set())
    return [_loss(model, batches, {i}) - before for i in range(model.config.n_layers)]


@torch.inference_mode()
def block_influence(model: Transformer, batches: Iterable[Batch]) -> list[float]:
    """1 - cos(input, output) of each block, averaged over positions: 0 where it leaves the residual stream as it is.

    Raises:
        ValueError: no batches.

    Source: ShortGPT, arXiv 2403.03853, equation 1.
    """
    batches = _checked(batches)
    turned: list[list[Tensor]] = [[] for _ in model.blocks]

    def watch(i: int):
        return lambda block, args, y: turned[i].append(1 - F.cosine_similarity(args[0], y, dim=-1).double().flatten())

    handles = [block.register_forward_hook(watch(i)) for i, block in enumerate(model.blocks)]
    try:
        for batch in batches:
            model(batch.tokens.to(model.norm.weight.device))
    finally:
        for handle in handles:
            handle.remove()
    return [torch.cat(own).mean().item() for own in turned]


@torch.inference_mode()
def _loss(model: Transformer, batches: list[Batch], removed: set[int]) -> float:
    """Mean loss in nats over all positions with a target, of the model without these blocks."""
    rest = copy.copy(model)  # the same weights, in another order of execution
    rest.order = [i for i in model.order if i not in removed]
    nats, positions = 0.0, 0
    for batch in batches:
        targets = batch.targets.to(model.norm.weight.device).flatten()
        logits = rest(batch.tokens.to(model.norm.weight.device)).flatten(0, 1)
        nats += F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum").item()
        positions += (targets != IGNORE).sum().item()
    if not positions:
        raise ValueError("batches hold no position with a target: give sequences with targets")
    return nats / positions


def _checked(batches: Iterable) -> list[Batch]:
    batches = list(batches)
    for batch in batches:
        if not isinstance(batch, Batch):
            raise ValueError(f"batches hold a {type(batch).__name__}: give those of pruning_data(task)")
    if not batches:
        raise ValueError("batches is empty: give at least one, such as pruning_data(task)")
    return batches
