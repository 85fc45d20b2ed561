"""Footprint of a shape before it exists: parameters, weight bytes, operations and KV bytes per token.

Plain arithmetic on a `ModelConfig`, cheap enough for every move of a slider; the tests hold each formula
against the built model.
"""

import math

from mobilellm_lab.model import ModelConfig, execution_order


def parameters_by_part(config: ModelConfig) -> dict[str, int]:
    """Stored weights in `embedding` (with the output layer), `attention`, `ffn` and `norms`.

    A shared block is stored, and counted, once.
    """
    tables = 1 if config.tie_embeddings else 2
    factors = 2 * config.embed_dim * config.dim if config.embed_dim != config.dim else 0
    return {
        "embedding": tables * config.vocab_size * config.embed_dim + factors,
        "attention": sum(_attention_weights(config.of_block(i)) for i in range(config.n_layers)),
        "ffn": sum(_ffn_weights(config.of_block(i)) for i in range(config.n_layers)),
        "norms": (2 * config.n_layers + 1) * config.dim,
    }


def parameters(config: ModelConfig) -> int:
    """Stored weights in all."""
    return sum(parameters_by_part(config).values())


def weight_bytes(config: ModelConfig, *, bits_per_weight: int | float = 16) -> int:
    """Bytes of all weights; a grid with scales has a broken number of bits (int4, fp16 scale per 32: 4.5)."""
    if not (math.isfinite(bits_per_weight) and bits_per_weight > 0):
        raise ValueError(f"bits_per_weight={bits_per_weight}: must be a positive number")
    return math.ceil(parameters(config) * bits_per_weight / 8)


def flops_per_token(config: ModelConfig, *, context: int) -> int:
    """Operations (2 per multiply-add) in the matrix products of one token that attends to `context` positions.

    Norms, softmax, RoPE and activations are left out, as in the field. A decoded token sees itself and its past:
    `context` = position + 1. A prompt of T tokens costs T times the value at context = T if the masked half is
    computed too (so counts `torch.utils.flop_counter`), and about T times that at T / 2 if it is skipped.
    """
    if context < 1:
        raise ValueError(f"context={context}: a token sees at least itself, give 1 or more")
    layers = 0
    for block in map(config.of_block, execution_order(config)):
        attend = 2 * block.n_heads * block.head_dim * context  # q.k and weights.v
        layers += _attention_weights(block) + _ffn_weights(block) + attend
    head = config.vocab_size * config.embed_dim
    factors = 2 * config.embed_dim * config.dim if config.embed_dim != config.dim else 0
    return 2 * (layers + factors + head)


def kv_bytes_per_token(config: ModelConfig, *, bytes_per_value: int | float = 2) -> int:
    """Bytes that each position adds to the KV cache; every *executed* layer keeps its own keys and values."""
    if not (math.isfinite(bytes_per_value) and bytes_per_value > 0):
        raise ValueError(f"bytes_per_value={bytes_per_value}: must be a positive number")
    heads = sum(config.of_block(stored).n_kv_heads for stored in execution_order(config))
    return math.ceil(2 * heads * config.head_dim * bytes_per_value)


def _attention_weights(config: ModelConfig) -> int:
    return config.dim * config.head_dim * 2 * (config.n_heads + config.n_kv_heads)  # q and out, k and v


def _ffn_weights(config: ModelConfig) -> int:
    return config.dim * config.hidden_dim * (3 if config.ffn == "swiglu" else 2)
