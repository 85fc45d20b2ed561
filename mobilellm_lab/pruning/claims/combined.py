"""Pruning and quantization together, in both orders and at equal bytes"""

from itertools import product

import pandas as pd

from mobilellm_lab.pruning.study import evidence_combined as evidence
from mobilellm_lab.pruning.study.combined import EQUAL, ORDERS
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, span
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded


def _cases(runs: pd.DataFrame, *, tuned: bool) -> dict[tuple, pd.Series]:
    """(name, amount, bits, order) -> loss increases of the seeds."""
    chosen = runs[runs["tuned"] == tuned]
    words = {model: name for name, model in NAMED.items()}
    return {
        (words[model], *rest): own[INCREASE]
        for (model, *rest), own in chosen.groupby(["model", "amount", "bits", "order"], sort=False)
    }


def _orders(cases: dict[tuple, pd.Series], name: str, amount: float, bits: int) -> list[pd.Series]:
    """What both orders gave, or the one that was measured."""
    return [cases[name, amount, bits, order] for order in ORDERS if (name, amount, bits, order) in cases]


def together_is_better(store: Store) -> Evidence:
    """Per model, budget and with or without fine-tuning: do all seeds of the best pruned one lie below quantized alone?

    At equal bytes, each at its better order, by GPTQ. Holds if they do in every case, does not hold if in none.
    """
    runs = evidence.combined_losses(store)
    wins, said = [], []
    for tuned, name, (budget, pairs) in product((False, True), NAMED, EQUAL.items()):
        cases = _cases(runs, tuned=tuned)
        found = {pair: min(own, key=pd.Series.median) for pair in pairs if (own := _orders(cases, name, *pair))}
        if not found:
            continue
        alone = next(pair for pair in found if not pair[0])
        best = min((pair for pair in found if pair[0]), key=lambda pair: found[pair].median())
        wins.append(apart(found[alone], found[best]))
        said.append(
            f"At {budget:g} bits a weight on {name}{', fine-tuned' * tuned}, {alone[1]} bits alone cost "
            f"{span(found[alone])} nats. With {100 * best[0]:.0f} % zeros, {best[1]} bits cost {span(found[best])}."
        )
    return Evidence(
        verdict=graded(wins),
        line=f"At equal bytes, pruning as well is better in {sum(wins)} of {len(wins)} cases",
        finding=f"Equal bytes of the blocks, zeros by a bitmap. Pruning as well is better in {sum(wins)} of "
        f"{len(wins)} cases. " + " ".join(said),
    )


TOGETHER = Claim(
    name="together",
    said="Pruning and quantizing together gives more than quantizing alone.",
    source="the article, section 3.3",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="below what quantizing alone can reach, or with hardware that is made for zeros. A bitmap costs one bit for "
    "each weight, which the same bytes in codes use better.",
    evidence=together_is_better,
    data=("pruning",),
)


def prune_first(store: Store) -> Evidence:
    """Per model, amount, bits and with or without fine-tuning: do all seeds pruned first lie below the other order?

    Where that loses over 0.01 nats. Holds if they do in every case, does not hold if in none.
    """
    runs = evidence.combined_losses(store)
    wins, said = [], []
    for tuned in (False, True):
        cases = _cases(runs, tuned=tuned)
        for name, amount, bits, order in cases:
            if amount and order == ORDERS[0]:
                first, last = (cases[name, amount, bits, each] for each in ORDERS)
                wins.append(apart(last, first) and bool(last.min() > LITTLE))
                if (amount, bits) == (0.5, 4):
                    how = "fine-tuned between the two" if tuned else "without training"
                    said.append(
                        f"On {name}, {how}, pruning first costs {span(first)} nats. Pruning last costs {span(last)}."
                    )
    return Evidence(
        verdict=graded(wins),
        line=f"Pruning first is better in {sum(wins)} of {len(wins)} cases",
        finding=f"Pruning first is better beyond the seeds in {sum(wins)} of {len(wins)} cases. Below, half of "
        "the weights go, and the rest has 4 bits. " + " ".join(said),
    )


PRUNE_FIRST = Claim(
    name="prune-first",
    said="Prune first, then quantize.",
    source="the article, section 3.3",
    verdict=Verdict.HOLDS_WHEN,
    condition="the model is fine-tuned between the two, since only then the training knows the zeros.",
    flips="without training. There the order hardly matters.",
    evidence=prune_first,
    data=("pruning",),
)
