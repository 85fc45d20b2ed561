"""Exercise: Wanda's mask, by hand, from weights and the inputs that they meet"""

from collections.abc import Callable

import torch
from torch import Tensor

from mobilellm_lab.pruning.exercises.magnitude import describe_mask, matrix, read_mask
from mobilellm_lab.teaching.by_example import by_example

# (rows, columns, tokens, amount)
_SIZES = ((6, 8, 24, 0.5), (5, 12, 40, 0.25), (8, 8, 8, 0.6))


def _wanda_kept_stub(weights, inputs, amount):
    """True where a weight (R, C) stays; inputs (tokens, C)."""
    return ...  # your code


def _wanda_kept_solution(weights, inputs, amount):
    """True where a weight (R, C) stays; inputs (tokens, C)."""
    score = weights.abs() * inputs.norm(dim=0)  # a norm for each input, C of them
    count = round(amount * weights.shape[1])
    gone = score.argsort(dim=1)[:, :count]
    return torch.ones_like(weights, dtype=torch.bool).scatter(1, gone, False)


def _wanda_kept_alternative(weights, inputs, amount):
    """True where a weight (R, C) stays; inputs (tokens, C)."""
    rank = (weights**2 * (inputs**2).sum(0)).argsort(1).argsort(1)  # squares: the same order
    return rank >= round(amount * weights.shape[1])


def _by(score: Callable[[Tensor, Tensor], Tensor], *, whole: bool = False) -> Callable:
    """A mask by another score; `whole` compares over the matrix."""

    def kept(weights, inputs, amount):
        scores = score(weights, inputs)
        groups = scores.reshape(1, -1) if whole else scores
        gone = groups.argsort(dim=1)[:, : round(amount * groups.shape[1])]
        return torch.ones_like(groups, dtype=torch.bool).scatter(1, gone, False).view_as(weights)

    return kept


def _score(weights: Tensor, inputs: Tensor) -> Tensor:
    return weights.abs() * inputs.norm(dim=0)


_MISTAKES = {
    "magnitudes alone": (
        _by(lambda weights, inputs: weights.abs()),
        "You left out the inputs. A small weight on a large input can matter more than a large one on an input that "
        "is always near 0.",
    ),
    "inputs alone": (
        _by(lambda weights, inputs: inputs.norm(dim=0).expand_as(weights)),
        "You left out the weights: every row loses the same inputs. Multiply by each weight's magnitude.",
    ),
    "divides": (
        _by(lambda weights, inputs: weights.abs() / inputs.norm(dim=0)),
        "You divided by the norm. What a weight adds to the output grows with its input: multiply.",
    ),
    "the mean input": (
        _by(lambda weights, inputs: weights.abs() * inputs.mean(0).abs()),
        "You took the mean of each input. An input that swings between -5 and 5 has a mean of 0 and a large effect. "
        "Take its norm.",
    ),
    "with their signs": (
        _by(lambda weights, inputs: weights * inputs.norm(dim=0)),
        "You kept the signs of the weights. A large negative weight then goes first. Take its magnitude.",
    ),
    "the matrix, not its rows": (
        _by(_score, whole=True),
        "The scores are right, but you compared them over the whole matrix. Wanda compares within each output's row.",
    ),
    "keeps the least": (
        lambda weights, inputs, amount: ~_by(_score)(weights, inputs, amount),
        "Your mask is True where a weight goes. True means that it stays.",
    ),
}


def _inputs(columns: int, tokens: int) -> Tensor:
    """Inputs whose size differs by channel; every second one swings around 0, the others keep a sign."""
    draw = torch.Generator().manual_seed(columns + tokens)
    inputs = torch.randn(tokens, columns, generator=draw) + 2.0 * (torch.arange(columns) % 2)
    return inputs * 4.0 ** torch.rand(columns, generator=draw).sub(0.5).mul(3)


def _cases():
    return [(matrix(rows, columns), _inputs(columns, tokens), amount) for rows, columns, tokens, amount in _SIZES]


def _error(weights: Tensor, inputs: Tensor, kept: Tensor) -> float:
    """Relative error of the output without what goes."""
    return float((inputs @ (weights * ~kept).T).norm() / (inputs @ weights.T).norm())


def _lesson(answer, found):
    weights, inputs, amount = _cases()[0]
    by_wanda = _error(weights, inputs, found[0])
    by_size = _error(weights, inputs, _by(lambda w, x: w.abs())(weights, inputs, amount))
    return (
        f"In the first case the output is off by {by_wanda:.0%}; with magnitudes alone it would be {by_size:.0%}. All "
        "that Wanda needs is a norm for each input channel, collected while a few sequences run through the model."
    )


WANDA = by_example(
    name="wanda",
    title="Score weights by their inputs",
    task="""
A weight adds `weight * input` to its output. Wanda therefore scores each weight by **its magnitude times the L2 norm of
its input channel** over some calibration tokens.

Write `wanda_kept(weights, inputs, amount)`. `weights` is (R, C), `inputs` is (tokens, C). Return a mask (R, C), True
where a weight stays. In each row exactly `round(amount * C)` weights go, those with the lowest scores.
""".strip(),
    answer="wanda_kept",
    stub=_wanda_kept_stub,
    solution=_wanda_kept_solution,
    alternative=_wanda_kept_alternative,
    mistakes=_MISTAKES,
    hints=(
        "How many norms are there? One for each column of `inputs`, which is one for each column of `weights`.",
        "`inputs.norm(dim=0)` has shape (C,), and `weights.abs() * inputs.norm(dim=0)` is the score of every weight.",
        "From here it is the magnitude mask again, with the score in place of the magnitude: `argsort(dim=1)`, the "
        "first `round(amount * C)` places, `scatter`.",
    ),
    cases=_cases,
    describe=lambda found, right, weights, inputs, amount: describe_mask(
        found, right, _score(weights, inputs), amount, "scores"
    ),
    lesson=_lesson,
    read=lambda found, weights, inputs, amount: read_mask(found, _score(weights, inputs), amount),
    same=lambda a, b, *case: torch.equal(a, b),
)
