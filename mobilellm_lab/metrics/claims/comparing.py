"""Claims about comparing two variants, each with the rule behind its verdict"""

from mobilellm_lab.charts.report import digits
from mobilellm_lab.metrics.claims.measures import SELDOM
from mobilellm_lab.metrics.study.evidence import duels, pitfalls
from mobilellm_lab.reference.rows import spread
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded


def repeats_are_enough(store: Store) -> Evidence:
    """Per true slowdown, beside a busy neighbour: is the verdict of the means false in at most 5 of 100 duels?

    The largest number of pairs; medians over the measured series. Holds if it is so at every slowdown, does not hold
    if at none.
    """
    most = int(duels(store)["repeats"].max())
    means, interval = (
        duels(store, rule=rule, neighbour=True, repeats=most).set_index("slowdown_percent")["misleading"]
        for rule in ("means", "paired interval")
    )
    return Evidence(
        verdict=graded(means <= SELDOM),
        line=f"On a busy machine the means of {most} runs are wrong in {100 * means[0]:.0f} of 100 duels of equals",
        finding=f"Beside a busy neighbour the means of {most} runs give a false verdict in {100 * means[0]:.0f} of 100 "
        f"duels of equal variants. At a true slowdown of 5 % they do so in {100 * means[5]:.0f}. At 20 % it is "
        f"{100 * means[20]:.0f}. The interval of the same pairs does so in {100 * interval[0]:.0f}, "
        f"{100 * interval[5]:.0f} and {100 * interval[20]:.0f}.",
    )


REPEATS_ARE_ENOUGH = Claim(
    name="repeats-are-enough",
    said="The mean of many runs averages the noise out.",
    source="common practice",
    verdict=Verdict.HOLDS_WHEN,
    condition="the difference is large beside the noise.",
    flips="where noise has no heavy tail. A single pause of the machine moves the mean of many runs, and hardly their "
    "median.",
    evidence=repeats_are_enough,
    data=("metrics",),
)


def keeps_its_word(store: Store) -> Evidence:
    """Of equal variants: is the paired interval, on average over all settings, right in 95 of 100 duels?

    The settings are the numbers of pairs, quiet and beside a neighbour. On average, because a series has only a few
    separate stretches of 80 pairs. Holds if it is, does not hold if not.
    """
    equal = duels(store, rule="paired interval", slowdown_percent=0)
    return Evidence(
        verdict=graded([equal["right"].mean() >= 1 - SELDOM]),
        line=f"It calls equal variants different in {100 * (1 - equal['right'].mean()):.1f} of 100 duels on average",
        finding=f"On average over {len(equal)} settings, quiet and beside a busy neighbour, it gives a false alarm in "
        f"{100 * (1 - equal['right'].mean()):.1f} of 100 duels. The most in a single setting are "
        f"{100 * (1 - equal['right'].min()):.0f}, where a few stretches of noise make up all duels.",
    )


INTERVAL_KEEPS_ITS_WORD = Claim(
    name="interval-keeps-its-word",
    said="A paired interval of 95 % calls equal variants different in at most 5 of 100 duels.",
    source="this course, `mobilellm_lab.metrics.compare`",
    verdict=Verdict.HOLDS,
    flips="if the noise came in pairs. A random order cancels what always slows the second call only on average.",
    evidence=keeps_its_word,
    data=("metrics",),
)


def lower_perplexity(store: Store) -> Evidence:
    """Per repeat: is the BPE model's perplexity as many times the byte model's as its bits per byte, or fewer?

    Holds if it is in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "tokenizers")
    wrong, right = (spread(found[column], digits) for column in ("wrong", "right"))
    return Evidence(
        verdict=graded(found["wrong"] <= found["right"]),
        line=f"A BPE model has {digits(found['wrong'].median())} times a byte model's perplexity and "
        f"{digits(found['right'].median())} times its bits per byte",
        finding="Two models of equal size are trained on the same text. The one with BPE tokens has "
        f"{wrong} times the perplexity of the one with bytes. It needs {right} times its bits per byte.",
    )


LOWER_PERPLEXITY = Claim(
    name="lower-perplexity",
    said="The model with the lower perplexity is the better language model.",
    source="common practice; Hugging Face warns of it, https://huggingface.co/docs/transformers/perplexity",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="with the same tokenizer on the same text, where both give the same order.",
    evidence=lower_perplexity,
    data=("metrics_lies",),
)


def one_evaluation(store: Store) -> Evidence:
    """Per repeat: are ten evaluations of one model on 40 questions each as close as ten on 1,000 questions?

    Close means the distance of the best from the worst, in points. Holds if they are in all repeats, does not hold if
    in none.
    """
    found = pitfalls(store, "no_interval")
    wrong, right = (spread(found[column], digits) for column in ("wrong", "right"))
    return Evidence(
        verdict=graded(found["wrong"] <= found["right"]),
        line=f"Ten evaluations of one model on 40 questions are up to {digits(found['wrong'].median())} points apart",
        finding=f"Of ten evaluations of one model on 40 questions each, best and worst are {wrong} points apart. With "
        f"1,000 questions they are {right} points apart.",
    )


ONE_EVALUATION = Claim(
    name="one-evaluation",
    said="An accuracy without an interval is enough to compare two models.",
    source="common practice; against it Miller, arXiv 2411.00640",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="where the difference is many times the width of the interval, which only the interval can tell.",
    evidence=one_evaluation,
    data=("metrics_lies",),
)


SETUP_DOES_NOT_MATTER = Claim(
    name="setup-does-not-matter",
    said="The setup of the machine does not change the verdict of an experiment.",
    source="common practice; against it Mytkowicz and others, https://doi.org/10.1145/1508244.1508275",
    verdict=Verdict.ONLY_QUOTED,
    line="Innocent-looking setups turned verdicts around, and none of 133 papers took enough account of it",
    finding="Innocent-looking parts of a setup led to wrong conclusions on every processor and compiler that they "
    "tried. Of 133 papers that they read none took enough account of it.",
    flips="if a verdict stayed the same over many setups drawn at random, which is their cure.",
)


CLAIMS = (REPEATS_ARE_ENOUGH, INTERVAL_KEEPS_ITS_WORD, LOWER_PERPLEXITY)
ALSO = (ONE_EVALUATION, SETUP_DOES_NOT_MATTER)
