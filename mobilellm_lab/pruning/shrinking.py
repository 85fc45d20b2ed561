"""Kept parts of a model: its masked twin, and the smaller dense model that computes the same"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mobilellm_lab.checkpoints import assemble
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.masks import PrunedModel, apply, require_dense
from mobilellm_lab.quantization.quantized import matrices


@dataclass(frozen=True, eq=False, kw_only=True)
class Structure:
    """Kept parts of a model, as ascending indices; `dataclasses.replace` joins those of two structures."""

    neurons: tuple[Tensor, ...]  # of each block: a row of the gate and of `up`, and a column of `down`
    kv_heads: tuple[Tensor, ...]  # of each block: a key/value head with all its query heads
    width: Tensor  # channels of the residual stream
    layers: tuple[int, ...]  # stored blocks; what the structure says of the others does not count

    @classmethod
    def whole(cls, config: ModelConfig) -> "Structure":
        """The structure that keeps everything."""
        blocks = [config.of_block(i) for i in range(config.n_layers)]
        return cls(
            neurons=tuple(torch.arange(block.hidden_dim) for block in blocks),
            kv_heads=tuple(torch.arange(block.n_kv_heads) for block in blocks),
            width=torch.arange(config.dim),
            layers=tuple(range(config.n_layers)),
        )


def shrunk_config(config: ModelConfig, structure: Structure) -> ModelConfig:
    """The shape of `shrink(model, structure)`.

    Raises:
        ValueError: a structure that keeps none of a part or does not fit the shape, or a width that is the factorised
            table's.
    """
    _require(config, structure)
    width = len(structure.width)
    factorised = config.embed_dim != config.dim
    if factorised and width == config.embed_dim:
        raise ValueError(
            f"width={width} is that of the factorised table, embed_dim={config.embed_dim}, which would count as not "
            "factorised: keep another number of channels"
        )
    return replace(
        config,
        dim=width,
        embed_dim=config.embed_dim if factorised else width,
        n_layers=len(structure.layers),
        hidden_dims=tuple(len(structure.neurons[i]) for i in structure.layers),
        kv_heads=tuple(len(structure.kv_heads[i]) for i in structure.layers),
        norm_eps=config.norm_eps * (config.dim / width),
    )


@torch.no_grad()
def masked(model: Transformer, structure: Structure) -> PrunedModel:
    """The model with zeros for every weight that `shrink` removes, at its old size; `model` stays as it is.

    A removed block keeps its norms, and adds 0 to the residual stream. Where a part is removed from one block, the
    same matrices of all blocks count as prunable.

    Raises:
        ValueError: what `shrink` refuses.
    """
    require_dense(model)
    shrunk_config(model.config, structure)
    masks = {}
    for name, (rows, columns) in _kept(model.config, structure).items():
        masks[name] = torch.zeros(matrices(model)[name].shape, dtype=torch.bool, device=model.norm.weight.device)
        if _place(name, structure) is not None:
            masks[name][rows[:, None], columns] = True
    touched = {_kind(name) for name, mask in masks.items() if not mask.all()}
    return apply(model, {name: mask for name, mask in masks.items() if _kind(name) in touched})


@torch.no_grad()
def shrink(model: Transformer, structure: Structure) -> Transformer:
    """A smaller dense model; logits as of `masked(model, structure)` to 1e-5 of the largest. `model` stays as it is.

    Neurons, heads and layers leave what remains as it was. The width does not: RMSNorm divides by the root of the mean
    square over all D channels. With zeros in the removed ones the masked twin's mean is S / D, for a sum S of squares;
    that of the D' channels left is S / D'. So a smaller model would divide by sqrt(D / D') too much, in every norm.

        x / sqrt(S / D + eps) = sqrt(D / D') * x / sqrt(S / D' + eps * D / D')

    We multiply all gains by sqrt(D / D') and the epsilon by D / D', and both twins agree. Neither is the dense model:
    S lacks the squares of the removed channels, even of one that no matrix reads.

    Raises:
        ValueError: a model that is not dense float32, a structure that keeps none of a part or does not fit the model,
            or a width that is the factorised table's.
    """
    require_dense(model)
    config = shrunk_config(model.config, structure)
    kept, gain = _kept(model.config, structure), (model.config.dim / config.dim) ** 0.5
    weights = {}
    for name, w in model.state_dict().items():
        if (place := _place(name, structure)) is None:
            continue
        if w.ndim == 1:
            w = w[structure.width] * gain
        elif name in kept:
            rows, columns = kept[name]
            w = w[rows][:, columns]
        weights[place] = w.clone(memory_format=torch.contiguous_format)
    return assemble(config, weights).train(model.training)


def _kept(config: ModelConfig, structure: Structure) -> dict[str, tuple[Tensor, Tensor]]:
    """(kept rows, kept columns) of every matrix that may lose some."""
    width, words = structure.width, torch.arange(config.vocab_size)
    if config.embed_dim != config.dim:
        inner = torch.arange(config.embed_dim)
        kept = {"embed_in.weight": (width, inner), "embed_out.weight": (inner, width)}
    else:
        kept = {"embed.weight": (words, width)} | ({} if config.tie_embeddings else {"head.weight": (words, width)})
    for i in range(config.n_layers):
        block, neurons, heads = config.of_block(i), structure.neurons[i], structure.kv_heads[i]
        n_queries, n_keys = block.n_heads * block.head_dim, block.n_kv_heads * block.head_dim  # rows of qkv
        queries = _members(heads, n_queries // block.n_kv_heads)
        keys = _members(heads, block.head_dim)
        up = torch.cat((neurons, block.hidden_dim + neurons)) if block.ffn == "swiglu" else neurons
        kept |= {
            f"blocks.{i}.attention.qkv.weight": (
                torch.cat((queries, n_queries + keys, n_queries + n_keys + keys)),
                width,
            ),
            f"blocks.{i}.attention.out.weight": (width, queries),
            f"blocks.{i}.ffn.up.weight": (up, width),
            f"blocks.{i}.ffn.down.weight": (width, neurons),
        }
    return kept


def _members(groups: Tensor, size: int) -> Tensor:
    """Indices of the members of these groups, `size` neighbours each."""
    return (groups[:, None] * size + torch.arange(size)).flatten()


def _place(name: str, structure: Structure) -> str | None:
    """The name of a weight in the smaller model; None for one of a removed block."""
    if not name.startswith("blocks."):
        return name
    _, block, rest = name.split(".", 2)
    return f"blocks.{structure.layers.index(int(block))}.{rest}" if int(block) in structure.layers else None


def _kind(name: str) -> str:
    return name.split(".", 2)[-1] if name.startswith("blocks.") else name


def _require(config: ModelConfig, structure: Structure) -> None:
    """Raises a ValueError for a structure that keeps none of a part, or of another shape than `config`."""
    for field in ("neurons", "kv_heads"):
        if len(getattr(structure, field)) != config.n_layers:
            raise ValueError(
                f"{field} of {len(getattr(structure, field))} blocks: the model has {config.n_layers}; start from "
                "Structure.whole(config)"
            )
    blocks = [config.of_block(i) for i in range(config.n_layers)]
    parts = [("layers", torch.tensor(structure.layers, dtype=torch.long), config.n_layers)]
    parts += [("width", structure.width, config.dim)]
    parts += [(f"neurons of block {i}", structure.neurons[i], block.hidden_dim) for i, block in enumerate(blocks)]
    parts += [(f"kv_heads of block {i}", structure.kv_heads[i], block.n_kv_heads) for i, block in enumerate(blocks)]
    for name, indices, size in parts:
        if not len(indices):
            raise ValueError(f"{name}: nothing is kept of {size}, and nothing would pass on; keep at least one")
        if indices[0] < 0 or indices[-1] >= size or (indices.diff() < 1).any():
            raise ValueError(f"{name}={indices.tolist()}: give ascending indices of 0 to {size - 1}")
