"""Exercise: bits per byte, the quality of a language model that its tokenizer cannot flatter."""

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
        "You multiplied by ln 2. A bit is the smaller unit, so the same loss is *more* bits than nats: divide.",
    ),
    "per token": (
        lambda losses, sizes: sum(losses) / math.log(2) / len(losses),
        "You have bits per token. Whoever cuts a text into longer tokens has fewer of them, each harder to guess; "
        "divide by the bytes of the text, which no tokenizer can change.",
    ),
    "the mean loss": (
        lambda losses, sizes: sum(losses) / len(losses),
        "You returned the mean loss: nats, not bits, and per token, not per byte.",
    ),
    "perplexity": (
        lambda losses, sizes: math.exp(sum(losses) / len(losses)),
        "You returned the perplexity. It counts choices per *token*, and changes with the tokenizer while the model "
        "stays as good.",
    ),
    "a mean of ratios": (
        lambda losses, sizes: sum(a / b for a, b in zip(losses, sizes, strict=True)) / math.log(2) / len(losses),
        "You took the mean of each token's bits per byte. A token of one byte then weighs as much as one of twelve: "
        "add up the losses, add up the bytes, and divide once.",
    ),
    "mean loss over all bytes": (
        lambda losses, sizes: sum(losses) / len(losses) / math.log(2) / sum(sizes),
        "You divided a mean by a sum: the loss of one token by the bytes of the whole text. Both must be of the whole "
        "text.",
    ),
}


def _lesson(answer, found):
    by_byte, by_piece = (math.exp(np.mean(losses)) for losses, _ in (_BY_BYTE, _BY_PIECE))
    return (
        f"The same {TEXT_BYTES} bytes: by perplexity the byte model ({by_byte:.1f}) looks far better than the one "
        f"with longer tokens ({by_piece:,.0f}); in bits per byte they are {found[1]:.2f} and {found[2]:.2f}, and "
        "the order is the other way round."
    )


BITS = by_example(
    name="bits",
    title="A quality that no tokenizer can flatter",
    task="""
A language model has read a text. For each token you know the loss in nats, `losses_nats`, and how many bytes of the
text it stands for, `token_bytes`. Write `bits_per_byte(losses_nats, token_bytes)`: **how many bits the model needs for
one byte of the text**.

Two models with different tokenizers cut the same text into different numbers of tokens. Your number must be fair to
both.
""".strip(),
    answer="bits_per_byte",
    stub=_bits_per_byte_stub,
    solution=_bits_per_byte_solution,
    alternative=_bits_per_byte_alternative,
    mistakes=_MISTAKES,
    hints=(
        "What is the same for both models, whatever their tokens are? Divide by that.",
        "The loss of the whole text is the sum over its tokens. In bits it is that sum divided by ln 2.",
        "`np.sum(losses_nats) / np.log(2) / np.sum(token_bytes)`: the bits of the text over the bytes of the text.",
    ),
    cases=lambda: _TEXTS,
    describe=another("number", "bits per byte", _bits_per_byte_solution),
    lesson=_lesson,
)
