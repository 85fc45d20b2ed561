"""PyTorch's pruning calls (torch.nn.utils.prune) as the article uses them, and measurements of what each does

    masked = mask(model, 0.5)      # a copy; every Linear of it has `weight_orig` and `weight_mask`
    remove(masked)                 # ordinary weights again, half of them 0

`mask` and `remove` call the library. The other functions measure one of its effects each:

- `file_bytes`: the file doubles, until `remove` is called;
- `tied_head`: of a table that serves embedding and head, only the head is masked, and `remove` zeroes both;
- `repeated`: an amount is a share of what is left, or of everything if `remove` was called before;
- `zeros_by_layer`: a global threshold empties whole matrices without a word;
- `rows_of_equal_weights`: among equal magnitudes whole rows go;
- `times`: nothing gets faster;
- `zeros_after_training`: what `remove` made permanent grows back.
"""

import copy
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from mobilellm_lab.choices import advice
from mobilellm_lab.measuring import Comparison, compare
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.libraries.sparsity import article_sparsity, share_of_zeros
from mobilellm_lab.quantization.libraries.copies import with_head
from mobilellm_lab.tasks import IGNORE, Batch

ONE_BY_ONE: dict[str, Callable[[nn.Module, float], nn.Module]] = {
    "l1_unstructured": lambda layer, amount: torch_prune.l1_unstructured(layer, "weight", amount),
    "random_unstructured": lambda layer, amount: torch_prune.random_unstructured(layer, "weight", amount),
    "ln_structured": lambda layer, amount: torch_prune.ln_structured(layer, "weight", amount, n=2, dim=0),
}
METHODS = (*ONE_BY_ONE, "global_unstructured")


def linears(model: nn.Module) -> dict[str, nn.Linear]:
    """Every Linear by the name of its weight; our tied output layer is none, a Hugging Face model's is."""
    return {f"{name}.weight": module for name, module in model.named_modules() if type(module) is nn.Linear}


def mask(model: nn.Module, amount: float, method: str = "l1_unstructured", *, seed: int = 0) -> nn.Module:
    """A copy of the model whose Linears all have torch's masks; `model` stays as it is.

    "ln_structured" prunes the rows of least L2 norm, "global_unstructured" the smallest weights of all Linears.

    Raises:
        ValueError: an unknown method, or an amount outside [0, 1].
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}: {advice(method, METHODS)}")
    masked = copy.deepcopy(model)  # before: torch cannot copy a model that has masks and has not run since
    layers = list(linears(masked).values())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if method == "global_unstructured":
            pairs = [(layer, "weight") for layer in layers]  # a generator would be read once, and found empty later
            torch_prune.global_unstructured(pairs, pruning_method=torch_prune.L1Unstructured, amount=amount)
        else:
            for layer in layers:
                ONE_BY_ONE[method](layer, amount)
    return masked


def remove(masked: nn.Module) -> None:
    """Makes the masks of every Linear permanent, in place: the weights are parameters again, masked ones 0."""
    for layer in linears(masked).values():
        torch_prune.remove(layer, "weight")


def file_bytes(model: nn.Module, amount: float = 0.5) -> dict[str, int]:
    """Bytes of the state dict as torch.save writes it: "dense", "masked" and "removed"."""
    masked = mask(model, amount)
    found = {"dense": _saved(model), "masked": _saved(masked)}
    remove(masked)
    return found | {"removed": _saved(masked)}


@dataclass(frozen=True, kw_only=True)
class TiedHead:
    """Zeros of a table that embedding and head share, in Hugging Face's layout, and what `remove` changes."""

    head: float  # share of zeros, once the Linears are masked
    embedding: float
    head_after: float  # and once `remove` has been called
    embedding_after: float
    logits_change: float  # by `remove`: the largest, as a share of the largest logit


@torch.no_grad()
def tied_head(model: Transformer, tokens: Int[Tensor, "B T"], amount: float = 0.5) -> TiedHead:
    """What masking and `remove` do to a tied model, laid out as Hugging Face lays it out.

    The mask belongs to the head's Linear, whose `weight` becomes a product; the embedding still has the full table. On
    `remove` the product is written into the one Parameter that both use.

    Raises:
        ValueError: a model whose table is not tied.
    """
    if not model.config.tie_embeddings:
        raise ValueError("tie_embeddings=False: give a model whose output layer is its embedding table")
    masked = mask(with_head(model), amount)
    before = masked(tokens)
    head, embedding = (share_of_zeros(table.weight) for table in (masked.head, masked.embed))
    remove(masked)
    return TiedHead(
        head=head,
        embedding=embedding,
        head_after=share_of_zeros(masked.head.weight),
        embedding_after=share_of_zeros(masked.embed.weight),
        logits_change=((masked(tokens) - before).abs().max() / before.abs().max()).item(),
    )


def repeated(
    amounts: Sequence[float], *, method: str = "l1_unstructured", remove_between: bool, seed: int = 0
) -> list[float]:
    """Share of zeros of a 100 x 100 matrix after each of several prunings."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(100, 100, bias=False)
    layer.weight.data = torch.randn(100, 100, generator=generator)
    found = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for amount in amounts:
            ONE_BY_ONE[method](layer, amount)
            found.append(share_of_zeros(layer.weight))
            if remove_between:
                torch_prune.remove(layer, "weight")
    return found


def zeros_by_layer(masked: nn.Module) -> dict[str, float]:
    """Share of zeros of every Linear; 1.0 is a matrix that passes nothing on."""
    return {name: share_of_zeros(layer.weight) for name, layer in linears(masked).items()}


def rows_of_equal_weights(weights: Tensor, amount: float = 0.5) -> tuple[int, int]:
    """(rows that are empty, rows that lost nothing) of a matrix that l1_unstructured has pruned.

    Weights of one magnitude are all equally unimportant; torch then takes them in an order of its own.
    """
    layer = nn.Linear(*reversed(weights.shape), bias=False)
    layer.weight.data = weights.clone()
    torch_prune.l1_unstructured(layer, "weight", amount)
    kept = (layer.weight != 0).sum(1)
    return int((kept == 0).sum()), int((kept == weights.shape[1]).sum())


@torch.no_grad()
def times(model: nn.Module, tokens: Int[Tensor, "B T"], amount: float = 0.5, **options) -> dict[str, Comparison]:
    """Time of a forward pass beside the dense model's, with masks ("masked") and without ("removed").

    `options` are those of `measuring.compare`.
    """
    masked, removed = mask(model, amount), mask(model, amount)
    remove(removed)
    variants = {"masked": masked, "removed": removed}
    return {name: compare(lambda: model(tokens), lambda m=m: m(tokens), **options) for name, m in variants.items()}


def zeros_after_training(
    model: Transformer, batches: Iterable[Batch], amount: float = 0.5, *, remove_first: bool, lr: float = 1e-3
) -> float:
    """Share of zeros in the Linears after one update of Adam a batch.

    With `remove_first` as the article has it: masks removed, then trained. Else trained with masks, removed at the end.
    """
    trained = mask(model, amount)
    if remove_first:
        remove(trained)
    optimizer = torch.optim.Adam(trained.parameters(), lr=lr)
    for batch in batches:
        optimizer.zero_grad()
        logits = trained(batch.tokens)
        F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE).backward()
        optimizer.step()
    if not remove_first:
        remove(trained)
    return article_sparsity(trained)


def _saved(model: nn.Module) -> int:
    with io.BytesIO() as file:
        torch.save(model.state_dict(), file)
        return file.tell()
