"""Whole neurons, heads, channels and layers: what they cost beside single weights, and how to choose them"""

from itertools import product

import pandas as pd

from mobilellm_lab.pruning.layers import LAYER_CHOICES
from mobilellm_lab.pruning.structured import GROUPED
from mobilellm_lab.pruning.study import evidence
from mobilellm_lab.pruning.study.sweep import GRAIN_AMOUNTS, GRAINS, SHARED_AMOUNTS
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, span
from mobilellm_lab.reference.rows import seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

WAYS = {"random": "Random", "l1": "Magnitude (L1)", "l2": "Magnitude (L2)", "wanda": "Wanda"}
CHOICES = {  # of layers, as a sentence begins with them
    "measured": "The measured loss of each alone",
    "consecutive": "The best run of neighbours",
    "last": "Taking the last",
    "random": "Drawing them",
}
WORDS = {"neuron": "FFN neurons", "head": "heads", "width": "channels", "layer": "layers"}


def some_are_idle(store: Store) -> Evidence:
    """Per model, at an eighth and at a quarter of the FFN neurons: do all seeds stay within 0.01 nats of dense?

    By Wanda, summed over a neuron. Holds if they do in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "grains")
    lost = {
        (name, amount): seeds(runs, INCREASE, model=model, granularity="neuron", amount=amount)
        for (name, model), amount in product(NAMED.items(), GRAIN_AMOUNTS[:2])
    }
    quarter = {name: lost[name, GRAIN_AMOUNTS[1]].median() for name in NAMED}
    return Evidence(
        verdict=graded(own.max() <= LITTLE for own in lost.values()),
        line=f"A quarter of the neurons costs {quarter['stories']:.3f} nats on stories, {quarter['text']:.3f} on text",
        finding=" ".join(
            f"On {name} {100 * amount:.3g} % of the FFN neurons cost {span(own)} nats."
            for (name, amount), own in lost.items()
        ),
    )


NEURONS = Claim(
    name="neurons",
    said="Neurons of little influence can be removed without harm.",
    source="the article, section 3.2",
    verdict=Verdict.HOLDS_WHEN,
    condition="the model has neurons to spare for its task, as ours of stories has.",
    flips="with recovery, and with the amounts. On text, amounts by sensitivity lose much less than equal ones.",
    evidence=some_are_idle,
    data=("pruning",),
)


def groups_cost_more(store: Store) -> Evidence:
    """Per model, structure and amount: do all seeds of single weights lie below all of the structure?

    All by Wanda, layers by their measured loss. Holds if they do in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "grains")
    wins, said = {}, []
    for (name, model), amount in product(NAMED.items(), GRAIN_AMOUNTS):
        lost = {kind: seeds(runs, INCREASE, model=model, granularity=kind, amount=amount) for kind in GRAINS}
        wins |= {(name, amount, kind): apart(lost[kind], lost["weight"]) for kind in WORDS}
        if amount == 0.25:
            said.append(f"A quarter of the single weights costs {lost['weight'].median():.3f} nats on {name}.")
            said += [f"A quarter of the {words} costs {lost[kind].median():.2f}." for kind, words in WORDS.items()]
    return Evidence(
        verdict=graded(wins.values()),
        line=f"Groups cost more than as large a share of single weights in {sum(wins.values())} of {len(wins)} cases",
        finding=f"Groups cost more in {sum(wins.values())} of {len(wins)} cases, though a share of neurons or heads is "
        "a smaller one of the weights. " + " ".join(said),
    )


GROUPS = Claim(
    name="groups",
    said="Removing weights in whole groups costs more quality than removing as many single ones.",
    source="common practice; Wanda, arXiv 2306.11695, of its n:m patterns",
    verdict=Verdict.HOLDS_WHEN,
    condition="they are not the FFN neurons of a model with many to spare, such as ours of stories.",
    flips="if quality were counted per millisecond. Of the two, only groups make a CPU faster.",
    evidence=groups_cost_more,
    data=("pruning",),
)


def gradient_is_best(store: Store) -> Evidence:
    """Per model, at a quarter of the neurons: do all seeds of summed Taylor lie below all of Wanda?

    Holds if they do for both models, does not hold if for none.
    """
    runs = evidence.runs(store, "neurons")
    wins, said = [], []
    for name, model in NAMED.items():
        lost = {way: seeds(runs, INCREASE, model=model, importance=way) for way in GROUPED}
        wins.append(apart(lost["wanda"], lost["taylor"]))
        said.append(f"On {name} Taylor costs {span(lost['taylor'])} nats.")
        said += [f"{WAYS[way]} costs {own.median():.3f}." for way, own in lost.items() if way != "taylor"]
        said[-1:] = [f"{WAYS['wanda']} costs {span(lost['wanda'])}."]
    return Evidence(
        verdict=graded(wins),
        line=f"Taylor, summed with its sign, is better than Wanda for {sum(wins)} of {len(wins)} models",
        finding="A quarter of the FFN neurons. " + " ".join(said),
    )


GROUP_GRADIENT = Claim(
    name="group-gradient",
    said="For whole groups, the first-order cost with its sign is the best importance.",
    source="Molchanov et al., arXiv 1906.10771; LLM-Pruner, arXiv 2305.11627",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="with more sequences to take the gradient on. On text it is better than magnitude and than chance.",
    evidence=gradient_is_best,
    data=("pruning",),
)


def influence_is_best(store: Store) -> Evidence:
    """Per model, amount and other way of choosing layers: does block influence cost less, in all seeds?

    Where the other costs over 0.01 nats. Holds if it does in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "layers")
    wins: dict[str, list[bool]] = {}
    said = []
    for (name, model), amount in product(NAMED.items(), SHARED_AMOUNTS):
        lost = _by_choice(runs, model, amount)
        for way, own in lost.items():
            if way != "influence":
                wins.setdefault(way, []).append(apart(own, lost["influence"]) and bool(own.min() > LITTLE))
        if amount == SHARED_AMOUNTS[0]:
            said.append(f"A quarter of the layers costs {lost['influence'].median():.2f} nats on {name}.")
            said += [f"{CHOICES[way]} costs {own.median():.2f}." for way, own in lost.items() if way != "influence"]
    total, count = sum(map(sum, wins.values())), sum(map(len, wins.values()))
    return Evidence(
        verdict=graded(won for own in wins.values() for won in own),
        line=f"Block influence is better in {total} of {count} comparisons",
        finding=f"Block influence is better in {total} of {count} comparisons. " + " ".join(said),
    )


INFLUENCE = Claim(
    name="influence",
    said="How little a block turns its input tells which layers can go.",
    source="ShortGPT, arXiv 2403.03853",
    verdict=Verdict.HOLDS_WHEN,
    condition="the choice is between it, the last layers and chance. Measuring what each layer costs does as well.",
    flips="with the number of layers. Of half of them the costs no longer add up, and a run of neighbours is better.",
    evidence=influence_is_best,
    data=("pruning",),
)


def _by_choice(runs: pd.DataFrame, model: str, amount: float) -> dict[str, pd.Series]:
    return {way: seeds(runs, INCREASE, model=model, amount=amount, choice=way) for way in LAYER_CHOICES}
