"""Exercise: find why the sparsity vanished, and fine-tune a pruned model so that its zeros stay"""

import copy
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from mobilellm_lab.pruning.libraries.sparsity import share_of_zeros
from mobilellm_lab.teaching.exercise import Exercise, Wrong

AMOUNT = 0.75
STILL = 0.01  # of a share: one weight more or less is no mistake
UPDATES = 60


def _pruned_and_trained_stub(model, amount, train):
    """The model, pruned and fine-tuned; train(model) trains it in place."""
    return ...  # your code


def _pruned_and_trained_solution(model, amount, train):
    """The model, pruned and fine-tuned; train(model) trains it in place."""
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    for layer in linears:
        torch_prune.l1_unstructured(layer, "weight", amount)
    train(model)  # the masks are in force
    for layer in linears:
        torch_prune.remove(layer, "weight")
    return model


def _pruned_and_trained_alternative(model, amount, train):
    """The model, pruned and fine-tuned; train(model) trains it in place."""
    for w in (p for p in model.parameters() if p.ndim == 2):
        gone = w.abs().flatten().argsort()[: round(amount * w.numel())]
        kept = torch.ones(w.numel()).scatter(0, gone, 0.0).view_as(w)
        w.data *= kept
        w.register_hook(lambda gradient, kept=kept: gradient * kept)
    train(model)  # a masked weight is 0, its gradient too, and Adam leaves it
    return model


def _linears(model: nn.Module) -> list[nn.Linear]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


def _mask(model: nn.Module, amount: float) -> None:
    for layer in _linears(model):
        torch_prune.l1_unstructured(layer, "weight", amount)


def _remove(model: nn.Module) -> None:
    for layer in _linears(model):
        torch_prune.remove(layer, "weight")


def _as_in_the_article(model: nn.Module, amount: float, train: Callable) -> nn.Module:
    _mask(model, amount)
    _remove(model)
    train(model)
    return model


def _never_removed(model: nn.Module, amount: float, train: Callable) -> nn.Module:
    _mask(model, amount)
    train(model)
    return model


def _never_trained(model: nn.Module, amount: float, train: Callable) -> nn.Module:
    _mask(model, amount)
    _remove(model)
    return model


def _trained_first(model: nn.Module, amount: float, train: Callable) -> nn.Module:
    train(model)
    return _never_trained(model, amount, train)


def _cut_again(model: nn.Module, amount: float, train: Callable) -> nn.Module:
    """As in the article, and the same weights set to 0 once more at the end."""
    _mask(model, amount)
    masks = [layer.weight_mask for layer in _linears(model)]
    _remove(model)
    train(model)
    for layer, kept in zip(_linears(model), masks, strict=True):
        layer.weight.data *= kept
    return model


_MISTAKES = {
    "removed before training": _as_in_the_article,
    "masks left in place": _never_removed,
    "never trained": _never_trained,
    "trained before pruning": _trained_first,
    "cut again at the end": _cut_again,
}


def _data() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(128, 16, generator=draw)
    return x, torch.tanh(x @ torch.randn(16, 8, generator=draw) / 2)


def _loss(model: nn.Module) -> Tensor:
    x, y = _data()
    return (model(x) - y).square().mean()


