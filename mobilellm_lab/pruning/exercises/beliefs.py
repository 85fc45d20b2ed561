"""Beliefs about pruning, and the rules by which both parts of lab 4 judge them"""

from mobilellm_lab.teaching.beliefs import Belief, Beliefs, Number


def half(increase_nats: Number) -> tuple[bool, str]:
    return increase_nats < 0.05, f"Without the smaller half of each row, the loss increase is {increase_nats:.3f} nats."


def gradient(magnitude_nats: Number, taylor_nats: Number) -> tuple[bool, str]:
    return taylor_nats < magnitude_nats, (
        f"Half of the weights removed by Taylor cost {taylor_nats:.2f} nats. Removed by magnitude, which sees no data, "
        f"they cost {magnitude_nats:.3f}."
    )


def compete(row_nats: Number, matrix_nats: Number, all_nats: Number) -> tuple[bool, str]:
    increases = row_nats, matrix_nats, all_nats
    return max(increases) < 1.5 * min(increases), (
        f"70 % by magnitude cost {row_nats:.2f} nats where rows compete, and {all_nats:.2f} where all weights do."
    )


def file(share: Number) -> tuple[bool, str]:
    return share < 0.95, f"Half of the weights are zeros, and the file has {share:.0%} of its bytes."


def sparse(csr_share: Number, bitmap_share: Number) -> tuple[bool, str]:
    return csr_share < 0.6, (
        f"CSR, with an index for each weight, takes {csr_share:.0%} of the dense bytes. A bitmap takes "
        f"{bitmap_share:.0%}."
    )


def zeros(times: Number) -> tuple[bool, str]:
    return times > 1.1, f"The model with half zeros reads a prompt {times:.2f} times as fast as the dense one."


def stay(zeros_left: Number) -> tuple[bool, str]:
    return zeros_left > 0.4, (
        f"Half of the weights were 0. After two updates that nothing held, {zeros_left:.1%} of them are."
    )


def recover(share_recovered: Number) -> tuple[bool, str]:
    return share_recovered > 0.5, (
        f"Forty updates recover {share_recovered:.0%} of what removing 80 % of the weights cost."
    )


def scratch(pruned_nats: Number, twin_nats: Number) -> tuple[bool, str]:
    return twin_nats <= pruned_nats, (
        f"After the same seconds the small model ends at {twin_nats:.3f} nats, and the pruned one at {pruned_nats:.3f}."
    )


BELIEFS = Beliefs(
    "pruning",
    (
        Belief(text="Half of a trained model's weights can go at once, and it hardly matters.", section=2, rule=half),
        Belief(text="The gradient of the loss finds idle weights best.", section=2, rule=gradient),
        Belief(text="It hardly matters which weights compete with each other.", section=2, rule=compete),
        Belief(text="A model half of whose weights are 0 makes a smaller file.", section=3, rule=file),
        Belief(text="Storing only the kept weights, with their indices, halves the bytes.", section=3, rule=sparse),
        Belief(text="Zeros make a model faster, since there is less to multiply.", section=3, rule=zeros),
        Belief(text="A weight that was set to 0 stays 0 in fine-tuning.", section=4, rule=stay),
        Belief(text="A few dozen updates recover most of what pruning cost.", section=4, rule=recover),
        Belief(text="Trained as long, a small model from random weights gets as good.", section=5, rule=scratch),
    ),
)


def pattern(free_nats: Number, pattern_nats: Number) -> tuple[bool, str]:
    return pattern_nats > 1.5 * free_nats, (
        f"Without a free half of each row the loss increase is {free_nats:.3f} nats, and with the pattern "
        f"{pattern_nats:.3f}."
    )


def neurons(neuron_nats: Number, weight_nats: Number) -> tuple[bool, str]:
    return neuron_nats > 1.5 * weight_nats, (
        f"Half of the neurons cost {neuron_nats:.3f} nats. As many single weights cost {weight_nats:.3f}."
    )


def channel(with_gain: Number, without_gain: Number) -> tuple[bool, str]:
    return without_gain < 10 * with_gain, (
        f"A quarter of the channels cut out moves the logits by up to {without_gain:.2g}. With the gain that mends "
        f"RMSNorm it is {with_gain:.0e}."
    )


def alone(alone_nats: Number, best_nats: Number) -> tuple[bool, str]:
    return alone_nats <= best_nats, (
        f"The four layers that cost least alone cost {alone_nats:.3f} nats together. Another choice of four costs "
        f"{best_nats:.3f}."
    )


def faster(times: Number) -> tuple[bool, str]:
    return times > 1.25, f"At the shape of a 125M model, it decodes {times:.2f} times as fast."


def csr(small_times: Number, large_times: Number) -> tuple[bool, str]:
    return min(small_times, large_times) > 1, (
        f"As CSR, a model of a million parameters decodes {small_times:.2f} times as fast as dense, and one of 125M "
        f"{large_times:.2f} times."
    )


def even(even_nats: Number, allocated_nats: Number) -> tuple[bool, str]:
    return even_nats <= allocated_nats, (
        f"As many zeros, allocated by sensitivity, take the loss increase from {even_nats:.3f} to "
        f"{allocated_nats:.3f} nats."
    )


def keep(rounded: Number, gptq: Number, rotated: Number) -> tuple[bool, str]:
    return min(rounded, gptq, rotated) > 0.99, (
        f"RTN keeps {rounded:.0%} of the zeros. GPTQ keeps {gptq:.0%}, and a rotation before it {rotated:.0%}."
    )


def smallest(magnitude_nats: Number, wanda_nats: Number) -> tuple[bool, str]:
    return magnitude_nats < 2 * wanda_nats, (
        f"Where some inputs are 16 times larger, magnitude costs {magnitude_nats:.2f} nats and Wanda {wanda_nats:.3f}."
    )


BELIEFS_MORE = Beliefs(
    "pruning_more",
    (
        Belief(text="Two of every four neighbours cost more than a free half of each row.", section=1, rule=pattern),
        Belief(text="Whole neurons cost more than as many single weights.", section=2, rule=neurons),
        Belief(text="Channels that are 0 can be cut out, and the output stays the same.", section=2, rule=channel),
        Belief(text="The best layers to remove are those that each cost least alone.", section=3, rule=alone),
        Belief(text="Without a quarter of its neurons, a model decodes a quarter faster.", section=4, rule=faster),
        Belief(text="With half of the weights at 0, a sparse format is faster.", section=4, rule=csr),
        Belief(text="The same amount for each matrix is the best use of a budget of zeros.", section=5, rule=even),
        Belief(text="When a pruned model is quantized, its zeros stay zeros.", section=7, rule=keep),
        Belief(text="The smallest weights are the ones that matter least.", section=8, rule=smallest),
    ),
)
