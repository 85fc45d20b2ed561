"""Decoder of the Llama family: RMSNorm, RoPE, GQA, SwiGLU, tied embeddings, layer sharing, KV cache

Shape letters, used in every signature of the package:
B batch, T time, D dim, H query heads, K key/value heads, Dh head dim, V vocabulary.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mobilellm_lab.decoding import decoder
from mobilellm_lab.token_ids import check_tokens

SHARING = ("none", "immediate", "repeat", "reverse")
FFN = ("swiglu", "relu")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of one decoder. Sizes carry Llama's names.

    A field that comes later is `stored.added(default)`: checkpoints and rows of before are still found.

    Raises:
        ValueError: a shape that cannot be built; names the field, its value and a remedy.
    """

    vocab_size: int  # rows of the embedding table
    dim: int  # width of the residual stream
    n_layers: int  # blocks that are stored; sharing may execute each of them twice
    n_heads: int  # query heads
    n_kv_heads: int  # key/value heads: n_heads is MHA, 1 is MQA, anything between is GQA
    hidden_dim: int  # width of the feed-forward layer
    head_dim: int = 0  # width of one head; 0 means dim / n_heads
    max_seq_len: int = 2048  # positions for which RoPE tables are made
    ffn: str = "swiglu"  # "swiglu" (gate, up, down) or the vanilla "relu" (up, down)
    tie_embeddings: bool = True  # the output layer is the embedding table
    embed_dim: int = 0  # width of a factorised embedding table; 0 means dim, not factorised
    sharing: str = "none"  # which blocks run twice: see `execution_order`
    rope_theta: float = 10000.0  # base of the RoPE wavelengths
    norm_eps: float = 1e-5  # keeps RMSNorm finite at zero

    def __post_init__(self) -> None:
        for field in ("vocab_size", "dim", "n_layers", "n_heads", "n_kv_heads", "hidden_dim", "max_seq_len"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}={getattr(self, field)}: must be at least 1")
        if self.head_dim == 0:
            if self.dim % self.n_heads:
                raise ValueError(
                    f"n_heads={self.n_heads} does not divide dim={self.dim}: "
                    f"choose a divisor of {self.dim}, or give head_dim explicitly"
                )
            object.__setattr__(self, "head_dim", self.dim // self.n_heads)
        if self.head_dim < 2 or self.head_dim % 2:
            raise ValueError(f"head_dim={self.head_dim}: RoPE turns pairs of channels, choose an even number")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_kv_heads={self.n_kv_heads} does not divide n_heads={self.n_heads}: "
                f"each key/value head serves the same number of query heads, choose a divisor of {self.n_heads}"
            )
        if self.embed_dim == 0:
            object.__setattr__(self, "embed_dim", self.dim)
        if self.embed_dim < 1:
            raise ValueError(f"embed_dim={self.embed_dim}: must be at least 1, or 0 for dim")
        for field, allowed in (("ffn", FFN), ("sharing", SHARING)):
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field}={getattr(self, field)!r}: choose one of {', '.join(allowed)}")
        for field in ("rope_theta", "norm_eps"):
            if not (math.isfinite(getattr(self, field)) and getattr(self, field) > 0):
                raise ValueError(f"{field}={getattr(self, field)}: must be a positive number")

    def resized(self, **changes) -> "ModelConfig":
        """This shape with other sizes; head and table widths that followed from the old ones follow the new ones.

        `dataclasses.replace` would keep them, and with a new `dim` build a factorised table.
        """
        if "head_dim" not in changes and self.head_dim * self.n_heads == self.dim:
            changes["head_dim"] = 0
        if "embed_dim" not in changes and self.embed_dim == self.dim:
            changes["embed_dim"] = 0
        return replace(self, **changes)


