"""Exercise: number of parameters of a shape"""

from functools import partial
from inspect import signature

import torch

from mobilellm_lab import zoo
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.teaching.by_example import another, by_example

# Shapes of the zoo that are exactly this block: tied, SwiGLU, no biases.
PUBLISHED = ("MobileLLM-125M", "MobileLLM-R1-140M", "Llama-3.2-1B")


def _parameters_stub(n_layers, dim, hidden_dim, n_heads, n_kv_heads, vocab_size):
    """Stored weights of a decoder with SwiGLU, grouped-query attention, RMSNorm and one tied table."""
    return ...  # your code


def _parameters_solution(n_layers, dim, hidden_dim, n_heads, n_kv_heads, vocab_size):
    """Stored weights of a tied decoder with SwiGLU and grouped queries."""
    head_dim = dim // n_heads
    queries_and_output = 2 * dim * dim
    keys_and_values = 2 * dim * n_kv_heads * head_dim
    ffn = 3 * dim * hidden_dim  # gate, up, down
    norms = 2 * dim
    layer = queries_and_output + keys_and_values + ffn + norms
    return vocab_size * dim + n_layers * layer + dim


def _parameters_alternative(n_layers, dim, hidden_dim, n_heads, n_kv_heads, vocab_size):
    """Stored weights of a tied decoder with SwiGLU and grouped queries."""
    config = ModelConfig(
        n_layers=n_layers,
        dim=dim,
        hidden_dim=hidden_dim,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        vocab_size=vocab_size,
    )
    with torch.device("meta"):  # builds it as shapes without values
        model = Transformer(config)
    return sum(weight.numel() for weight in model.parameters())


def _miscount(L, D, F, H, K, V, *, tables=1, squares=2, kv=True, matrices=3, norms=2, last=1, repeat=True) -> int:
    """The count with one part changed: what a slip of that kind gives."""
    keys_and_values = 2 * D * (K if kv else H) * (D // H)
    layer = squares * D * D + keys_and_values + matrices * D * F + norms * D
    return tables * V * D + (L if repeat else 1) * layer + last * D


_MISTAKES = {
    "counts a second table": (
        partial(_miscount, tables=2),
        "You counted the table twice. Tied embeddings store it once and use it at both ends.",
    ),
    "keys and values at full width": (
        partial(_miscount, kv=False),
        "You counted keys and values as dim x dim. With grouped queries only `n_kv_heads` heads of `dim / n_heads` "
        "channels are stored for each of them.",
    ),
    "two feed-forward matrices": (
        partial(_miscount, matrices=2),
        "You counted two feed-forward matrices. SwiGLU has three of dim x hidden_dim: gate, up and down.",
    ),
    "forgets the norms": (
        partial(_miscount, norms=0, last=0),
        "The norms are missing. Each RMSNorm stores `dim` weights: two in every layer, and one before the output.",
    ),
    "forgets the last norm": (
        partial(_miscount, last=0),
        "`dim` weights are missing: one more norm stands between the last layer and the table.",
    ),
    "forgets the output matrix": (
        partial(_miscount, squares=1),
        "A dim x dim matrix is missing in every layer: besides the queries, attention has an output matrix.",
    ),
    "counts one layer only": (
        partial(_miscount, repeat=False),
        "Your count does not grow with `n_layers`. Every layer stores its own matrices.",
    ),
    "forgets the table": (
        partial(_miscount, tables=0),
        "The embedding table is missing: a row of `dim` weights for every token.",
    ),
}


def _cases():
    tiny = ModelConfig(vocab_size=11, dim=24, n_layers=3, n_heads=6, n_kv_heads=2, hidden_dim=40)
    small = ModelConfig(vocab_size=6, dim=40, n_layers=5, n_heads=4, n_kv_heads=4, hidden_dim=72)
    shapes = [tiny, small, *(zoo.SHAPES[name].config for name in PUBLISHED)]
    return [tuple(getattr(config, name) for name in signature(_parameters_stub).parameters) for config in shapes]


def _lesson(answer, found):
    return (
        f"{len(found)} shapes agree to the last weight, among them {PUBLISHED[0]} with {found[2]:,.0f}. Each of its "
        "weights is used once per token, so that equal parameters are about equal arithmetic, at any depth."
    )


COUNT = by_example(
    name="count",
    title="Count the parameters",
    task="""
Write `parameters(n_layers, dim, hidden_dim, n_heads, n_kv_heads, vocab_size)`. It returns the number of stored weights
of MobileLLM's decoder, without building it.

One **tied** table serves as input and output. In each layer, attention has queries and output of dim x dim, and keys
and values for `n_kv_heads` heads of `dim / n_heads` channels. A SwiGLU feed-forward layer of width `hidden_dim` has
three matrices. Two norms hold `dim` weights each, and one more norm stands before the output. There are no biases, and
RoPE stores nothing.
""".strip(),
    answer="parameters",
    stub=_parameters_stub,
    solution=_parameters_solution,
    alternative=_parameters_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Add up one layer first: attention, feed-forward, norms. What is stored once, outside the layers?",
        "With `head_dim = dim // n_heads`, keys and values are two matrices of dim x `n_kv_heads * head_dim`; queries "
        "and output are dim x dim.",
        "`vocab_size * dim + n_layers * (attention + 3 * dim * hidden_dim + 2 * dim) + dim`, with "
        "`attention = 2 * dim * dim + 2 * dim * n_kv_heads * head_dim`.",
    ),
    cases=_cases,
    describe=another("count", "weights", _parameters_solution),
    lesson=_lesson,
)
