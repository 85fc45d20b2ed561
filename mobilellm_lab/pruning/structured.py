"""Importance of neurons, heads, channels and layers, and the choice of those that go"""

from dataclasses import replace

import torch
from torch import Tensor

from mobilellm_lab.choices import advice
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.importance import scores, signed_taylor
from mobilellm_lab.pruning.masks import require_dense
from mobilellm_lab.pruning.selection import check_amount
from mobilellm_lab.pruning.shrinking import Structure
from mobilellm_lab.quantization.calibration import Calibration
from mobilellm_lab.quantization.quantized import matrices

STRUCTURES = ("neuron", "head", "width", "layer")
BY_BLOCK = {"neuron": "ffn", "head": "attention"}  # whose amount may differ by block, with the part it is of
GROUPED = ("random", "l1", "l2", "taylor", "wanda")  # importances that can be summed over a group
WRITERS = ("attention.out.weight", "ffn.down.weight", "embed_in.weight")  # each row makes a channel of the stream


def group_scores(
    model: Transformer,
    granularity: str,
    importance: str = "l2",
    *,
    calibration: Calibration | None = None,
    gradients: dict[str, Tensor] | None = None,
    seed: int = 0,
) -> tuple[Tensor, ...]:
    """One score per neuron or key/value head, a tensor for each block; of "width" and "layer" one tensor of all.

    The scores of all weights that a group would take along are summed. "l2" takes the root of the sum of squares.
    "taylor" sums w * dL/dw with its sign and takes the size of the sum, the group's own first-order cost: what its
    weights cost one by one may cancel.

    Raises:
        ValueError: an unknown granularity, an importance that has no sum, or what `scores` refuses.

    Source: Molchanov et al., arXiv 1906.10771, for the sum with sign; LLM-Pruner, arXiv 2305.11627, for groups that
    span matrices.
    """
    if granularity not in STRUCTURES:
        raise ValueError(f"granularity={granularity!r}: {advice(granularity, STRUCTURES)}")
    if importance not in GROUPED:
        raise ValueError(f"importance={importance!r} of a {granularity}: {advice(importance, GROUPED)}")
    require_dense(model)
    names = [name for name in matrices(model) if _holds(name, granularity, model.config)]
    if importance == "taylor":
        parts = signed_taylor(model, names, gradients)
    else:
        parts = scores(model, importance, names, calibration=calibration, gradients=gradients, seed=seed)
    sums = _sums(model.config, granularity, parts)
    return tuple(own.abs() if importance == "taylor" else own.sqrt() if importance == "l2" else own for own in sums)


def _holds(name: str, granularity: str, config: ModelConfig) -> bool:
    """Whether a matrix has weights of such groups."""
    if granularity == "width":  # a factorised table is of another width
        return config.embed_dim == config.dim or name not in ("embed.weight", "head.weight")
    return name.startswith("blocks.") and f".{BY_BLOCK.get(granularity, '')}" in name


def _sums(config: ModelConfig, granularity: str, parts: dict[str, Tensor]) -> list[Tensor]:
    if granularity == "width":
        return [sum(own.sum(1 if name.endswith(WRITERS) else 0) for name, own in parts.items())]
    blocks = [
        {name.split(".", 2)[2]: own for name, own in parts.items() if name.startswith(f"blocks.{i}.")}
        for i in range(config.n_layers)
    ]
    if granularity == "layer":
        return [torch.stack([sum(own.sum() for own in block.values()) for block in blocks])]
    sums = []
    for i, block in enumerate(blocks):
        if granularity == "neuron":
            columns = block["ffn.down.weight"].sum(0)
            sums.append(block["ffn.up.weight"].sum(1).view(-1, len(columns)).sum(0) + columns)
            continue
        H, K = config.of_block(i).n_heads, config.of_block(i).n_kv_heads
        queries, keys, values = block["attention.qkv.weight"].sum(1).view(H + 2 * K, -1).sum(1).split((H, K, K))
        columns = block["attention.out.weight"].sum(0).view(K, -1).sum(1)
        sums.append(queries.view(K, -1).sum(1) + keys + values + columns)
    return sums


