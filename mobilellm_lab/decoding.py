"""Single-token decode step as a flat list of operations, for low dispatch overhead"""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


def decoder(model: nn.Module, cache) -> Callable[[Int[Tensor, "B 1"]], Float[Tensor, "B V"]]:
    """A function from the newest token to the next logits: `model(tokens, cache)[:, -1]` of a `Transformer`, faster.

    Lookups are done once, and operations are joined where possible: the norm's factors, the rotation of queries, keys
    and (by zero) values, the two stores to the cache. A layer that is no plain Linear or Embedding, or has hooks, is
    called unchanged; blocks must be the model's own. Logits within 1e-5 of the model's (tests/test_model.py).
    """
    config, like = model.config, model.norm.weight  # of the right device and type; the table may be packed
    Dh = config.head_dim

    def plain(layer: nn.Module, kind: type[nn.Module]) -> bool:
        return type(layer) is kind and not layer._forward_hooks and not layer._forward_pre_hooks

    def linear(layer: nn.Module) -> Callable[[Tensor], Tensor]:
        simple = plain(layer, nn.Linear) and layer.bias is None
        return (lambda x, weight=layer.weight: F.linear(x, weight)) if simple else layer

    root = config.dim**0.5
    least = torch.full((), (config.norm_eps * config.dim) ** 0.5, device=like.device, dtype=like.dtype)

    def norm(layer: nn.Module) -> Callable[[Tensor], Tensor]:
        weight = layer.weight * root
        # |x| and eps by one operation each; `F.rms_norm` takes six, and twice as long
        return lambda x: x / torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), least) * weight

    @functools.cache  # once for all blocks with as many heads
    def turns(H: int, K: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        still = torch.ones(cache.max_len, K, Dh, device=like.device, dtype=like.dtype)  # values do not turn
        cos = torch.cat((model.cos[: cache.max_len].expand(-1, H + K, -1), still), 1)
        sin = torch.cat((model.sin[: cache.max_len].expand(-1, H + K, -1), 0 * still), 1)
        return cos.unbind(), sin.unbind()  # (H + 2K, Dh) each

    layers = []
    for i, stored in enumerate(model.order):
        block = model.blocks[stored]
        a, f = block.attention, block.ffn
        layers.append(
            (
                (a.n_heads, a.n_kv_heads, *turns(a.n_heads, a.n_kv_heads)),
                cache.of_layer(i),
                norm(block.attention_norm),
                linear(a.qkv),
                linear(a.out),
                norm(block.ffn_norm),
                linear(f.up),
                linear(f.down),
            )
        )
    final = norm(model.norm)
    if plain(model.embed, nn.Embedding):
        table = model.embed.weight
        embed, tied = (lambda tokens: F.embedding(tokens, table)), (lambda x: F.linear(x, table))
    else:  # its weight may be made at each use
        embed, tied = model.embed, (lambda x: F.linear(x, model.embed.weight))
    head = tied if config.tie_embeddings else linear(model.head)
    factorised = config.embed_dim != config.dim
    gated = config.ffn == "swiglu"

    def step(tokens: Int[Tensor, "B 1"]) -> Float[Tensor, "B V"]:
        B, t = tokens.shape[0], cache.length
        x = embed(tokens[:, 0])  # (B, D)
        if factorised:
            x = model.embed_in(x)
        for (H, K, cos, sin), kv, norm_1, qkv, out, norm_2, up, down in layers:
            z = qkv(norm_1(x)).view(B, H + 2 * K, Dh)
            q, new = torch.addcmul(z * cos[t], z.roll(Dh // 2, -1), sin[t]).split((H, 2 * K), 1)
            kv.select(2, t).copy_(new)
            k, v = kv.narrow(2, 0, t + 1).split(K, 1)  # (B, K, T, Dh)
            y = F.scaled_dot_product_attention(q.view(B, K, H // K, Dh), k, v)  # the queries of a group as time axis
            x = x + out(y.view(B, H * Dh))
            h = up(norm_2(x))
            if gated:
                gate, h = h.chunk(2, -1)
                h = F.silu(gate) * h
            else:
                h = F.relu(h)
            x = x + down(h)
        cache.length += 1
        x = final(x)
        return head(model.embed_out(x) if factorised else x)

    return step
