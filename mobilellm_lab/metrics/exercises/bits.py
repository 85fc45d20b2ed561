"""Exercise: bits per byte, the quality of a language model that its tokenizer cannot flatter."""

import math
from collections.abc import Callable

import numpy as np

from mobilellm_lab.teaching.exercise import Exercise, Wrong

STILL = 1e-6  # of the right value; an answer that is off by less is right

# One text of 48 bytes, cut by two tokenizers: byte by byte, and into pieces of uneven length.
TEXT_BYTES = 48
_BY_BYTE = (tuple(0.8 + 0.4 * (i % 5) for i in range(TEXT_BYTES)), (1,) * TEXT_BYTES)
_BY_PIECE = ((6.4, 5.1, 7.0, 4.2, 8.3, 6.6, 5.9, 7.7, 4.9), (3, 2, 9, 1, 12, 5, 4, 10, 2))
_SHORT = ((2.0, 1.0), (1, 7))
_TEXTS = (_BY_BYTE, _BY_PIECE, _SHORT)


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


# An answer that gives what one of these gives has that misconception.
_BITS_SLIPS = {
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


def _inspect_bits(answer: Callable) -> str:
    found = [answer(list(losses), list(sizes)) for losses, sizes in _TEXTS]
    try:
        found = [float(value) for value in found]
    except (TypeError, ValueError) as error:
        raise Wrong("not a number", f"Return one number. Yours is a {type(found[0]).__name__}.") from error
    right = [float(_bits_per_byte_solution(*text)) for text in _TEXTS]
    if _near(found, right):
        by_byte, by_piece = (_BITS_SLIPS["perplexity"][0](*text) for text in (_BY_BYTE, _BY_PIECE))
        return (
            f"The same {TEXT_BYTES} bytes: by perplexity the byte model ({by_byte:.1f}) looks far better than the one "
            f"with longer tokens ({by_piece:,.0f}); in bits per byte they are {right[0]:.2f} and {right[1]:.2f}, and "
            "the order is the other way round."
        )
    for name, (slip, explanation) in _BITS_SLIPS.items():
        if _near(found, [slip(*text) for text in _TEXTS]):
            raise Wrong(name, explanation)
    i = next(i for i, (got, expected) in enumerate(zip(found, right, strict=True)) if not _near([got], [expected]))
    losses, sizes = _TEXTS[i]
    raise Wrong(
        "another number",
        f"{len(losses)} tokens with {sum(losses):.1f} nats in all, on {sum(sizes)} bytes, gave {found[i]:.4f} where "
        f"{right[i]:.4f} is right.",
    )


def _near(found: list[float], expected: list[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=STILL) for a, b in zip(found, expected, strict=True))


BITS = Exercise(
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
    mistakes={name: slip for name, (slip, _) in _BITS_SLIPS.items()},
    hints=(
        "What is the same for both models, whatever their tokens are? Divide by that.",
        "The loss of the whole text is the sum over its tokens. In bits it is that sum divided by ln 2.",
        "`np.sum(losses_nats) / np.log(2) / np.sum(token_bytes)`: the bits of the text over the bytes of the text.",
    ),
    inspect=_inspect_bits,
)
