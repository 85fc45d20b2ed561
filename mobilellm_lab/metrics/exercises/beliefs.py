"""Beliefs about measuring, and the rules by which lab 7 judges them"""

from mobilellm_lab.teaching.beliefs import Belief, Beliefs, Number


def operations(times_operations: Number, times_ms: Number) -> tuple[bool, str]:
    return times_ms < 1.2 * times_operations, (
        f"The deep model does {times_operations:.2f} times the operations of the wide one, and takes {times_ms:.1f} "
        "times as long for each token."
    )


def memory(file_mib: Number, peak_mib: Number) -> tuple[bool, str]:
    return peak_mib < 2 * file_mib, (
        f"The file has {file_mib:.1f} MiB, and the process that loads it and generates needs {peak_mib:.0f} MiB."
    )


def threads(times_slower: Number) -> tuple[bool, str]:
    return times_slower <= 1, (
        f"Beside a busy process, a token takes {times_slower:.1f} times as long with a thread for each core as with a "
        "single one."
    )


def perplexity(times_perplexity: Number, times_bits: Number) -> tuple[bool, str]:
    return times_bits > 1.1, (
        f"The BPE model has {times_perplexity:.0f} times the perplexity of the byte model, and {times_bits:.2f} times "
        "its bits per byte."
    )


def accuracy(points_apart: Number) -> tuple[bool, str]:
    return points_apart < 10, (
        f"On ten samples of 40 questions, one and the same model scored up to {points_apart:.1f} points apart."
    )


def once(missed_percent: Number) -> tuple[bool, str]:
    return missed_percent < 5, f"Single pairs of timings missed or reversed it in {missed_percent:.0f} % of the duels."


def pairs(few_width: Number, many_width: Number) -> tuple[bool, str]:
    return many_width < few_width, (
        f"Six pairs leave an interval that is {few_width:.2f} wide, and a hundred pairs one of {many_width:.2f}."
    )


def overlap(shared_nats: Number, low: Number, high: Number) -> tuple[bool, str]:
    return low <= 0 <= high, (
        f"Of the two intervals, {shared_nats:.3f} nats overlap. That of the difference, story by story, goes from "
        f"{low:.4f} to {high:.4f} nats."
    )


def same(accuracy_change: Number, agreement: Number) -> tuple[bool, str]:
    return agreement > 0.999, (
        f"In 16 bits, accuracy changes by {100 * accuracy_change:.2f} points. Another token is likeliest at "
        f"{1 - agreement:.1%} of the positions."
    )


BELIEFS = Beliefs(
    "metrics",
    (
        Belief(text="Two models with equally many operations per token are equally fast.", section=2, rule=operations),
        Belief(text="A model needs as much memory as its file has bytes.", section=3, rule=memory),
        Belief(text="On a machine with several cores, more threads are never slower.", section=4, rule=threads),
        Belief(text="The model with the lower perplexity is the better one.", section=4, rule=perplexity),
        Belief(
            text="Of two accuracies on 40 questions, the one that is ten points higher belongs to the better model.",
            section=4,
            rule=accuracy,
        ),
        Belief(text="A difference of 5 % in speed shows when both sides are timed once.", section=5, rule=once),
        Belief(text="More pairs of timings narrow the interval of their ratio.", section=5, rule=pairs),
        Belief(text="Where the intervals of two models overlap, neither is better.", section=6, rule=overlap),
        Belief(text="A compressed model with the same accuracy gives the same answers.", section=6, rule=same),
    ),
)
