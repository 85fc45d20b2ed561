"""Exercise: causal attention weights"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from mobilellm_lab import deep_narrow
from mobilellm_lab.deep_narrow import Noise
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.teaching.by_example import by_example, close, tensor
from mobilellm_lab.teaching.exercise import Wrong

SHAPE = ModelConfig(vocab_size=16, dim=16, n_layers=1, n_heads=1, n_kv_heads=1, hidden_dim=16, max_seq_len=8)
STILL = 1e-4  # a weight that is off by less is right


def _masked_stub(scores):
    """Causal weights from raw scores; both (heads, T, T), rows are queries."""
    return ...  # your code


def _masked_solution(scores):
    """Causal weights from raw scores; both (heads, T, T), rows are queries."""
    T = scores.shape[-1]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(-1)


def _masked_alternative(scores):
    """Causal weights from raw scores; both (heads, T, T), rows are queries."""
    weights = torch.zeros_like(scores)
    for t in range(scores.shape[-1]):
        weights[:, t, : t + 1] = scores[:, t, : t + 1].softmax(-1)
    return weights


def _above(scores: Tensor, diagonal: int) -> Tensor:
    return torch.ones_like(scores, dtype=torch.bool).triu(diagonal)


_MISTAKES = {
    "no mask": (
        lambda scores: scores.softmax(-1),
        "The future keeps its weight: this is the softmax of the block without a mask.",
    ),
    "masks after the softmax": (
        lambda scores: scores.softmax(-1).masked_fill(_above(scores, 1), 0.0),
        "The rows do not add up to 1: the softmax has already shared out weight to the future, and setting it to 0 "
        "throws that part away. Hide the scores first, then take the softmax.",
    ),
    "zero instead of minus infinity": (
        lambda scores: scores.masked_fill(_above(scores, 1), 0.0).softmax(-1),
        "A score of 0 is a score like any other: its weight is exp(0) = 1 before the softmax divides. Only a score "
        "of minus infinity gives the weight 0.",
    ),
    "hides the past": (
        lambda scores: scores.masked_fill(_above(scores, 0).mT & ~_above(scores, 0), float("-inf")).softmax(-1),
        "The weights are those of the other triangle: each position sees itself and what comes later. Rows are "
        "queries, columns are keys, and the future lies above the diagonal.",
    ),
    "hides its own position": (
        lambda scores: scores.masked_fill(_above(scores, 0), float("-inf")).softmax(-1),
        "The first row is not a number: the first position has only itself to look at, and you hid that too. Keep "
        "the diagonal, hide what lies above it.",
    ),
    "softmax over the queries": (
        lambda scores: scores.masked_fill(_above(scores, 1), float("-inf")).softmax(-2),
        "The columns add up to 1, not the rows. Each query shares out a weight of 1 over its keys: the softmax runs "
        "over the last dimension.",
    ),
}


class _Block(nn.Module):
    """A language model of one attention layer as the tutorial has it; `weigh` turns its scores into weights."""

    config = SHAPE

    def __init__(self, weigh: Callable):
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        V, D = self.config.vocab_size, self.config.dim
        self.embed, self.q, self.k, self.v, self.head = (
            torch.randn(rows, D, generator=draw) / D**0.5 * scale
            for rows, scale in ((V, 4), (D, 1), (D, 1), (D, 1), (V, 1))
        )
        self.weigh = weigh

    def forward(self, tokens: Tensor) -> Tensor:
        (x,) = self.embed[tokens]  # (T, D)
        scores = (x @ self.q) @ (x @ self.k).T / self.config.dim**0.5
        weights = torch.as_tensor(self.weigh(scores[None])).float()[0]
        return ((x + weights @ (x @ self.v)) @ self.head.T)[None]  # (1, T, V)


def _cases():
    draw = torch.Generator().manual_seed(0)
    return [(3 * torch.randn(heads, T, T, generator=draw),) for heads, T in ((2, 5), (3, 8), (1, 1))]


def _describe(weights, right, scores):
    if not weights.isfinite().all():
        return Wrong(
            "not a number",
            "Some weights are not finite: a row in which nothing may be seen, or minus infinity times zero.",
        )
    if weights[_above(weights, 1)].abs().max() > STILL:
        return Wrong(
            "the future keeps some weight", "Above the diagonal every weight must be 0, whatever the scores are."
        )
    if (weights.sum(-1) - 1).abs().max() > STILL:
        return Wrong(
            "rows do not add up to 1", "Each row is shared out in full: take the softmax after hiding the future."
        )
    return Wrong("other weights", "The future is hidden, but the rest is not the softmax of the scores of each row.")


def _lesson(answer, found):
    tokens = Noise(seq_len=SHAPE.max_seq_len).batch(0, 1).tokens
    before, after = (deep_narrow.leak(_Block(weigh), tokens) for weigh in (_MISTAKES["no mask"][0], answer))
    return (
        "Each position now shares out its attention over itself and its past. In a block like the tutorial's your "
        f"weights bring the leak from {before:.2f} to {after:.2g}."
    )


MASK = by_example(
    name="mask",
    title="Mask the future",
    task="""
Attention scores say how much each position attends to each other one. A softmax turns a row of scores into weights that
add up to 1. Without a causal mask, that row includes later positions.

Write `masked(scores)`. `scores` has the shape (heads, T, T), with a row for each query position and a column for each
key position. Return weights of the same shape with which **position t attends to itself and earlier positions, and
nothing else**. Each row still adds up to 1.
""".strip(),
    answer="masked",
    stub=_masked_stub,
    solution=_masked_solution,
    alternative=_masked_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Which triangle of the T x T square is the future, if rows are queries and columns are keys? Does the "
        "diagonal belong to it?",
        "Hide the future *before* the softmax, with a score that it turns into a weight of exactly 0. What number "
        "has exp(x) = 0?",
        "`future = torch.ones(T, T, dtype=torch.bool).triu(1)` is true above the diagonal. "
        '`scores.masked_fill(future, float("-inf"))` hides it, and `.softmax(-1)` shares out each row.',
    ),
    cases=_cases,
    describe=_describe,
    lesson=_lesson,
    read=tensor,
    same=partial(close, atol=STILL),
)
