"""Masks of a model's matrices, and the pruned model whose masked weights are exactly 0"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.quantized import matrices, require_floats

Masks = dict[str, Tensor]  # of bools, by state_dict name; True is kept, and a matrix without an entry is dense


@dataclass(frozen=True, eq=False, kw_only=True)
class PrunedModel:
    """A float32 model and the masks that it obeys.

    Raises:
        ValueError: a mask that fits none of the model's matrices, or a masked weight that is not 0.
    """

    model: Transformer
    masks: Masks

    def __post_init__(self) -> None:
        _require(self.model, self.masks)
        own = matrices(self.model)
        for name, mask in self.masks.items():
            if (grown := own[name].detach()[~mask].count_nonzero().item()) > 0:
                raise ValueError(
                    f"{name}: {grown} masked weights are not 0: make the model with apply(model, masks), "
                    "and hold the masks while it is trained"
                )

    @property
    def sparsity(self) -> float:
        """Share of zeros among the prunable weights, which are those of the masked matrices; 0 without any."""
        own = matrices(self.model)
        return self._zeros() / max(sum(own[name].numel() for name in self.masks), 1)

    @property
    def of_all(self) -> float:
        """Share of the same zeros among all weights, norms included; a tied table counts once."""
        return self._zeros() / sum(p.numel() for p in self.model.parameters())

    def zeros_by_layer(self) -> dict[str, float]:
        """Share of zeros of every masked matrix, by name."""
        own = matrices(self.model)
        return {name: (own[name] == 0).double().mean().item() for name in self.masks}

    def _zeros(self) -> int:
        own = matrices(self.model)
        return sum((own[name] == 0).sum().item() for name in self.masks)


@torch.no_grad()
def apply(model: Transformer, masks: Masks) -> PrunedModel:
    """A copy of the model with its masked weights set to 0; `model` stays as it is.

    Raises:
        ValueError: a model that is not dense float32, or a mask that fits none of its matrices.
    """
    require_dense(model)
    _require(model, masks)
    pruned = copy.deepcopy(model)
    for name, w in matrices(pruned).items():
        if name in masks:
            w.masked_fill_(~masks[name], 0)  # not a product, which turns some weights into -0
    return PrunedModel(model=pruned, masks=dict(masks))


def require_dense(model: object) -> None:
    """Raises a ValueError for what cannot be pruned: pruned or quantized already, not in float32, or with NaN."""
    if isinstance(model, PrunedModel):
        raise ValueError("model is a PrunedModel: prune the dense model that it was made from, by the whole amount")
    require_floats(model)
    for name, p in model.named_parameters():
        if not p.isfinite().all():
            raise ValueError(f"model: {name} holds NaN or inf; train or load the model again")


def require_pruned(pruned: object) -> None:
    """Raises a ValueError for what `apply` and `prune` do not give."""
    if not isinstance(pruned, PrunedModel):
        raise ValueError(f"pruned is a {type(pruned).__name__}: give what prune(...) or apply(...) returns")


def _require(model: Transformer, masks: Masks) -> None:
    own = {name: tuple(p.shape) for name, p in matrices(model).items()}
    for name, mask in masks.items():
        if own.get(name) != tuple(mask.shape) or mask.dtype != torch.bool:
            raise ValueError(
                f"mask {name} of shape {tuple(mask.shape)}, {mask.dtype}: "
                f"the model needs bools of shape {own.get(name, 'none, it has no such matrix')}"
            )