def execution_order(config: ModelConfig) -> list[int]:
    """The stored block that runs at each executed layer.

    Source: MobileLLM (arXiv 2402.14905), section 2.3: immediate block-wise `0 0 1 1`, repeat-all-over
    `0 1 0 1`, reverse `0 1 1 0`.
    """
    once = list(range(config.n_layers))
    return {
        "none": once,
        "immediate": [i for i in once for _ in range(2)],
        "repeat": once + once,
        "reverse": once + once[::-1],
    }[config.sharing]


class KVCache:
    """Keys and values of every executed layer, allocated once; `length` positions are filled."""

    def __init__(self, config: ModelConfig, *, batch_size: int = 1, max_len: int = 0, device="cpu", dtype=None):
        max_len = max_len or config.max_seq_len
        if max_len > config.max_seq_len:
            raise ValueError(f"max_len={max_len} is beyond max_seq_len={config.max_seq_len}: ask for less")
        # A shared block sees different inputs at its two executions, so each execution has its own entry.
        shape = (len(execution_order(config)), batch_size, 2 * config.n_kv_heads, max_len, config.head_dim)
        self.kv = torch.zeros(shape, device=device, dtype=dtype)  # side by side, so that one copy writes both
        self.n_kv_heads, self.batch_size, self.length = config.n_kv_heads, batch_size, 0

    def update(self, layer: int, k: Float[Tensor, "B K T Dh"], v: Float[Tensor, "B K T Dh"]) -> tuple[Tensor, Tensor]:
        """All keys and values of a layer, these ones added behind `length`, which moves when all layers have them."""
        end = self.length + k.shape[2]
        self.k[layer, :, :, self.length : end] = k
        self.v[layer, :, :, self.length : end] = v
        return self.k[layer, :, :, :end], self.v[layer, :, :, :end]

    @property
    def k(self) -> Float[Tensor, "layers B K T Dh"]:
        return self.kv[:, :, : self.n_kv_heads]

    @property
    def v(self) -> Float[Tensor, "layers B K T Dh"]:
        return self.kv[:, :, self.n_kv_heads :]

    @property
    def max_len(self) -> int:
        return self.kv.shape[3]

    @property
    def nbytes(self) -> int:
        return self.kv.nbytes


