"""Hadamard rotation: spread an outlier over all channels, and leave the model's function as it is"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mobilellm_lab.checkpoints import assemble
from mobilellm_lab.model import Transformer

RESIDUES = (1, 3, 4, 5, 9)  # the squares modulo 11


def hadamard(n: int) -> Float[Tensor, "n n"]:
    """Entries +1 and -1 with H H^T = n I, for n = 2^k (Sylvester) and 12 * 2^k (Paley's of order 12, doubled).

    Raises:
        ValueError: another size.
    """
    if _largest_order(n) != n:
        raise ValueError(f"n={n}: there is one for 2^k and 12 * 2^k here, give such a size (or see `rotation`)")
    if n % 12:
        h = torch.ones(1, 1)
    else:
        h = torch.ones(12, 12)
        h[1:, 0] = -1
        for i in range(11):
            for j in range(11):
                h[1 + i, 1 + j] = 1 if i == j or (i - j) % 11 in RESIDUES else -1
    while len(h) < n:
        h = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), h)
    return h


def rotation(n: int, *, seed: int = 0) -> Float[Tensor, "n n"]:
    """An orthogonal matrix that mixes channels evenly: Hadamard blocks behind random signs.

    One block where there is a Hadamard matrix of size n, else several of the largest size that divides n: 224 channels
    are seven blocks of 32. The signs keep what many channels have in common from falling into one of them.

    Raises:
        ValueError: n is odd: no two channels can be mixed evenly.
    """
    size = _largest_order(n)
    if size < 2:
        raise ValueError(f"n={n}: must be even, so that at least pairs of channels can be mixed")
    signs = torch.randint(2, (n,), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1
    return signs[:, None] * torch.block_diag(*[hadamard(size) / size**0.5] * (n // size))


def _largest_order(n: int) -> int:
    """The largest 2^k or 12 * 2^k that divides n; 1 for an odd n."""
    even = n & -n  # the largest power of two
    return 3 * even if n > 0 and n % 12 == 0 else max(even, 1)


@torch.no_grad()
def rotate(model: Transformer, *, seed: int = 0) -> Transformer:
    """The same function with a rotated residual stream and rotated values: the same logits within 1e-4.

    RMSNorm without gains commutes with a rotation, so the gains are first folded into the matrices that follow. What
    writes into the stream is then rotated one way, what reads from it the other; so are the values of every head and
    the columns of `out` that read them. Nothing is left to compute. But the final gains cannot be folded into a table
    that is also looked up: a tied, unfactorised head becomes a matrix of its own, and the model that much larger.

    Raises:
        ValueError: an odd width of the stream.

    Source: QuaRot (arXiv 2404.00456), what it does ahead of time; and the values as SpinQuant (arXiv 2405.16406, R2).
    The inputs of `down` are out of reach: between `up` and `down` stands a product, so they must be rotated as the
    model runs. `quantize_activations(hadamard=True)` does.
    """
    config = model.config
    stream = rotation(config.dim, seed=seed).double()
    turn = rotation(config.head_dim, seed=seed).double()
    old = {name: value.double() for name, value in model.state_dict().items()}
    new = dict(old)
    for i in range(config.n_layers):
        attention, ffn = f"blocks.{i}.attention", f"blocks.{i}.ffn"
        n_values = config.of_block(i).n_kv_heads * config.head_dim
        qk, v = (old[f"{attention}.qkv.weight"] * old[f"{attention}_norm.weight"]).tensor_split([-n_values])
        v = (turn.T @ v.unflatten(0, (-1, config.head_dim))).flatten(0, 1)
        new[f"{attention}.qkv.weight"] = torch.cat((qk, v)) @ stream
        out = (old[f"{attention}.out.weight"].unflatten(1, (-1, config.head_dim)) @ turn).flatten(1)
        new[f"{attention}.out.weight"] = stream.T @ out
        new[f"{ffn}.up.weight"] = (old[f"{ffn}.up.weight"] * old[f"{ffn}_norm.weight"]) @ stream
        new[f"{ffn}.down.weight"] = stream.T @ old[f"{ffn}.down.weight"]
        for part in (attention, ffn):
            new[f"{part}_norm.weight"] = torch.ones_like(old[f"{part}_norm.weight"])

    new["norm.weight"] = torch.ones_like(old["norm.weight"])
    if config.embed_dim != config.dim:
        new["embed_in.weight"] = stream.T @ old["embed_in.weight"]
        new["embed_out.weight"] = (old["embed_out.weight"] * old["norm.weight"]) @ stream
    else:
        head = old["embed.weight" if config.tie_embeddings else "head.weight"]
        new["embed.weight"] = old["embed.weight"] @ stream
        new["head.weight"] = (head * old["norm.weight"]) @ stream
        config = replace(config, tie_embeddings=False)
    dtype = model.norm.weight.dtype
    rotated = assemble(config, {name: value.to(dtype).contiguous() for name, value in new.items()})
    return rotated.train(model.training)
