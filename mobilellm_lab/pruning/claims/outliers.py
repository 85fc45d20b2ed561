"""Magnitude pruning of models whose channels differ much, by injected outliers"""

from itertools import product

from mobilellm_lab.pruning.study import evidence_combined as evidence
from mobilellm_lab.pruning.study.outliers import FACTORS
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED
from mobilellm_lab.reference.rows import seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

TIMES = 2  # as large as Wanda's is a loss increase that counts as a collapse


def magnitude_collapses(store: Store) -> Evidence:
    """Per model and size of the outliers: do all seeds of magnitude cost over twice what all of Wanda cost?

    And over 0.01 nats. At 50 % per row, also without outliers. Holds if in every case, does not hold if in none.
    """
    runs = evidence.outlier_losses(store)
    wins, first, said = {}, {}, []
    for (name, model), factor in product(NAMED.items(), FACTORS):
        magnitude, wanda = (
            seeds(runs, INCREASE, model=model, factor=factor, importance=way, compare="row") for way in ("l1", "wanda")
        )
        wins[name, factor] = apart(magnitude, TIMES * wanda) and bool(magnitude.min() > LITTLE)
        if wins[name, factor]:
            first.setdefault(name, factor)
        if factor in (FACTORS[0], FACTORS[-1]):
            said.append(
                f"With a factor of {factor} on {name} magnitude costs {magnitude.median():.2f} nats, Wanda "
                f"{wanda.median():.2f}."
            )
    flips = " and ".join(f"from a factor of {factor} on {name}" for name, factor in first.items())
    return Evidence(
        verdict=graded(wins.values()),
        line=f"Magnitude costs over twice as much as Wanda {flips}" if first else "It does at no factor",
        finding="A third of the channels that each block reads are made larger, and the weights that read them "
        f"smaller. The dense model computes the same. Magnitude costs over twice as much {flips}. " + " ".join(said),
    )


COLLAPSES = Claim(
    name="collapses",
    said="Magnitude pruning collapses in a language model.",
    source="as published of BLOOM-560M, https://github.com/locuslab/wanda/issues/7",
    verdict=Verdict.HOLDS_WHEN,
    condition="some channels are many times larger than the rest.",
    flips="with the size of the outliers. Models as small as ours hardly have any before they are injected.",
    evidence=magnitude_collapses,
    data=("pruning",),
)