class RMSNorm(nn.Module):
    """`x / rms(x) * weight`. Source: arXiv 1910.07467."""

    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rope_tables(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """(cos, sin) of shape (max_seq_len, 1, Dh); sin carries the sign of the rotation. Source: arXiv 2104.09864.

    Equal to those of transformers bit for bit (tests/test_model.py).
    """
    # Not theta ** -x: its last bit differs, and a position in the thousands multiplies that error.
    inverse_wavelength = 1 / config.rope_theta ** (torch.arange(0, config.head_dim, 2) / config.head_dim)
    angle = torch.outer(torch.arange(config.max_seq_len), inverse_wavelength)[:, None]  # (T, 1, Dh/2)
    return torch.cat((angle, angle), -1).cos(), torch.cat((-angle, angle), -1).sin()


def rotate(x: Float[Tensor, "B T h Dh"], cos: Tensor, sin: Tensor) -> Float[Tensor, "B T h Dh"]:
    """x with channel i and i + Dh/2 of every head turned by the angle of their position."""
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin


class Attention(nn.Module):
    """Causal grouped-query attention. Source: arXiv 2305.13245."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = config.n_heads, config.n_kv_heads, config.head_dim
        # One matrix for queries, keys and values: on small models the time goes to starting operations.
        self.qkv = nn.Linear(config.dim, (config.n_heads + 2 * config.n_kv_heads) * config.head_dim, bias=False)
        self.out = nn.Linear(config.n_heads * config.head_dim, config.dim, bias=False)

    def forward(
        self, x: Float[Tensor, "B T D"], cos: Tensor, sin: Tensor, cache: KVCache | None = None, layer: int = 0
    ) -> Float[Tensor, "B T D"]:
        B, T, _ = x.shape
        H, K, Dh = self.n_heads, self.n_kv_heads, self.head_dim
        qkv = self.qkv(x).view(B, T, H + 2 * K, Dh)
        qk, v = qkv.split((H + K, K), 2)  # not slices: their gradients would each fill a whole qkv
        q, k = rotate(qk, cos, sin).split((H, K), 2)  # (B, T, H, Dh), (B, T, K, Dh)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, h, T, Dh)
        mask, start = None, 0
        if cache is not None:
            start = cache.length
            k, v = cache.update(layer, k, v)  # (B, K, start + T, Dh)
        if start:
            mask = torch.ones(T, start + T, dtype=torch.bool, device=x.device).tril(start)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=not start, enable_gqa=True)
        return self.out(y.transpose(1, 2).reshape(B, T, H * Dh))


class FeedForward(nn.Module):
    """`down(silu(gate x) * up x)`, or `down(relu(up x))`. Source: arXiv 2002.05202."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.gated = config.ffn == "swiglu"
        self.up = nn.Linear(config.dim, config.hidden_dim * (1 + self.gated), bias=False)  # gate rows, then up rows
        self.down = nn.Linear(config.hidden_dim, config.dim, bias=False)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        if not self.gated:
            return self.down(F.relu(self.up(x)))
        gate, up = self.up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    """Attention, then feed-forward, each behind its norm and added to the residual stream."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.attention_norm = RMSNorm(config.dim, config.norm_eps)
        self.attention = Attention(config)
        self.ffn_norm = RMSNorm(config.dim, config.norm_eps)
        self.ffn = FeedForward(config)

    def forward(self, x: Float[Tensor, "B T D"], cos, sin, cache=None, layer=0) -> Float[Tensor, "B T D"]:
        x = x + self.attention(self.attention_norm(x), cos, sin, cache, layer)
        return x + self.ffn(self.ffn_norm(x))


class Transformer(nn.Module):
    """A MobileLLM decoder: tokens (B, T) in, logits (B, T, V) out."""

    def __init__(self, config: ModelConfig, *, seed: int = 0):
        super().__init__()
        self.config = config
        self.order = execution_order(config)
        with torch.random.fork_rng(devices=[]):  # torch's layers draw their own first weights; ours replace them
            self.embed = nn.Embedding(config.vocab_size, config.embed_dim)
            if config.embed_dim != config.dim:  # a factorised table: V x E, then E x D and back
                self.embed_in = nn.Linear(config.embed_dim, config.dim, bias=False)
                self.embed_out = nn.Linear(config.dim, config.embed_dim, bias=False)
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
            self.norm = RMSNorm(config.dim, config.norm_eps)
            if not config.tie_embeddings:
                self.head = nn.Linear(config.embed_dim, config.vocab_size, bias=False)
        cos, sin = rope_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        if self.embed.weight.device.type != "meta":
            self.initialise(seed)

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Draws every matrix anew from `seed`: normal, 1 / sqrt(inputs), and smaller where a block writes."""
        generator = torch.Generator().manual_seed(seed)
        for name, p in self.named_parameters():
            if p.ndim == 1:
                p.fill_(1)
                continue
            std = p.shape[1] ** -0.5
            if name.endswith(("out.weight", "down.weight")):
                std /= (2 * len(self.order)) ** 0.5  # so that the residual stream keeps its size at any depth
            p.copy_(torch.randn(p.shape, generator=generator) * std)

    def forward(self, tokens: Int[Tensor, "B T"], cache: KVCache | None = None) -> Float[Tensor, "B T V"]:
        """Logits. With a cache, `tokens` continue what the cache holds, and are added to it.

        Raises:
            ValueError: tokens that are not (B, T), do not fit into the positions, or are not in the vocabulary.
        """
        start, T = (cache.length if cache is not None else 0), tokens.shape[-1]
        limit = cache.max_len if cache is not None else self.config.max_seq_len
        if start + T > limit:
            raise ValueError(f"{start + T} tokens do not fit in {limit}: shorten the text or raise the limit")
        try:
            x = self.embed(tokens)
            _, T, _ = x.shape
        except (IndexError, RuntimeError, ValueError):
            check_tokens(tokens, self.config.vocab_size)  # afterwards: a good step pays nothing
            raise
        if self.config.embed_dim != self.config.dim:
            x = self.embed_in(x)
        cos, sin = self.cos[start : start + T], self.sin[start : start + T]
        for layer, stored in enumerate(self.order):
            x = self.blocks[stored](x, cos, sin, cache, layer)
        if cache is not None:
            cache.length += T
        x = self.norm(x)
        if self.config.embed_dim != self.config.dim:
            x = self.embed_out(x)
        return F.linear(x, self.embed.weight) if self.config.tie_embeddings else self.head(x)


def _is_stock(model: Transformer) -> bool:
    """True where every block is as this page builds it; a block that was changed or has hooks is run as it is."""
    sizes = (model.config.n_heads, model.config.n_kv_heads, model.config.head_dim)
    for block in model.blocks:
        parts = (block, block.attention_norm, block.attention, block.ffn_norm, block.ffn)
        if tuple(type(part) for part in parts) != (Block, RMSNorm, Attention, RMSNorm, FeedForward):
            return False
        if (block.attention.n_heads, block.attention.n_kv_heads, block.attention.head_dim) != sizes:
            return False
        if any(part._forward_hooks or part._forward_pre_hooks for part in parts):
            return False
    return type(model.norm) is RMSNorm and not (model.norm._forward_hooks or model.norm._forward_pre_hooks)


def generate(
    model: Transformer,
    prompt: Int[Tensor, "B T"],
    max_new_tokens: int,
    *,
    temperature: float = 0.0,
    top_k: int = 0,
    seed: int = 0,
    cache: KVCache | None = None,
) -> Iterator[Int[Tensor, " B"]]:
    """Yields the next token of each sequence, one step at a time; temperature 0 takes the most likely.

    A `cache` of your own, for B sequences, may be of another kind, and the prompt continues what it holds. Steps are
    faster on a large model that `layout.for_decoding` has been called on.

    Raises:
        ValueError: a prompt that is not (B, T) ids of the vocabulary, an empty one, one that leaves no room for
            `max_new_tokens`, a negative temperature, or a cache for another number of sequences.
    """
    check_tokens(prompt, model.config.vocab_size, name="prompt")
    B, T = prompt.shape
    room = (model.config.max_seq_len if cache is None else cache.max_len - cache.length) - T
    if T < 1 or not 0 <= max_new_tokens <= room:
        raise ValueError(f"prompt of {T} tokens and max_new_tokens={max_new_tokens}: give 1 token, ask for 0..{room}")
    if temperature < 0 or top_k < 0:
        raise ValueError(f"temperature={temperature}, top_k={top_k}: neither can be negative")
    weight = model.norm.weight  # of the right device and type; the table may be packed
    if cache is None:
        length = T + max_new_tokens
        cache = KVCache(model.config, batch_size=B, max_len=length, device=weight.device, dtype=weight.dtype)
    elif cache.batch_size != B:
        raise ValueError(f"batch_size={cache.batch_size} of the cache: the prompt has {B} sequences, make one for {B}")
    generator = torch.Generator(weight.device).manual_seed(seed)
    tokens, step, fast = prompt, None, type(cache) is KVCache and _is_stock(model)
    for _ in range(max_new_tokens):
        with torch.inference_mode():  # closed at every yield: the caller's own mode is not touched
            if step is None or not fast:
                logits = model(tokens, cache)[:, -1]  # (B, V)
                step = decoder(model, cache) if fast else step
            else:
                logits = step(tokens)
            if temperature == 0:
                tokens = logits.argmax(-1, keepdim=True)
            else:
                if 0 < top_k < logits.shape[-1]:
                    logits = logits.masked_fill(logits < logits.topk(top_k).values[:, -1:], -math.inf)
                tokens = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)  # (B, 1)
        yield tokens[:, 0]