def prune_structured(
    model: Transformer,
    amount: float | dict[str, float],
    *,
    granularity: str,
    importance: str = "l2",
    scope: str = "uniform",
    calibration: Calibration | None = None,
    gradients: dict[str, Tensor] | None = None,
    seed: int = 0,
) -> Structure:
    """What stays without the `amount` of least important neurons, heads, channels or layers; `model` stays as it is.

    Of n groups round(amount * n) go: of every block (scope "uniform"), or of all blocks in one ranking ("global"), in
    which the best of each block always stays. A dict gives single blocks their amounts, "blocks.3.ffn" of neurons and
    "blocks.3.attention" of heads. What a larger amount keeps, a smaller one keeps too. A width stays a multiple of
    n_heads where it was one, for `transformers` opens no other.

    `shrink(model, structure)` makes the smaller model, `masked` its twin with zeros.

    Raises:
        ValueError: what `group_scores` refuses, an amount outside [0, 1), one that removes the last of anything, a dict
            that names no part of the model, or a scope that the granularity does not have.
    """
    if granularity not in STRUCTURES:
        raise ValueError(f"granularity={granularity!r}: {advice(granularity, STRUCTURES)}")
    require_dense(model)
    scopes = ("uniform", "global") if granularity in BY_BLOCK and not isinstance(amount, dict) else ("uniform",)
    if scope not in scopes:
        raise ValueError(f"scope={scope!r} with amount={amount} of a {granularity}: choose {' or '.join(scopes)}")
    amounts = _by_block(model, amount, granularity)
    own = group_scores(model, granularity, importance, calibration=calibration, gradients=gradients, seed=seed)
    if scope == "global":
        kept = _globally(own, amount, granularity)
    else:
        step = model.config.n_heads if granularity == "width" and model.config.dim % model.config.n_heads == 0 else 1
        kept = tuple(_keep(one, share, granularity, step) for one, share in zip(own, amounts, strict=True))
    whole = Structure.whole(model.config)
    if granularity in BY_BLOCK:
        return replace(whole, **{{"neuron": "neurons", "head": "kv_heads"}[granularity]: kept})
    return replace(whole, width=kept[0]) if granularity == "width" else replace(whole, layers=tuple(kept[0].tolist()))


def _by_block(model: Transformer, amount: float | dict[str, float], granularity: str) -> list[float]:
    """The amount of each block; of "width" and "layer" a single one."""
    if not isinstance(amount, dict):
        check_amount(amount)
        return [amount] * (model.config.n_layers if granularity in BY_BLOCK else 1)
    if granularity not in BY_BLOCK:
        raise ValueError(f"amounts by block of a {granularity}: give one amount for all")
    names = [f"blocks.{i}.{BY_BLOCK[granularity]}" for i in range(model.config.n_layers)]
    for name, own in amount.items():
        if name not in names:
            raise ValueError(f"amount for {name!r} of a {granularity}: give {names[0]} to {names[-1]}")
        check_amount(own)
    return [amount.get(name, 0.0) for name in names]


def _keep(scores: Tensor, amount: float, granularity: str, step: int) -> Tensor:
    """Ascending indices of the highest scores, a multiple of `step` of them; of equal scores the last stay."""
    n = len(scores)
    kept = step * round((n - round(amount * n)) / step)
    if not kept:
        raise ValueError(f"amount={amount} of granularity={granularity!r} removes all {n}: choose less")
    return scores.sort(stable=True).indices[n - kept :].sort().values.cpu()


def _globally(scores: tuple[Tensor, ...], amount: float, granularity: str) -> tuple[Tensor, ...]:
    everything = torch.cat(scores)
    sizes = [len(own) for own in scores]
    for own in everything.split(sizes):
        own[own.argmax()] = torch.inf  # the best of each block stays
    n = round(amount * len(everything))
    if n > len(everything) - len(scores):
        raise ValueError(f"amount={amount} of granularity={granularity!r} empties a block: choose less")
    keep = torch.ones_like(everything, dtype=torch.bool)
    keep[everything.sort(stable=True).indices[:n]] = False
    return tuple(part.nonzero()[:, 0].cpu() for part in keep.split(sizes))
