"""Sparsity of a model: the article's count over Linears, and a count of what is stored

The article adds up the zeros of every Linear's `weight` attribute. That is right for a stack of Linears. In a language
model it misses or doubles four things:

- embeddings and norms are no Linears, and a tied output layer like ours is none either;
- a head that shares the embedding's table counts, the embedding does not; two Linears that share one count twice;
- where torch's masks are in place, `weight` is a product: the stored parameter holds no zeros yet;
- quantized layers are no Linears: of a model of them the count is 0 of 0, which it reports as sparsity 0.
"""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Zeros:
    """Zeros among all weights of a model."""

    zeros: int
    weights: int

    @property
    def share(self) -> float:
        return self.zeros / max(self.weights, 1)


def share_of_zeros(weights: Tensor) -> float:
    """Share of a tensor's values that are exactly 0."""
    return (weights == 0).double().mean().item()


def article_sparsity(model: nn.Module) -> float:
    """Share of zeros as the article counts it: over the `weight` of each Linear; 0 where there is none."""
    seen = [layer.weight for layer in model.modules() if isinstance(layer, nn.Linear)]
    return Zeros(zeros=sum((w == 0).sum().item() for w in seen), weights=sum(w.numel() for w in seen)).share


def count_zeros(model: nn.Module) -> Zeros:
    """Zeros among all parameters as they are stored, norms and embeddings included; a shared one counts once.

    A mask of torch.nn.utils.prune changes no parameter until `remove`, and counts for nothing here.
    """
    own = list(model.parameters())
    return Zeros(zeros=sum((p == 0).sum().item() for p in own), weights=sum(p.numel() for p in own))
