"""Memory check before a model is built: weights, KV cache and activations"""

from dataclasses import dataclass

from mobilellm_lab.measuring.columns import Theoretical, theoretical_kv, theoretical_weights
from mobilellm_lab.memory_limits import available_memory
from mobilellm_lab.model import ModelConfig

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """Memory that a model needs, by formula, and memory that is available."""

    weights: Theoretical
    kv: Theoretical
    activations: Theoretical  # during prefill
    available_bytes: int
    limit: str = ""  # its origin: "MEM_LIMIT", the container, ...

    @property
    def total(self) -> Theoretical:
        return self.weights + self.kv + self.activations

    @property
    def fits(self) -> bool:
        return self.total.bytes <= self.available_bytes

    def __str__(self) -> str:
        parts = {"weights": self.weights, "KV cache": self.kv, "activations": self.activations}
        sum_of = " + ".join(f"{name} {part.mib:,.1f}" for name, part in parts.items())
        limit = f" (limit: {self.limit})" if self.limit else ""
        return f"{sum_of} = {self.total.mib:,.1f} MiB of {self.available_bytes / MIB:,.1f} MiB available{limit}"


def activation_bytes(config: ModelConfig, *, tokens: int, batch: int = 1, bytes_per_value: int | float = 4) -> int:
    """Bytes alive at once during prefill of `tokens` positions, at the widest place of our block.

    That is either inside a feed-forward layer (residual stream, its norm, gate and up joined, and their product) or
    at the end (last norm and the logits of every position). Attention's scores are never stored: the kernel of
    `scaled_dot_product_attention` keeps a running sum. The operating system sees up to half as much again, because
    the allocator keeps some of what was freed (tests/measuring/test_fit.py turns that off).

    Raises:
        ValueError: fewer than 1 token or sequence.
    """
    if tokens < 1 or batch < 1:
        raise ValueError(f"tokens={tokens}, batch={batch}: give at least 1 position of 1 sequence")
    joined = 2 if config.ffn == "swiglu" else 1
    inside = 2 * config.dim + (joined + 2) * config.hidden_dim
    heads = 2 * config.dim + 3 * config.head_dim * (config.n_heads + 2 * config.n_kv_heads)
    end = 2 * config.dim + config.vocab_size
    return int(batch * tokens * max(inside, heads, end) * bytes_per_value)


def require_memory(
    config: ModelConfig,
    *,
    context: int,
    batch: int = 1,
    bits_per_weight: int | float = 32,
    bits_per_value: int | float = 32,
    available_bytes: int | None = None,
) -> MemoryNeed:
    """Memory need of this shape at this context, if it fits; call it before the model is built.

    `bits_per_value` is of KV cache and activations. `available_bytes` of None is the memory available now without
    swapping, on this machine, in its container and under MEM_LIMIT.

    Raises:
        ValueError: it does not fit, with the sum that shows why and what to change; a negative context.
    """
    limit = ""
    if available_bytes is None:
        least = available_memory()
        available_bytes, limit = least.available_bytes, least.name
    need = MemoryNeed(
        weights=theoretical_weights(config, bits_per_weight=bits_per_weight),
        kv=theoretical_kv(config, context=context, batch=batch, bits_per_value=bits_per_value),
        activations=Theoretical(
            bytes=activation_bytes(config, tokens=max(1, context), batch=batch, bytes_per_value=bits_per_value / 8)
        ),
        available_bytes=available_bytes,
        limit=limit,
    )
    if not need.fits:
        parts = {"weights": need.weights, "KV cache": need.kv, "activations": need.activations}
        remedy = {
            "weights": "choose a smaller model or fewer bits per weight",
            "KV cache": "shorten the context or the batch",
            "activations": "shorten the context or the batch",
        }[max(parts, key=parts.get)]
        raise ValueError(f"Cannot fit the model into memory: {need}; {remedy}")
    return need
