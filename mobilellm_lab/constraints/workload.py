"""Workload: bytes stored, bytes read per decode step, operations"""

import math
from dataclasses import dataclass

from mobilellm_lab import footprint
from mobilellm_lab.model import ModelConfig, execution_order

ACTIVATION_BYTES = 4  # of one value; runtimes compute in 32 or 16 bits whatever the weights have


def kv_cache_bytes(
    config: ModelConfig,
    *,
    context: int,
    batch: int = 1,
    kv_bits: int | float = 16,
    window: int = 0,
    window_layers: int = 0,
) -> int:
    """Bytes of keys and values of `batch` sequences of `context` positions.

    Of the executed layers, `window_layers` keep the last `window` positions only (sliding-window attention).

    Raises:
        ValueError: a number out of range.
    """
    layers = len(execution_order(config))
    for name, value, least in (("context", context, 0), ("batch", batch, 1), ("window", window, 0)):
        if value < least:
            raise ValueError(f"{name}={value}: must be at least {least}")
    if not 0 <= window_layers <= layers:
        raise ValueError(f"window_layers={window_layers}: the model runs {layers} layers, choose 0 to {layers}")
    if window_layers and not window:
        raise ValueError(f"window=0 with window_layers={window_layers}: say how many positions these layers keep")
    if window_layers and config.kv_heads:
        raise ValueError(
            f"window_layers={window_layers} with kv_heads={config.kv_heads}: their layers differ in size, choose 0"
        )
    per_layer = footprint.kv_bytes_per_token(config, bytes_per_value=kv_bits / 8) / layers
    positions = (layers - window_layers) * context + window_layers * min(context, window)
    return math.ceil(batch * per_layer * positions)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A model with its bits, context and batch. Norms and activations stay in floating point; their share is small.

    Raises:
        ValueError: a field out of range; names it, its value and the remedy.
    """

    config: ModelConfig
    bits_per_weight: int | float = 16  # a grid with scales has a broken number: int4, fp16 scale per 32: 4.5
    table_bits: int | float = 0  # of the embedding table and the output layer; 0 means as the other weights
    kv_bits: int | float = 16
    context: int = 512  # positions in the KV cache
    batch: int = 1  # sequences that decode together
    window: int = 0  # positions that a sliding-window layer keeps
    window_layers: int = 0  # how many executed layers are such

    def __post_init__(self) -> None:
        for name in ("bits_per_weight", "kv_bits"):
            if not 0 < getattr(self, name) <= 64:
                raise ValueError(f"{name}={getattr(self, name)}: must be above 0 and at most 64")
        if not 0 <= self.table_bits <= 64:
            raise ValueError(f"table_bits={self.table_bits}: must be at most 64, or 0 for bits_per_weight")
        if self.context < 1:
            raise ValueError(f"context={self.context}: a token sees at least itself, give 1 or more")
        self.kv_bytes  # noqa: B018 - checks batch and window

    @property
    def parameters(self) -> int:
        return footprint.parameters(self.config)

    @property
    def weight_bytes(self) -> int:
        """Bytes of everything that is stored."""
        table = footprint.parameters_by_part(self.config)["embedding"]
        bits = table * (self.table_bits or self.bits_per_weight) + (self.parameters - table) * self.bits_per_weight
        return math.ceil(bits / 8)

    @property
    def kv_bytes(self) -> int:
        """Bytes of the KV cache of all sequences at `context` positions."""
        return kv_cache_bytes(
            self.config,
            context=self.context,
            batch=self.batch,
            kv_bits=self.kv_bits,
            window=self.window,
            window_layers=self.window_layers,
        )

    @property
    def activation_bytes(self) -> int:
        """Bytes of the values alive at once while one token of each sequence is computed, an upper bound.

        One layer at a time: residual stream and its norm (2 D), queries, keys and values, the attention weights over
        the context (H * context), the feed-forward layer (3 FFN for a gated one), and at the end the logits (V).
        """
        c = self.config
        qkv = (c.n_heads + 2 * c.n_kv_heads) * c.head_dim
        ffn = (3 if c.ffn == "swiglu" else 2) * c.hidden_dim
        widest = max(2 * c.dim + max(qkv + c.n_heads * self.context, ffn), 2 * c.dim + c.vocab_size)
        return self.batch * widest * ACTIVATION_BYTES

    @property
    def total_bytes(self) -> int:
        """Bytes that must lie in memory: weights, KV cache, activations."""
        return self.weight_bytes + self.kv_bytes + self.activation_bytes

    @property
    def read_bytes(self) -> int:
        """Bytes read from memory for one decode step of the whole batch: the weights once, the KV cache once.

        A table for the input alone is not read, only the rows of the batch. A block that runs twice in a row is read
        once, as the paper measured; one that runs again after all the others has left the cache by then.
        """
        parts = footprint.parameters_by_part(self.config)
        c, table_bits = self.config, self.table_bits or self.bits_per_weight
        table = c.vocab_size * c.embed_dim  # the output layer's; with tied embeddings the only one
        factors = parts["embedding"] - (1 if c.tie_embeddings else 2) * table
        rows = 0 if c.tie_embeddings else min(self.batch, c.vocab_size) * c.embed_dim
        again = 2 if c.sharing in ("repeat", "reverse") else 1
        blocks = again * (parts["attention"] + parts["ffn"]) + parts["norms"]
        weight_bits = (table + factors + rows) * table_bits + blocks * self.bits_per_weight
        return math.ceil(weight_bits / 8) + self.kv_bytes

    @property
    def operations(self) -> int:
        """Operations (2 per multiply-add) of one decode step of the whole batch."""
        return self.batch * footprint.flops_per_token(self.config, context=self.context)

    @property
    def prefill_bytes(self) -> int:
        """Bytes moved by the prefill of `context` tokens: the weights are read once, the KV cache is written once."""
        return self.read_bytes

    @property
    def prefill_operations(self) -> int:
        """Operations of the prefill; a token attends to half of the prompt on average, only the last gets logits."""
        per_token = footprint.flops_per_token(self.config, context=math.ceil(self.context / 2))
        head = 2 * self.config.vocab_size * self.config.embed_dim
        return self.batch * (self.context * (per_token - head) + head)
