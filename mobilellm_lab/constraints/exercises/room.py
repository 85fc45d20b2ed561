"""Exercise: longest context that fits beside the weights"""

import math
from functools import partial

from mobilellm_lab import footprint, zoo
from mobilellm_lab.teaching.by_example import another, by_example


def _longest_context_stub(parameters, bits, kv_bytes, memory_gib, share):
    """Most tokens that fit beside the weights; 0 if the weights do not."""
    return ...  # your code


def _longest_context_solution(parameters, bits, kv_bytes, memory_gib, share):
    """Most tokens that fit beside the weights; 0 if the weights do not."""
    budget = share * memory_gib * 2**30
    left = budget - parameters * bits / 8
    return max(0, int(left // kv_bytes))


def _longest_context_alternative(parameters, bits, kv_bytes, memory_gib, share):
    """Most tokens that fit beside the weights; 0 if the weights do not."""
    left_bits = 8 * 1024**3 * memory_gib * share - parameters * bits
    if left_bits < 0:
        return 0
    tokens, _ = divmod(left_bits, 8 * kv_bytes)
    return tokens


def _tokens(
    parameters, bits, kv, memory, share, *, giga=2**30, per_byte=8, shared="budget", least=0, whole=math.floor, kept=1
):
    """The tokens with some steps changed: what slips of that kind give."""
    weights, memory = kept * parameters * bits / per_byte, memory * giga
    left = {"budget": share * memory - weights, "rest": share * (memory - weights), "all": memory - weights}[shared]
    return max(least, whole(left / kv))


def _as_it_is(value):
    return value


_MISTAKES = {
    "gigabytes for gibibytes": (
        partial(_tokens, giga=1e9),
        "You took a GiB for 10**9 bytes. Memory comes in powers of two: a GiB is 2**30 bytes, 7 % more.",
    ),
    "all of the memory": (
        partial(_tokens, shared="all"),
        "You gave the model all of the memory. The system and other apps live there too: only `share` of it is yours.",
    ),
    "a share of what is left": (
        partial(_tokens, shared="rest"),
        "You took the weights away before taking the share. The share is of the whole memory, and the weights must fit "
        "into it.",
    ),
    "bits taken for bytes": (
        partial(_tokens, per_byte=1),
        "Your weights take as many bytes as they have bits. Divide by 8.",
    ),
    "forgets the weights": (
        partial(_tokens, kept=0),
        "You filled the whole budget with the cache. The weights must be in memory as well.",
    ),
    "a negative room": (
        partial(_tokens, least=-math.inf),
        "Where the weights alone are too large your answer is below 0. Return 0: no token fits.",
    ),
    "a part of a token": (
        partial(_tokens, whole=_as_it_is),
        "You returned a fraction of a token. A position is in the cache or is not: round down.",
    ),
    "one token too many": (
        partial(_tokens, whole=math.ceil),
        "You rounded up, and the last token does not fit. Round down.",
    ),
    "the nearest number of tokens": (
        partial(_tokens, whole=round),
        "You rounded to the nearest whole number, which may be one too many. Round down.",
    ),
}


def _sizes():
    model = zoo.SHAPES["MobileLLM-1B"].config
    return footprint.parameters(model), footprint.kv_bytes_per_token(model)


def _cases():
    size, kv = _sizes()
    return [
        (400_000_000, 4.5, 30_000, 8, 0.1),
        (1_000_000_000, 8, 64_000, 12, 0.12),
        (532_774_912, 8, 4096, 1, 0.5),  # exactly 1,000 tokens
        (7_000_000_000, 8, 524_288, 6, 0.1),
        (125_000_000, 16, 22_700, 3, 0.25),
        (size, 4.5, kv, 6, 0.1),
        (size, 16, kv, 6, 0.1),
    ]


def _lesson(answer, found):
    return (
        f"In a tenth of 6 GiB, MobileLLM-1B in 4.5 bits leaves room for {found[-2]:,.0f} tokens of a 16-bit cache. In "
        f"16 bits it leaves room for {found[-1]:.0f}, since the weights alone are too large. Its 54 layers take "
        f"{_sizes()[1] / 1024:.1f} KiB for every token."
    )


ROOM = by_example(
    name="room",
    title="Longest context that fits",
    task="""
An app may not use the whole memory of a phone. The MobileLLM paper plans with a tenth of it for the weights and the KV
cache.

Write `longest_context(parameters, bits, kv_bytes, memory_gib, share)`, which returns the **most whole tokens of cache
that fit beside the weights** into `share` (0.1 for a tenth) of `memory_gib` GiB. A weight has `bits` bits, and a token
takes `kv_bytes` bytes of cache. Return 0 if the weights alone do not fit.
""".strip(),
    answer="longest_context",
    stub=_longest_context_stub,
    solution=_longest_context_solution,
    alternative=_longest_context_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Three steps: the budget in bytes, what the weights leave of it, and how many tokens go into the rest.",
        "A GiB is `2**30` bytes. The weights take `parameters * bits / 8` bytes out of the share.",
        "`left // kv_bytes` rounds down, for negative numbers too: keep it from going below 0 with `max`.",
    ),
    cases=_cases,
    describe=another("number of tokens", "tokens", _longest_context_solution),
    lesson=_lesson,
)
