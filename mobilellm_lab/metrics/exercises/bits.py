"""Exercise: bits per byte of a text, from the loss and the length of each token"""

import math

import numpy as np

from mobilellm_lab.teaching.by_example import another, by_example

# One text of 48 bytes, cut by two tokenizers: byte by byte, and into pieces of uneven length.
TEXT_BYTES = 48
_BY_BYTE = ([0.8 + 0.4 * (i % 5) for i in range(TEXT_BYTES)], [1] * TEXT_BYTES)
_BY_PIECE = ([6.4, 5.1, 7.0, 4.2, 8.3, 6.6, 5.9, 7.7, 4.9], [3, 2, 9, 1, 12, 5, 4, 10, 2])
_TEXTS = (([2.0, 1.0], [1, 7]), _BY_BYTE, _BY_PIECE)


def _bits_per_byte_stub(losses_nats, token_bytes):
    """Bits per byte of one text; a loss and a length per token."""
    return ...  # your code


def _bits_per_byte_solution(losses_nats, token_bytes):
    """Bits per byte of one text; a loss and a length per token."""
    return np.sum(losses_nats) / np.log(2) / np.sum(token_bytes)


def _bits_per_byte_alternative(losses_nats, token_bytes):
    """Bits per byte of one text; a loss and a length per token."""
    bits = 0.0
    for loss in losses_nats:
        bits -= np.log2(np.exp(-loss))  # the token's probability, in bits
    return bits / sum(token_bytes)


_MISTAKES = {
    "nats, not bits": (
        lambda losses, sizes: sum(losses) / sum(sizes),
        "You have nats per byte. A nat is 1 / ln 2 = 1.44 bits, so the loss of the text is divided by ln 2.",
    ),
    "nats to bits the wrong way": (
        lambda losses, sizes: sum(losses) * math.log(2) / sum(sizes),
        "You multiplied by ln 2. A bit is the smaller unit, so the same loss is *more* bits than nats. Divide.",
    ),
    "per token": (
        lambda losses, sizes: sum(losses) / math.log(2) / len(losses),
        "You have bits per token. A tokenizer with longer tokens makes fewer of them, each harder to guess. Divide by "
        "the bytes of the text, which no tokenizer changes.",
    ),
    "the mean loss": (
        lambda losses, sizes: sum(losses) / len(losses),
        "You returned the mean loss. It is in nats, not bits, and per token, not per byte.",
    ),
    "perplexity": (
        lambda losses, sizes: math.exp(sum(losses) / len(losses)),
        "You returned the perplexity. It counts choices per *token*, and changes with the tokenizer at equal quality.",
    ),
    "a mean of ratios": (
        lambda losses, sizes: sum(a / b for a, b in zip(losses, sizes, strict=True)) / math.log(2) / len(losses),
        "You took the mean of each token's bits per byte. A token of one byte then weighs as much as one of twelve. "
        "Sum the losses, sum the bytes, and divide once.",
    ),
    "mean loss over all bytes": (
        lambda losses, sizes: sum(losses) / len(losses) / math.log(2) / sum(sizes),
        "You divided the mean loss of a token by the bytes of the whole text. Take the loss of the whole text, too.",
    ),
}


def _lesson(answer, found):
    by_byte, by_piece = (math.exp(np.mean(losses)) for losses, _ in (_BY_BYTE, _BY_PIECE))
    return (
        f"On the same text the byte model has a perplexity of {by_byte:.1f}, and the model with longer tokens one of "
        f"{by_piece:,.0f}. In bits per byte they have {found[1]:.2f} and {found[2]:.2f}, and the order is reversed."
    )


BITS = by_example(
    name="bits",
    title="Bits per byte",
    task="""
A language model was evaluated on a text. For each token you know the loss in nats, `losses_nats`, and how many bytes
of the text it stands for, `token_bytes`. Write `bits_per_byte(losses_nats, token_bytes)`: **how many bits the model
needs for one byte of the text**.

Two tokenizers split the same text into different numbers of tokens. Your number must be comparable between both.
""".strip(),
    answer="bits_per_byte",
    stub=_bits_per_byte_stub,
    solution=_bits_per_byte_solution,
    alternative=_bits_per_byte_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Which length of the text is the same for every tokenizer? Divide by it.",
        "The loss of the whole text is the sum over its tokens. In bits it is that sum divided by ln 2.",
        "`np.sum(losses_nats) / np.log(2) / np.sum(token_bytes)`: the bits of the text over the bytes of the text.",
    ),
    cases=lambda: _TEXTS,
    describe=another("number", "bits per byte", _bits_per_byte_solution),
    lesson=_lesson,
)
