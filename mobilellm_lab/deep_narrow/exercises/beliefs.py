"""Beliefs about depth and width, and the rules by which lab 2 judges them"""

from mobilellm_lab.teaching.beliefs import Belief, Beliefs, Number


def loss(leaky: Number, leaky_on_prefixes: Number, masked_on_prefixes: Number) -> tuple[bool, str]:
    return leaky_on_prefixes < masked_on_prefixes, (
        f"The block without a mask trains to {leaky:.2f} nats. On prefixes its loss is {leaky_on_prefixes:.1f}, that "
        f"of the masked one {masked_on_prefixes:.2f}."
    )


def parameters(wide_score: Number, deep_score: Number) -> tuple[bool, str]:
    return wide_score > deep_score, (
        f"Three layers with a seventh of the parameters reach an accuracy of {deep_score:.2f}, and one wide layer "
        f"{wide_score:.2f}."
    )


def deeper(four_best: Number, four_median: Number, eight_median: Number) -> tuple[bool, str]:
    return eight_median < four_best, (
        f"On English text, eight layers need {eight_median:.2f} bits per byte, and four layers {four_median:.2f}. The "
        f"best seed of four layers needs {four_best:.2f}."
    )


def arithmetic(wide_flops: Number, deep_flops: Number) -> tuple[bool, str]:
    return deep_flops < 0.9 * wide_flops, (
        f"Sixteen layers do {deep_flops / wide_flops:.2f} times the operations of one layer with as many parameters."
    )


def cache(wide_bytes: Number, deep_bytes: Number) -> tuple[bool, str]:
    return deep_bytes > wide_bytes, (
        f"One wide layer keeps {wide_bytes:,.0f} bytes for each token, and sixteen narrow ones {deep_bytes:,.0f}."
    )


def speed(shallow_per_s: Number, deep_per_s: Number) -> tuple[bool, str]:
    return deep_per_s > 0.9 * shallow_per_s, (
        f"With 10 million parameters, two layers decode {shallow_per_s:.0f} tokens/s and thirty-two {deep_per_s:.0f}."
    )


def sharing(plain_best: Number, plain_median: Number, shared_median: Number) -> tuple[bool, str]:
    return shared_median < plain_best, (
        f"On English text, eight shared layers need {shared_median:.2f} bits per byte, and the same layers run once "
        f"{plain_median:.2f}."
    )


BELIEFS = Beliefs(
    "deep_narrow",
    (
        Belief(text="The lower the training loss, the better the language model.", section=2, rule=loss),
        Belief(text="Of two models, the one with more parameters is the better one.", section=3, rule=parameters),
        Belief(text="The deeper, the better, whatever the task.", section=3, rule=deeper),
        Belief(
            text="Many narrow layers need less arithmetic than one wide layer of the same size.",
            section=3,
            rule=arithmetic,
        ),
        Belief(text="A deeper model of the same size needs a larger KV cache.", section=3, rule=cache),
        Belief(text="Models of equal size generate tokens equally fast.", section=4, rule=speed),
        Belief(
            text="Running each layer twice makes a model better, without a parameter more.", section=5, rule=sharing
        ),
    ),
)
