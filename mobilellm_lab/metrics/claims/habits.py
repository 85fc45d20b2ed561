"""Habits of measuring, held against stored duels and pitfalls: the rule behind each verdict"""

import pandas as pd

from mobilellm_lab.charts.report import digits
from mobilellm_lab.metrics.claims.stored import duels, pitfalls
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import graded

PAIRS = 40  # of the interval that other rules are held against
SELDOM = 0.05  # a rule that says something false in more duels than this misleads


def one_request(store: Store) -> Evidence:
    """Per true slowdown, on a quiet machine: does one shot each say something false in at most 5 of 100 duels?

    False is another winner, or a difference that is not there. Medians over the measured series. Holds if it does so
    at every slowdown, does not hold if at none.
    """
    one, many = (
        _by_slowdown(store, rule=rule, neighbour=False, repeats=PAIRS) for rule in ("one shot", "paired interval")
    )
    return Evidence(
        verdict=graded(one["misleading"] <= SELDOM),
        numbers={
            "pairs": str(PAIRS),
            **{f"one_{slower}": _percent(one["misleading"][slower]) for slower in (0, 5, 20)},
            **{f"many_{slower}": _percent(many["misleading"][slower]) for slower in (0, 5, 20)},
        },
    )


def repeats_are_enough(store: Store) -> Evidence:
    """Per true slowdown, beside a busy neighbour: do the means say something false in at most 5 of 100 duels?

    The largest number of pairs; medians over the measured series. Holds if they do so at every slowdown, does not hold
    if at none.
    """
    most = int(duels(store)["repeats"].max())
    means, interval = (
        _by_slowdown(store, rule=rule, neighbour=True, repeats=most) for rule in ("means", "paired interval")
    )
    return Evidence(
        verdict=graded(means["misleading"] <= SELDOM),
        numbers={
            "pairs": str(most),
            **{f"means_{slower}": _percent(means["misleading"][slower]) for slower in (0, 5, 20)},
            **{f"interval_{slower}": _percent(interval["misleading"][slower]) for slower in (0, 5, 20)},
        },
    )


def keeps_its_word(store: Store) -> Evidence:
    """Of equal variants: does the paired interval, on average over all settings, stay silent in 95 of 100 duels?

    The settings are the numbers of pairs, quiet and beside a neighbour. On average, because a series has
    only a few stretches of 80 pairs that do not overlap. Holds if it does, does not hold if not.
    """
    equal = duels(store, rule="paired interval", slowdown_percent=0)
    return Evidence(
        verdict=graded([equal["right"].mean() >= 1 - SELDOM]),
        numbers={
            "settings": str(len(equal)),
            "alarms": f"{100 * (1 - equal['right'].mean()):.1f}",
            "most": _percent(1 - equal["right"].min()),
        },
    )


def first_call(store: Store) -> Evidence:
    """Per repeat: is the first answer of a fresh process as soon begun as the later ones, within 10 %?

    Holds if it is in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "no_warmup")
    return Evidence(
        verdict=graded(found["wrong"] <= 1.1 * found["right"]),
        numbers={"first": _span(found["wrong"]), "later": _span(found["right"]), "factor": _span(found["factor"])},
    )


def layer_alone(store: Store) -> Evidence:
    """Per repeat: does a layer in a loop take nine tenths of its time among all layers, or more?

    Holds if it does in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "cold_cache")
    return Evidence(
        verdict=graded(found["wrong"] >= 0.9 * found["right"]),
        numbers={"alone": _span(found["wrong"]), "in_turn": _span(found["right"])},
    )


def mean_latency(store: Store) -> Evidence:
    """Per repeat: is the 99th percentile of the time per token at most twice its mean?

    Decoding beside a busy process. Holds if it is in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "hidden_tail")
    return Evidence(
        verdict=graded(found["right"] <= 2 * found["wrong"]),
        numbers={"mean": _span(found["wrong"]), "tail": _span(found["right"])},
    )


def more_threads(store: Store) -> Evidence:
    """Per repeat: does a token take less time with a thread for every core than with one, beside a busy process?

    Holds if it does in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "wrong_threads")
    return Evidence(
        verdict=graded(found["wrong"] < found["right"]),
        numbers={
            "many": _span(found["wrong"]),
            "one": _span(found["right"]),
            "factor": _span(found["factor"]),
            "machine": ", ".join(origin(store).machines),
        },
    )


def lower_perplexity(store: Store) -> Evidence:
    """Per repeat: is the BPE model as far from the byte model in perplexity as in bits per byte, or nearer?

    Both as multiples of the byte model's. Holds if it is in all repeats, does not hold if in none.
    """
    found = pitfalls(store, "tokenizers")
    return Evidence(
        verdict=graded(found["wrong"] <= found["right"]),
        numbers={"perplexity": _span(found["wrong"]), "bits": _span(found["right"])},
    )


def one_evaluation(store: Store) -> Evidence:
    """Per repeat: are ten evaluations of one model on 40 questions each as close as ten on 1,000 questions?

    Close is the distance of the best from the worst, in points. Holds if they are in all repeats, does not hold if in
    none.
    """
    found = pitfalls(store, "no_interval")
    return Evidence(
        verdict=graded(found["wrong"] <= found["right"]),
        numbers={"few": _span(found["wrong"]), "many": _span(found["right"])},
    )


def _by_slowdown(store: Store, **where: object) -> pd.DataFrame:
    """Shares of the outcomes, labelled by the true slowdown in percent."""
    return duels(store, **where).set_index("slowdown_percent")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _span(values: pd.Series) -> str:
    """Median over the repeats, and in brackets the lowest and the highest, to three digits."""
    return f"{digits(values.median())} ({digits(values.min())} to {digits(values.max())})"
