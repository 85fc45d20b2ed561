"""Copies of a model for converters that change modules in place"""

import copy
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mobilellm_lab.model import Transformer


def linear(weight: Float[Tensor, "out in"]) -> nn.Linear:
    """A Linear around this very tensor."""
    with torch.random.fork_rng(devices=[]):  # it draws one weight of its own
        layer = nn.Linear(1, 1, bias=False)
    layer.weight, (layer.out_features, layer.in_features) = nn.Parameter(weight, requires_grad=False), weight.shape
    return layer


def twin_of(model: Transformer) -> Transformer:
    """A model of new modules around the same tensors."""
    tensors = (*model.parameters(), *model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def with_head(model: Transformer) -> Transformer:
    """The same model as most libraries build it: the output layer is a Linear that shares the embedding's table.

    Converters replace modules. Our tied output layer is none, but a product with the table: a converter that knows
    Linears only leaves it in float. All tensors are shared with `model`, so train neither.
    """
    twin = twin_of(model)
    if model.config.tie_embeddings:
        twin.config = replace(model.config, tie_embeddings=False)
        twin.head = linear(twin.embed.weight.detach())
        twin.head.weight = twin.embed.weight
    return twin
