"""Memory and loss of a low-bit KV cache, by context length"""

from dataclasses import dataclass
from pathlib import Path

import torch

from mobilellm_lab.measuring.start import start
from mobilellm_lab.model import KVCache, ModelConfig
from mobilellm_lab.quantization.kv_cache import KEYS, QuantizedKVCache, WithCache, loss_by_position
from mobilellm_lab.quantization.study.recipe import FLOAT

CONTEXTS = (16, 32, 64, 128)  # positions; no longer than what the model was trained on
BATCHES, BATCH_SIZE = 4, 64


@dataclass(frozen=True, kw_only=True)
class Context:
    """A float model whose cache holds keys and values in few bits."""

    model: str = "stories-deep"
    kv_bits: int = 8  # 32 keeps them in float
    keys: str = "position"  # what shares a scale: see `QuantizedKVCache`


def contexts(model: str) -> list[Context]:
    """What is measured of a model: the cache in float first, then fewer bits with either kind of keys."""
    few = [Context(model=model, kv_bits=bits, keys=keys) for bits in (8, 4, 2) for keys in KEYS]
    return [Context(model=model, kv_bits=FLOAT), *few]


def cache_bytes(config: ModelConfig, recipe: Context, *, length: int) -> int:
    """Bytes of the cache of one sequence of so many positions, as it is allocated."""
    if recipe.kv_bits == FLOAT:
        return KVCache(config, max_len=length).kv.nbytes
    return QuantizedKVCache(config, bits=recipe.kv_bits, keys=recipe.keys, max_len=length).nbytes


def context_row(recipe: Context, *, folder: Path) -> dict:
    """Bytes, and loss over the second half of the context, at each length, as plain values."""
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    model, task = begin.model, begin.task
    answering = model if recipe.kv_bits == FLOAT else WithCache(model, bits=recipe.kv_bits, keys=recipe.keys)
    losses = loss_by_position(answering, task, batches=BATCHES, batch_size=BATCH_SIZE)
    contexts = [
        {
            "context": length,
            "bytes": cache_bytes(model.config, recipe, length=length),
            "loss_nats": round(losses[length // 2 : length].mean().item(), 6),
        }
        for length in CONTEXTS
        if length <= task.seq_len
    ]
    return {"contexts": contexts, "sequences": BATCHES * BATCH_SIZE, **begin.says("mobilellm-lab sweep quantization")}
