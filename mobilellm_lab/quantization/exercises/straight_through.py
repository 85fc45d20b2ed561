"""Exercise: write the straight-through estimator"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mobilellm_lab.teaching.by_example import close
from mobilellm_lab.teaching.exercise import Exercise, Wrong

STILL = 1e-5  # of a weight or a gradient; what is off by less is right
STEP, RATE, UPDATES = 0.25, 0.02, 60  # of the weights that learn

_near = partial(close, rtol=0, atol=STILL)


def _on_grid_stub(weights, scale):
    """Nearest multiples of `scale`; the gradient passes as it is."""
    return ...  # your code


def _on_grid_solution(weights, scale):
    """Nearest multiples of `scale`; the gradient passes as it is."""
    rounded = (weights / scale).round() * scale
    return weights + (rounded - weights).detach()


def _on_grid_alternative(weights, scale):
    """Nearest multiples of `scale`; the gradient passes as it is."""

    class StraightThrough(torch.autograd.Function):
        @staticmethod
        def forward(ctx, weights):
            return torch.round(weights / scale) * scale

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    return StraightThrough.apply(weights)


def _rounded(weights: Tensor, scale: float) -> Tensor:
    return (weights / scale).round() * scale


def _overwritten(weights: Tensor, scale: float) -> Tensor:
    weights.data = _rounded(weights.data, scale)
    return weights * 1.0


_MISTAKES = {
    "no gradient passes": _rounded,
    "cuts the graph": lambda weights, scale: _rounded(weights.detach(), scale),
    "detaches the wrong part": lambda weights, scale: (
        _rounded(weights, scale) + (weights - _rounded(weights, scale)).detach()
    ),
    "does not round": lambda weights, scale: weights * 1.0,
    "codes, not weights": lambda weights, scale: (
        weights / scale + ((weights / scale).round() - weights / scale).detach()
    ),
    "the gradient is scaled": lambda weights, scale: (
        _rounded(weights, scale).detach() + weights / scale - (weights / scale).detach()
    ),
    "overwrites the weights": _overwritten,
    "cuts instead of rounding": lambda weights, scale: weights + ((weights / scale).trunc() * scale - weights).detach(),
}


def _inspect_straight(answer: Callable) -> str:
    for scale in (STEP, 0.7):
        _try(answer, scale)
    learned = _learn(answer)
    stuck = _learn(_rounded)
    return (
        f"Forward your weights are on the grid, backward they are not there at all. In {UPDATES} updates of "
        f"{RATE:g}, each smaller than a tenth of a step, the distance from the target went from {stuck:.2f} to "
        f"{learned:.2f}; with plain rounding it stays at {stuck:.2f}, since the slope of a staircase is 0 wherever it "
        "has one."
    )


def _try(answer: Callable, scale: float) -> None:
    """Raises what is wrong with the values or the gradient of the answer."""
    draw = torch.Generator().manual_seed(3)
    start = 2 * torch.randn(6, 5, generator=draw)
    weights = start.clone().requires_grad_()
    found = answer(weights, scale)
    if not isinstance(found, Tensor) or found.shape != start.shape:
        raise Wrong("not a tensor", f"Return a tensor {tuple(start.shape)}, as large as `weights`.")
    value, right = found.detach(), _rounded(start, scale)
    if not torch.equal(weights.detach(), start):
        raise Wrong(
            "overwrites the weights",
            "You wrote the rounded values into `weights`. The optimiser moves them by less than half a step each time, "
            "and then they are rounded back: nothing is ever learned. Keep the float weights, return others.",
        )
    if _near(value, start):
        if found.requires_grad and _near(_gradient(found, weights), torch.zeros_like(start)):
            raise Wrong(
                "detaches the wrong part",
                "The values are the float weights, and no gradient passes: it is the wrong way round. What is "
                "detached counts in the forward pass only; detach what the rounding *changes*.",
            )
        raise Wrong("does not round", "The values are the float weights. In the forward pass they must be rounded.")
    if _near(value, (start / scale).round()):
        raise Wrong(
            "codes, not weights",
            "You returned the codes. The next layer expects weights: multiply by `scale`, in the forward pass.",
        )
    if _near(value, (start / scale).trunc() * scale):
        raise Wrong("cuts instead of rounding", "You cut towards 0. The nearest multiple of `scale` is asked for.")
    if not _near(value, right):
        at = (value - right).abs().argmax()
        raise Wrong(
            "not on the grid",
            f"The weight {start.flatten()[at]:.4f} became {value.flatten()[at]:.4f}, and the nearest multiple of "
            f"{scale:g} is {right.flatten()[at]:.4f}.",
        )
    if not found.requires_grad:
        raise Wrong(
            "cuts the graph",
            "The values are right, but the result is cut off from `weights`: `detach`, `.data` or `no_grad` around "
            "everything leaves nothing to differentiate. Detach the difference only.",
        )
    gradient = _gradient(found, weights)
    if _near(gradient, torch.zeros_like(start)):
        raise Wrong(
            "no gradient passes",
            "The values are right, and the gradient is 0 everywhere: torch differentiates `round`, a staircase, whose "
            "steps are flat. Let the backward pass believe that nothing was rounded.",
        )
    if not _near(gradient, _OUTER):
        raise Wrong(
            "the gradient is scaled",
            f"The values are right, but the gradient that arrives at the weights is {_ratio(gradient):.3g} times the "
            "one that came in. It has to pass as it is: rounding a weight and multiplying by `scale` again changes "
            "nothing on average.",
        )


_OUTER = torch.linspace(-1, 2, 30).reshape(6, 5)  # the gradient that comes from above


def _gradient(found: Tensor, weights: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(found, weights, _OUTER, allow_unused=True)
    return torch.zeros_like(weights) if gradient is None else gradient


def _ratio(gradient: Tensor) -> float:
    return float((gradient * _OUTER).sum() / (_OUTER * _OUTER).sum())


def _learn(answer: Callable) -> float:
    """Distance from a target on the grid after some small updates of weights that start elsewhere."""
    target = torch.tensor([1.0, -0.5, 0.25, 2.0])
    weights = torch.zeros(4, requires_grad=True)
    for _ in range(UPDATES):
        on_grid = answer(weights, STEP)
        (gradient,) = torch.autograd.grad((on_grid - target).square().sum(), weights)
        with torch.no_grad():
            weights -= RATE * gradient
    return float((_rounded(weights.detach(), STEP) - target).norm())


STRAIGHT = Exercise(
    name="straight",
    title="Learn on a grid",
    task="""
Training with quantized weights has a problem. Rounding is a staircase, its slope is 0 almost everywhere, and no
gradient gets through. The **straight-through estimator** rounds in the forward pass, and in the backward pass pretends
that it has not.

Write `on_grid(weights, scale)`. It returns the **nearest multiples of `scale`**, and **the gradient that comes in goes
out to `weights` unchanged**. Leave `weights` as they are. They stay in float, so that small updates can add up.
""".strip(),
    answer="on_grid",
    stub=_on_grid_stub,
    solution=_on_grid_solution,
    alternative=_on_grid_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Write the rounded weights as weights + (what rounding changes). Of which of the two do you want the gradient?",
        "`x.detach()` has the values of `x` and no gradient: torch takes it for a constant.",
        "`weights + (rounded - weights).detach()`, with `rounded = (weights / scale).round() * scale`.",
    ),
    inspect=_inspect_straight,
)
