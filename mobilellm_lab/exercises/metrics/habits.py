"""Habits of measuring, held against stored duels and lies: the rule behind each verdict"""

from mobilellm_lab.exercises.claim import Evidence
from mobilellm_lab.exercises.metrics.stored import duels, lies
from mobilellm_lab.exercises.rules import graded
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

PAIRS = 40  # of the interval that single shots are held against


def one_request(store: Store) -> Evidence:
    """Per true slowdown, on a quiet machine: is one shot right as often as a paired interval of 40 pairs?

    Medians over the measured series. Holds if it is at every slowdown, does not hold if at none.
    """
    one = _right(store, rule="one shot", neighbour=False, repeats=PAIRS)
    many = _right(store, rule="paired interval", neighbour=False, repeats=PAIRS)
    return Evidence(
        verdict=graded(one[slower] >= many[slower] for slower in one),
        numbers={
            "pairs": str(PAIRS),
            **{f"one_{slower}": _percent(one[slower]) for slower in (5, 20)},
            **{f"many_{slower}": _percent(many[slower]) for slower in (5, 20)},
        },
    )


def keeps_its_word(store: Store) -> Evidence:
    """Of equal variants, per number of pairs and neighbour: is the paired interval silent in 95 of 100 duels?

    Medians over the measured series. Holds if it is in all cases, does not hold if in none.
    """
    equal = duels(store, rule="paired interval", slowdown_percent=0)
    return Evidence(
        verdict=graded(equal["right"] >= 0.95),
        numbers={
            "cases": str(len(equal)),
            "silent": str(int((equal["right"] >= 0.95).sum())),
            "most": _percent(1 - equal["right"].min()),
        },
    )


def repeats_are_enough(store: Store) -> Evidence:
    """Per true slowdown, beside a busy neighbour: are the means of all pairs right as often as their interval?

    The largest number of pairs; medians over the measured series. Holds if they are at every slowdown, does not hold
    if at none.
    """
    most = int(duels(store)["repeats"].max())
    means = _right(store, rule="means", neighbour=True, repeats=most)
    interval = _right(store, rule="paired interval", neighbour=True, repeats=most)
    return Evidence(
        verdict=graded(means[slower] >= interval[slower] for slower in means),
        numbers={
            "pairs": str(most),
            **{f"means_{slower}": _percent(means[slower]) for slower in (0, 5, 20)},
            **{f"interval_{slower}": _percent(interval[slower]) for slower in (0, 5, 20)},
        },
    )


def first_call(store: Store) -> Evidence:
    """Per repeat: is the first call of a fresh process within 10 % of the later ones, or faster?

    Holds if it is in all repeats, does not hold if in none.
    """
    found = lies(store, "no_warmup")
    return Evidence(
        verdict=graded(found["wrong"] <= 1.1 * found["right"]),
        numbers={"first": _span(found["wrong"]), "later": _span(found["right"]), "factor": _span(found["factor"])},
    )


def layer_alone(store: Store) -> Evidence:
    """Per repeat: does a layer in a loop take nine tenths of its time among all layers, or more?

    Holds if it does in all repeats, does not hold if in none.
    """
    found = lies(store, "cold_cache")
    return Evidence(
        verdict=graded(found["wrong"] >= 0.9 * found["right"]),
        numbers={"alone": _span(found["wrong"]), "in_turn": _span(found["right"])},
    )


def mean_latency(store: Store) -> Evidence:
    """Per repeat: is the 99th percentile of the time per token at most twice its mean?

    Decoding beside a busy process. Holds if it is in all repeats, does not hold if in none.
    """
    found = lies(store, "hidden_tail")
    return Evidence(
        verdict=graded(found["right"] <= 2 * found["wrong"]),
        numbers={"mean": _span(found["wrong"]), "tail": _span(found["right"])},
    )


def more_threads(store: Store) -> Evidence:
    """Per repeat: does a token take less time with a thread for every core than with one, beside a busy process?

    Holds if it does in all repeats, does not hold if in none.
    """
    found = lies(store, "wrong_threads")
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
    found = lies(store, "tokenizers")
    return Evidence(
        verdict=graded(found["wrong"] <= found["right"]),
        numbers={"perplexity": _span(found["wrong"]), "bits": _span(found["right"])},
    )


def one_evaluation(store: Store) -> Evidence:
    """Per repeat: are ten evaluations of one model on 40 questions each as close as ten on 1,000 questions?

    Close is the distance of the best from the worst, in points. Holds if they are in all repeats, does not hold if in
    none.
    """
    found = lies(store, "no_interval")
    return Evidence(
        verdict=graded(found["wrong"] <= found["right"]),
        numbers={"few": _span(found["wrong"]), "many": _span(found["right"])},
    )


def _right(store: Store, **where: object) -> dict[int, float]:
    """True slowdown in percent -> share of right verdicts."""
    found = duels(store, **where)
    return dict(zip(found["slowdown_percent"], found["right"], strict=True))


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _span(values) -> str:
    """Median over the repeats, and in brackets the lowest and the highest, to three digits."""
    return f"{values.median():.3g} ({values.min():.3g} to {values.max():.3g})"
