"""Injected outliers: a few channels made many times larger, and undone in the next matrix"""

import copy
import math

import torch

from mobilellm_lab.model import Transformer

KINDS = ("weights", "activations", "inputs")


@torch.no_grad()
def inject_outliers(
    model: Transformer, *, channels: int = 4, factor: int | float = 16, kind: str = "weights", seed: int = 0
) -> Transformer:
    """A copy with outliers in every block, and the same logits up to rounding (exactly, where factor is 2^k).

    - "weights": `channels` rows of every key head are divided by `factor`, and the rows of the queries that they meet
      multiplied by it. Whole rows of one matrix then differ `factor` squared times.
    - "activations": `channels` of what enters every `down` are `factor` times larger, by the rows of `up` that make
      them, and the columns of `down` that read them smaller. Trained models have such channels (LLM.int8, arXiv
      2208.07339; SmoothQuant, arXiv 2211.10438).
    - "inputs": `channels` of what enters every `qkv` and `up` are `factor` times larger, by the gains of the norm
      before them, and the columns that read them smaller.

    Raises:
        ValueError: an unknown kind, a factor below 1, or more channels than a head or the layer has.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
    if not (math.isfinite(factor) and factor >= 1):
        raise ValueError(f"factor={factor}: outliers are larger than they were, choose 1 or more")
    config = model.config
    # Position turns channels i and i + Dh/2 of a head into each other, so that both need the same factor.
    rooms = {"weights": config.head_dim // 2, "inputs": config.dim}
    room = rooms.get(kind, min(config.hidden_dims or (config.hidden_dim,)))
    most = 2 * room if kind == "weights" else room
    if not 1 <= channels <= most or (kind == "weights" and channels % 2):
        even = "an even number of " * (kind == "weights")
        raise ValueError(f"channels={channels}: choose {even}1 to {most} for outliers in {kind}")
    planted, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    for block in planted.blocks:
        if kind == "inputs":
            for norm, matrix in ((block.attention_norm, block.attention.qkv), (block.ffn_norm, block.ffn.up)):
                chosen = torch.randperm(room, generator=generator)[:channels]
                norm.weight[chosen] *= factor
                matrix.weight[:, chosen] /= factor
            continue
        chosen = torch.randperm(room, generator=generator)[: channels // 2 if kind == "weights" else channels]
        if kind == "activations":
            # of a gated layer, the rows that no gate bends
            block.ffn.up.weight[chosen - block.ffn.down.in_features] *= factor
            block.ffn.down.weight[:, chosen] /= factor
            continue
        heads = block.attention.qkv.weight.unflatten(0, (-1, config.head_dim))  # (H + 2K, Dh, D), queries first
        pair = torch.cat((chosen, chosen + room))
        queries, keys, _ = heads.tensor_split((block.attention.n_heads, -block.attention.n_kv_heads))
        queries[:, pair] *= factor
        keys[:, pair] /= factor
    return planted
