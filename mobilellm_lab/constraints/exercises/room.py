"""Exercise: how long a conversation fits beside the weights in the memory that an app may use."""

import math
from collections.abc import Callable
from functools import partial

from mobilellm_lab import footprint, zoo
from mobilellm_lab.teaching.exercise import Exercise, Wrong
from mobilellm_lab.teaching.slips import equal, numbers, why

NAMES = ("parameters", "bits", "kv_bytes", "memory_gib", "share")


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


_SLIPS = {
    "gigabytes for gibibytes": (
        {"giga": 1e9},
        "You took a GiB for 10**9 bytes. Memory comes in powers of two: a GiB is 2**30 bytes, 7 % more.",
    ),
    "all of the memory": (
        {"shared": "all"},
        "You gave the model all of the memory. The system and other apps live there too: only `share` of it is yours.",
    ),
    "a share of what is left": (
        {"shared": "rest"},
        "You took the weights away before taking the share. The share is of the whole memory, and the weights must fit "
        "into it.",
    ),
    "bits taken for bytes": (
        {"per_byte": 1},
        "Your weights take as many bytes as they have bits. Divide by 8.",
    ),
    "forgets the weights": (
        {"kept": 0},
        "You filled the whole budget with the cache. The weights must be in memory as well.",
    ),
    "a negative room": (
        {"least": -math.inf},
        "Where the weights alone are too large your answer is below 0. Return 0: no token fits.",
    ),
    "a part of a token": (
        {"whole": _as_it_is},
        "You returned a fraction of a token. A position is in the cache or is not: round down.",
    ),
    "one token too many": (
        {"whole": math.ceil},
        "You rounded up, and the last token does not fit. Round down.",
    ),
    "the nearest number of tokens": (
        {"whole": round},
        "You rounded to the nearest whole number, which may be one too many. Round down.",
    ),
}


def _inspect_longest_context(answer: Callable) -> str:
    model = zoo.SHAPES["MobileLLM-1B"].config
    size, kv = footprint.parameters(model), footprint.kv_bytes_per_token(model)
    cases = [
        (400_000_000, 4.5, 30_000, 8, 0.1),
        (1_000_000_000, 8, 64_000, 12, 0.12),
        (532_774_912, 8, 4096, 1, 0.5),  # exactly 1,000 tokens
        (7_000_000_000, 8, 524_288, 6, 0.1),
        (125_000_000, 16, 22_700, 3, 0.25),
        (size, 4.5, kv, 6, 0.1),
        (size, 16, kv, 6, 0.1),
    ]
    found = numbers(answer, cases)
    right = [_tokens(*case) for case in cases]
    if not equal(found, right):
        if wrong := why(_tokens, _SLIPS, cases, found):
            raise wrong
        i = next(i for i in range(len(cases)) if not equal([found[i]], [right[i]]))
        values = ", ".join(f"{name}={value}" for name, value in zip(NAMES, cases[i], strict=True))
        raise Wrong("another number of tokens", f"For {values} you have {found[i]:,.6g}, and {right[i]:,} is right.")
    return (
        f"In a tenth of 6 GiB, MobileLLM-1B with 4.5 bits a weight has room for {right[-2]:,} tokens of a 16-bit "
        f"cache; with 16 bits a weight for {right[-1]}, since the weights alone are too large. Its 54 layers ask "
        f"{kv / 1024:.1f} KiB for every token."
    )


ROOM = Exercise(
    name="room",
    title="Room for a conversation",
    task="""
An app may not use the whole memory of a phone: the MobileLLM paper plans with a tenth of it. Into that share go the
weights, and what is left holds the KV cache.

Write `longest_context(parameters, bits, kv_bytes, memory_gib, share)`: the **most whole tokens of cache that fit beside
the weights** into `share` (0.1 for a tenth) of `memory_gib` GiB. A weight has `bits` bits, a token takes `kv_bytes`
bytes of cache. Return 0 if the weights alone do not fit.
""".strip(),
    answer="longest_context",
    stub=_longest_context_stub,
    solution=_longest_context_solution,
    alternative=_longest_context_alternative,
    mistakes={name: partial(_tokens, **keywords) for name, (keywords, _) in _SLIPS.items()},
    hints=(
        "Three steps: the budget in bytes, what the weights leave of it, and how many tokens go into the rest.",
        "A GiB is `2**30` bytes. The weights take `parameters * bits / 8` bytes out of the share.",
        "`left // kv_bytes` rounds down, for negative numbers too: keep it from going below 0 with `max`.",
    ),
    inspect=_inspect_longest_context,
)
