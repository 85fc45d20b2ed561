"""Decoder of the Llama family: RMSNorm, RoPE, GQA, SwiGLU, tied embeddings, layer sharing, KV cache

Shape letters, used in every signature of the package:
B batch, T time, D dim, H query heads, K key/value heads, Dh head dim, V vocabulary.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mobilellm_lab.decoding import decoder
from mobilellm_lab.stored import added
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
    hidden_dims: tuple[int, ...] = added(())  # hidden_dim of each stored block; empty where all are equal
    kv_heads: tuple[int, ...] = added(())  # n_kv_heads of each stored block, each with n_heads / n_kv_heads query heads

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
        self._normalise_blocks()

    def _normalise_blocks(self) -> None:
        """Checks the sizes of single blocks; `hidden_dim`, `n_kv_heads` and `n_heads` become those of the largest."""
        heads_share = self.n_heads // self.n_kv_heads
        for field, largest in (("hidden_dims", "hidden_dim"), ("kv_heads", "n_kv_heads")):
            sizes = getattr(self, field)
            if not sizes:
                continue
            if len(sizes) != self.n_layers:
                raise ValueError(
                    f"{field} has {len(sizes)} sizes for n_layers={self.n_layers}: give one for each block"
                )
            for block, size in enumerate(sizes):
                if not 1 <= size <= getattr(self, largest):
                    raise ValueError(f"{field}={size} in block {block}: choose 1 to {largest}={getattr(self, largest)}")
            object.__setattr__(self, largest, max(sizes))
            object.__setattr__(self, field, sizes if len(set(sizes)) > 1 else ())
        object.__setattr__(self, "n_heads", heads_share * self.n_kv_heads)

    def of_block(self, block: int) -> "ModelConfig":
        """This shape with the sizes of one stored block in all of them."""
        if not (self.hidden_dims or self.kv_heads):
            return self
        kv_heads = self.kv_heads[block] if self.kv_heads else self.n_kv_heads
        return replace(
            self,
            n_heads=self.n_heads // self.n_kv_heads * kv_heads,
            n_kv_heads=kv_heads,
            hidden_dim=self.hidden_dims[block] if self.hidden_dims else self.hidden_dim,
            hidden_dims=(),
            kv_heads=(),
        )

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
        heads = [2 * config.of_block(stored).n_kv_heads for stored in execution_order(config)]
        self.shapes = [(batch_size, n, max_len, config.head_dim) for n in heads]  # of each layer
        self.starts = [0, *accumulate(map(math.prod, self.shapes))]
        self.kv = torch.zeros(self.starts[-1], device=device, dtype=dtype)  # of all layers
        self.max_len, self.batch_size, self.length = max_len, batch_size, 0

    def of_layer(self, layer: int) -> Float[Tensor, "B KV S Dh"]:
        """Room for keys, then values of a layer, side by side, so that one copy writes both."""
        return self.kv[self.starts[layer] : self.starts[layer + 1]].view(self.shapes[layer])

    def update(self, layer: int, k: Float[Tensor, "B K T Dh"], v: Float[Tensor, "B K T Dh"]) -> tuple[Tensor, Tensor]:
        """All keys and values of a layer, these ones added behind `length`, which moves when all layers have them."""
        start, end, K = self.length, self.length + k.shape[2], k.shape[1]
        kv = self.of_layer(layer)
        kv[:, :K, start:end] = k
        kv[:, K:, start:end] = v
        return kv[:, :K, :end], kv[:, K:, :end]

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
            self.blocks = nn.ModuleList(Block(config.of_block(i)) for i in range(config.n_layers))
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
    for i, block in enumerate(model.blocks):
        shape = model.config.of_block(i)
        parts = (block, block.attention_norm, block.attention, block.ffn_norm, block.ffn)
        if tuple(type(part) for part in parts) != (Block, RMSNorm, Attention, RMSNorm, FeedForward):
            return False
        sizes = (block.attention.n_heads, block.attention.n_kv_heads, block.attention.head_dim)
        if sizes != (shape.n_heads, shape.n_kv_heads, shape.head_dim):
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
