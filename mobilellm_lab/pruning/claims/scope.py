"""Amounts by layer: the same for all, by one ranking of all weights, or by a sensitivity scan"""

from mobilellm_lab.pruning.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, NAMED
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

WORDS = {"weight": "weights by magnitude", "neuron": "neurons"}
SCANNED = {"weight": "l1", "neuron": "l2"}  # importance of what is measured with a scan


def by_sensitivity_is_better(store: Store) -> Evidence:
    """Per model, granularity and amount: do amounts by sensitivity cost less than the same amount everywhere?

    Single weights by magnitude, and FFN neurons, with as many weights left. Measured once, on test sequences, after a
    scan on validation sequences. Holds if they do in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "scope")
    wins, said = [], []
    for name, model in NAMED.items():
        for kind, way in SCANNED.items():
            own = runs[(runs["model"] == model) & (runs["granularity"] == kind) & (runs["importance"] == way)]
            lost = own.pivot(index="amount", columns="scope", values=INCREASE)
            wins += [bool(won) for won in lost["sensitivity"] < lost["uniform"]]
            for amount, row in lost.iterrows():
                said.append(
                    f"On {name} {100 * amount:.0f} % of the {WORDS[kind]} cost {row['uniform']:.3f} nats uniformly. By "
                    f"sensitivity they cost {row['sensitivity']:.3f}, by one ranking {row['global']:.3f}."
                )
    return Evidence(
        verdict=graded(wins),
        line=f"Amounts by sensitivity cost less than equal amounts in {sum(wins)} of {len(wins)} cases",
        finding=f"Amounts by sensitivity cost less in {sum(wins)} of {len(wins)} cases. " + " ".join(said),
    )


SENSITIVITY = Claim(
    name="sensitivity",
    said="Each layer should lose as much as it can spare, not all the same.",
    source="common practice, as in sensitivity scans of Han et al., arXiv 1506.02626",
    verdict=Verdict.HOLDS,
    flips="if the costs of layers did not add up. One ranking of all weights is no way to it, since magnitudes of "
    "different matrices mean different things.",
    evidence=by_sensitivity_is_better,
    data=("pruning",),
)