def _train(model: nn.Module, updates: int = UPDATES) -> None:
    """The fine-tuning that the learner is given: Adam, in place."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(updates):
        optimizer.zero_grad()
        _loss(model).backward()
        optimizer.step()


@cache
def _trained() -> nn.Sequential:
    """The dense model that every check starts from."""
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
    draw = torch.Generator().manual_seed(1)
    for p in model.parameters():
        p.data = torch.randn(p.shape, generator=draw) * p.shape[-1] ** -0.5
    _train(model, 300)
    return model


@cache
def _losses() -> dict[str, float]:
    """Loss of the solution, and of each mistake that keeps its zeros."""
    ways = {"held": _pruned_and_trained_solution, "never": _never_trained}
    ways |= {"first": _trained_first, "again": _cut_again}
    with torch.enable_grad():
        return {name: _loss(way(copy.deepcopy(_trained()), AMOUNT, _train)).item() for name, way in ways.items()}


def _inspect_hold(answer: Callable) -> str:
    calls = []

    def train(model: nn.Module) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"train takes the model, not a {type(model).__name__}")
        if calls:
            raise RuntimeError("train was called twice: one fine-tuning is all there is time for")
        calls.append(1)
        _train(model)

    given = copy.deepcopy(_trained())
    found = answer(given, AMOUNT, train)
    if not isinstance(found, nn.Sequential) or [type(layer) for layer in found] != [nn.Linear, nn.ReLU, nn.Linear]:
        raise Wrong("not the model", f"Return the model. Yours is a {type(found).__name__}.")
    if found.state_dict().keys() != _trained().state_dict().keys():
        raise Wrong(
            "masks left in place",
            f"The zeros are kept, and the state dict has the entries {', '.join(sorted(found.state_dict()))}. No "
            "ordinary model can load that. Call `remove` once the training is over.",
        )
    shares = [share_of_zeros(layer.weight) for layer in _linears(found)]
    if not calls:
        raise Wrong("never trained", "The zeros are there, but `train` was never called: the pruning's loss remains.")
    if max(shares) < STILL:
        raise Wrong(
            "removed before training",
            f"You asked for {AMOUNT:.0%} zeros, and {max(shares):.0%} are left. After `remove` the zeros are ordinary "
            "weights with ordinary gradients, and the first update moves them all. This is the article's order. The "
            "masks have to be in force while the model trains.",
        )
    if max(abs(share - AMOUNT) for share in shares) > STILL:
        listed = " and ".join(f"{share:.0%}" for share in shares)
        raise Wrong("another share of zeros", f"The two Linears have {listed} zeros, and {AMOUNT:.0%} are asked for.")
    loss, losses = _loss(found).item(), _losses()
    if loss > 0.9 * losses["first"]:
        raise Wrong(
            "trained before pruning",
            f"The zeros are there, and the loss is {loss:.3f}: what the pruning did was never mended. Masks held while "
            f"training give {losses['held']:.3f}. Prune first.",
        )
    if loss > (losses["held"] + losses["again"]) / 2:
        raise Wrong(
            "cut again at the end",
            f"The zeros are there, and the loss is {loss:.3f} where {losses['held']:.3f} is possible. While it trained "
            "the model used weights that you then took away again. It has to train without them.",
        )
    return (
        f"{AMOUNT:.0%} zeros in each Linear, and a loss of {loss:.3f}; without fine-tuning it is "
        f"{losses['never']:.3f}. A masked weight gets no gradient, so it stays 0. In the article's order the first "
        "update of Adam already makes every zero a number."
    )


HOLD = Exercise(
    name="hold",
    title="Why did the sparsity vanish?",
    task="""
The article prunes, calls `prune.remove`, and then fine-tunes. Afterwards its own function counts a sparsity of 0.

Write `pruned_and_trained(model, amount, train)` so that the zeros stay. `model` is a small `nn.Sequential` of Linears
and a ReLU. Prune `amount` of the weights of **each Linear** by magnitude (biases stay). Call `train(model)` **once**,
which fine-tunes the model in place, with an Adam of its own. Return the model with ordinary parameters, `amount` of
each Linear's weights exactly 0. It must have **learned with its zeros in place**: cutting it again afterwards is not
enough.

`torch_prune` is `torch.nn.utils.prune`.
""".strip(),
    answer="pruned_and_trained",
    stub=_pruned_and_trained_stub,
    solution=_pruned_and_trained_solution,
    alternative=_pruned_and_trained_alternative,
    mistakes=_MISTAKES,
    hints=(
        "What does `remove` do to the mask? From then on, what keeps an optimizer from moving a weight that is 0?",
        "As long as the mask is there, the model multiplies by it in each forward pass. A masked weight then has a "
        "gradient of 0.",
        "`torch_prune.l1_unstructured(layer, 'weight', amount)` for each Linear, then `train(model)`, and only then "
        "`torch_prune.remove(layer, 'weight')`.",
    ),
    inspect=_inspect_hold,
)
