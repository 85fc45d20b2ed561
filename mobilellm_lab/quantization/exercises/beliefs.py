"""Beliefs about quantization, and the rules by which both parts of lab 3 judge them"""

from mobilellm_lab.teaching.beliefs import Belief, Beliefs, Number


def groups(large_error: Number, small_error: Number, large_bits: Number, small_bits: Number) -> tuple[bool, str]:
    return small_error < large_error and small_bits > large_bits, (
        f"Groups an eighth as large lower the error by {1 - small_error / large_error:.0%}, and take "
        f"{small_bits - large_bits:.1f} more bits for each weight."
    )


def eighth(times_smaller: Number) -> tuple[bool, str]:
    return times_smaller > 7.9, f"The file is {times_smaller:.1f} times smaller. Scales and norms take bytes, too."


def four(float_nats: Number, four_bit_nats: Number) -> tuple[bool, str]:
    return four_bit_nats > float_nats + 0.05, (
        f"With 4-bit weights the loss goes from {float_nats:.3f} to {four_bit_nats:.3f} nats."
    )


def part(bytes_share: Number, damage_share: Number) -> tuple[bool, str]:
    return damage_share < 0.05, (
        f"The embedding has {bytes_share:.1%} of the bytes. Rounded alone, it costs {damage_share:.0%} of what "
        "rounding everything costs."
    )


def closest(clipped_error: Number, gptq_error: Number, clipped_nats: Number, gptq_nats: Number) -> tuple[bool, str]:
    return clipped_error > gptq_error or clipped_nats < gptq_nats, (
        f"GPTQ changes the weights {gptq_error / clipped_error:.2f} times as much as clipping. Its loss is "
        f"{gptq_nats:.2f} nats, and that of clipping {clipped_nats:.2f}."
    )


def data(rtn_nats: Number, clipped_nats: Number, gptq_nats: Number) -> tuple[bool, str]:
    share = (rtn_nats - clipped_nats) / (rtn_nats - gptq_nats)
    return share < 0.2, f"Clipping sees no data, and recovers {share:.0%} of what GPTQ recovers."


def scratch(share_recovered: Number) -> tuple[bool, str]:
    return share_recovered < 0.5, f"Sixty steps of QAT recover {share_recovered:.0%} of the loss increase."


def always(trained_nats: Number, rounded_nats: Number) -> tuple[bool, str]:
    return trained_nats < rounded_nats - 0.001, (
        f"At 8 bits QAT ends at {trained_nats:.4f} nats. The same training in float, then RTN, ends at "
        f"{rounded_nats:.4f}."
    )


BELIEFS = Beliefs(
    "quantization",
    (
        Belief(text="Smaller groups of weights round more accurately, and take more bytes.", section=2, rule=groups),
        Belief(text="Weights of 4 bits instead of 32 make the file eight times smaller.", section=3, rule=eighth),
        Belief(text="Four bits for each weight are too few for a small model.", section=4, rule=four),
        Belief(text="A part with few of the bytes causes little of the damage.", section=4, rule=part),
        Belief(text="The best rounding is the one that changes the weights least.", section=5, rule=closest),
        Belief(text="Nothing improves on RTN without calibration data.", section=5, rule=data),
        Belief(
            text="A model whose weights keep only their signs must be trained from scratch.", section=6, rule=scratch
        ),
        Belief(text="QAT gains over rounding at any number of bits.", section=6, rule=always),
    ),
)


def activations(increase_nats: Number) -> tuple[bool, str]:
    return increase_nats > 0.02, f"With a scale for each token, the loss increase is {increase_nats:.3f} nats."


def calibration(own_nats: Number, random_nats: Number) -> tuple[bool, str]:
    return random_nats > 2 * own_nats, (
        f"Random bytes give a range that costs {random_nats:.4f} nats; the model's own text gives one that costs "
        f"{own_nats:.4f}."
    )


def outliers(plain_nats: Number, injected_nats: Number) -> tuple[bool, str]:
    return injected_nats > 10 * plain_nats, (
        f"With one range for all tokens, four injected channels raise the loss increase from {plain_nats:.3f} to "
        f"{injected_nats:.2f} nats."
    )


def faster(times: Number) -> tuple[bool, str]:
    return times > 1, f"With a million parameters, int8 decodes {times:.2f} times as fast as float32."


def keys(position_nats: Number, delayed_nats: Number, channel_nats: Number) -> tuple[bool, str]:
    return delayed_nats - channel_nats > position_nats - delayed_nats, (
        f"With 4-bit keys that wait in float first, the loss increase falls from {position_nats:.3f} to "
        f"{delayed_nats:.3f} nats. Scales for each channel give {channel_nats:.3f}."
    )


def ends(first_nats: Number, median_nats: Number, last_nats: Number) -> tuple[bool, str]:
    return min(first_nats, last_nats) > median_nats, (
        f"Rounded to two bits, the matrices of the first block cost {first_nats:.2f} nats, and those of the last "
        f"{last_nats:.3f}. The median block costs {median_nats:.3f}."
    )


def even(even_nats: Number, assigned_nats: Number) -> tuple[bool, str]:
    return even_nats <= assigned_nats, (
        f"The same bytes, assigned by sensitivity, take the loss from {even_nats:.3f} to {assigned_nats:.3f} nats."
    )


BELIEFS_MORE = Beliefs(
    "quantization_more",
    (
        Belief(text="Activations of 8 bits damage a small model noticeably.", section=1, rule=activations),
        Belief(
            text="A static range must be calibrated on the kind of text that the model reads.",
            section=1,
            rule=calibration,
        ),
        Belief(text="A few outsized channels can ruin a model with 8-bit activations.", section=2, rule=outliers),
        Belief(text="Int8 makes a model faster, since it moves a quarter of the bytes.", section=3, rule=faster),
        Belief(text="In a cache of few bits, the keys need a scale for each channel.", section=5, rule=keys),
        Belief(text="The first and the last layers need the most bits.", section=6, rule=ends),
        Belief(text="The same number of bits for each matrix is the best use of a budget.", section=6, rule=even),
    ),
)
