"""Habits of comparing two things, held against stored duels and pitfalls: the rule behind each verdict"""

from mobilellm_lab.charts.report import digits
from mobilellm_lab.metrics.claims.measures import SELDOM
from mobilellm_lab.metrics.study.evidence import duels, pitfalls
from mobilellm_lab.reference.rows import spread
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded


def repeats_are_enough(store: Store) -> Evidence:
    """Per true slowdown, beside a busy neighbour: do the means say something false in at most 5 of 100 duels?

    The largest number of pairs; medians over the measured series. Holds if they do so at every slowdown, does not hold
    if at none.
    """
    most = int(duels(store)["repeats"].max())
    means, interval = (
        duels(store, rule=rule, neighbour=True, repeats=most).set_index("slowdown_percent")["misleading"]
        for rule in ("means", "paired interval")
    )
    return Evidence(
        verdict=graded(means <= SELDOM),
        finding=f"Beside a busy neighbour the means of {most} runs each say something false in {100 * means[0]:.0f} "
        f"of 100 duels of equal variants, in {100 * means[5]:.0f} at a true slowdown of 5 % and in "
        f"{100 * means[20]:.0f} at 20 %. The interval of the same pairs does so in {100 * interval[0]:.0f}, "
        f"{100 * interval[5]:.0f} and {100 * interval[20]:.0f}.",
    )


REPEATS_ARE_ENOUGH = Claim(
    name="repeats-are-enough",
    said="The mean of many runs evens the noise out.",
    source="common practice",
    verdict=Verdict.HOLDS_WHEN,
    condition="the difference is large beside the noise.",
    flips="where noise has no heavy tail: a single pause of the machine moves the mean of many runs, and hardly their "
    "median.",
    evidence=repeats_are_enough,
    data=("metrics",),
)


def keeps_its_word(store: Store) -> Evidence:
    """Of equal variants: does the paired interval, on average over all settings, stay silent in 95 of 100 duels?

    The settings are the numbers of pairs, quiet and beside a neighbour. On average, because a series has
    only a few stretches of 80 pairs that do not overlap. Holds if it does, does not hold if not.
    """
    equal = duels(store, rule="paired interval", slowdown_percent=0)
    return Evidence(
        verdict=graded([equal["right"].mean() >= 1 - SELDOM]),
        finding=f"On average over {len(equal)} settings, quiet and beside a busy neighbour, it calls "
        f"{100 * (1 - equal['right'].mean()):.1f} of 100 duels wrongly. The most in a single setting are "
        f"{100 * (1 - equal['right'].min()):.0f}, where a few stretches of noise make up all duels.",
    )


INTERVAL_KEEPS_ITS_WORD = Claim(
    name="interval-keeps-its-word",
    said="A paired interval of 95 % calls equal variants different in at most 5 of 100 duels.",
    source="this course, `mobilellm_lab.metrics.compare`",
    verdict=Verdict.HOLDS,
    flips="if the noise came in pairs: what always slows the second call of a pair is cancelled by a random order "
    "only on average.",
    evidence=keeps_its_word,
    data=("metrics",),
)


def lower_perplexity(store: Store) -> Evidence:
    """Per repeat: is the BPE model as far from the byte model in perplexity as in bits per byte, or nearer?

    Both as multiples of the byte model's. Holds if it is in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "tokenizers")
    wrong, right = (spread(found[column], digits) for column in ("wrong", "right"))
    return Evidence(
        verdict=graded(found["wrong"] <= found["right"]),
        finding=f"Two models of equal size on the same text: the one with BPE tokens has {wrong} times the perplexity "
        f"of the one that reads bytes, and needs {right} times its bits per byte.",
    )


LOWER_PERPLEXITY = Claim(
    name="lower-perplexity",
    said="The model with the lower perplexity is the better language model.",
    source="common practice; Hugging Face warns of it, https://huggingface.co/docs/transformers/perplexity",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="with the same tokenizer on the same text: then both give the same order.",
    evidence=lower_perplexity,
    data=("metrics_lies",),
)


def one_evaluation(store: Store) -> Evidence:
    """Per repeat: are ten evaluations of one model on 40 questions each as close as ten on 1,000 questions?

    Close is the distance of the best from the worst, in points. Holds if they are in all repeats, does not hold if in
    none.
    """
    found = pitfalls(store, "no_interval")
    wrong, right = (spread(found[column], digits) for column in ("wrong", "right"))
    return Evidence(
        verdict=graded(found["wrong"] <= found["right"]),
        finding=f"One model, ten evaluations of 40 questions: best and worst are {wrong} points apart. With 1,000 "
        f"questions they are {right} points apart. It was the same model each time.",
    )


ONE_EVALUATION = Claim(
    name="one-evaluation",
    said="An accuracy without an interval will do to compare two models.",
    source="common practice; against it Miller, arXiv 2411.00640",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="where the difference is many times the width of the interval, which only the interval can tell.",
    evidence=one_evaluation,
    data=("metrics_lies",),
)


SETUP_DOES_NOT_MATTER = Claim(
    name="setup-does-not-matter",
    said="What is not part of the experiment, such as the setup of the machine, does not change its verdict.",
    source="common practice; against it Mytkowicz and others, https://doi.org/10.1145/1508244.1508275",
    verdict=Verdict.ONLY_QUOTED,
    finding="They find that innocuous parts of a setup can lead to wrong conclusions, on every processor and compiler "
    "that they tried; of 133 papers that they read none took enough account of it.",
    flips="if a verdict stayed the same over many setups drawn at random, which is their cure.",
)


CLAIMS = (REPEATS_ARE_ENOUGH, INTERVAL_KEEPS_ITS_WORD, LOWER_PERPLEXITY, ONE_EVALUATION, SETUP_DOES_NOT_MATTER)
