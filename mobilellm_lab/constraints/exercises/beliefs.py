"""Beliefs about what a phone allows, and the rules by which lab 1 judges them"""

from mobilellm_lab.teaching.beliefs import Belief, Beliefs, Number


def tops(prefill_gain: Number, decode_gain: Number) -> tuple[bool, str]:
    return decode_gain > prefill_gain / 2, (
        f"On one phone the GPU runs prefill {prefill_gain:.1f} times as fast as the CPU, and decode "
        f"{decode_gain:.2f} times as fast."
    )


def cache(weights_mib: Number, kv_mib: Number) -> tuple[bool, str]:
    return kv_mib < weights_mib / 10, (
        f"At this lab's context, MobileLLM-125M has {weights_mib:.0f} MiB of 4-bit weights and {kv_mib:.0f} MiB of "
        "cache."
    )


def prompt(prefill_per_s: Number, decode_per_s: Number) -> tuple[bool, str]:
    return prefill_per_s < 2 * decode_per_s, (
        f"By formula, the device runs {prefill_per_s / decode_per_s:.0f} prompt tokens of MobileLLM-350M in the time "
        "of one decode step."
    )


def arithmetic(bytes_j: Number, operations_j: Number) -> tuple[bool, str]:
    return operations_j > bytes_j, (
        f"By the table at 45 nm, moving the bytes of a token costs {bytes_j / operations_j:.2g} times as much as "
        "computing with them."
    )


def battery(small_hours: Number, large_hours: Number) -> tuple[bool, str]:
    return small_hours > 2 * large_hours, (
        f"By formula, one charge lasts up to {small_hours:.1f} hours with MobileLLM-125M and {large_hours:.1f} with "
        "MobileLLM-1B: the small one generates more tokens meanwhile."
    )


def tiny(fewer: Number, faster: Number) -> tuple[bool, str]:
    return faster > fewer / 2, (
        f"The smallest model has {fewer:.0f} times fewer parameters than the middle one, and decodes {faster:.0f} "
        "times as fast."
    )


def heat(first_per_s: Number, last_per_s: Number) -> tuple[bool, str]:
    return last_per_s < 0.9 * first_per_s, (
        f"In published runs without a pause, a phone fell from {first_per_s:.0f} to {last_per_s:.0f} tokens/s."
    )


BELIEFS = Beliefs(
    "constraints",
    (
        Belief(text="A phone's processor with more TOPS generates tokens faster.", section=3, rule=tops),
        Belief(text="Beside the weights, the KV cache is small.", section=2, rule=cache),
        Belief(text="A token of the prompt takes about as long as a token of the answer.", section=3, rule=prompt),
        Belief(text="Arithmetic takes most of the energy of a generated token.", section=4, rule=arithmetic),
        Belief(text="A smaller model can generate for more hours on one charge.", section=4, rule=battery),
        Belief(text="Heat slows a phone down before its battery is empty.", section=4, rule=heat),
        Belief(text="Hundreds of times fewer parameters decode hundreds of times faster.", section=5, rule=tiny),
    ),
)
