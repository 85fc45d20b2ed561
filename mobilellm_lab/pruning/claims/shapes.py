"""Deep and narrow against shallow and wide, both pruned"""

from itertools import product

from mobilellm_lab.pruning.study import evidence
from mobilellm_lab.pruning.study.recipe import Recipe
from mobilellm_lab.pruning.study.sweep import SHARED_AMOUNTS
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE
from mobilellm_lab.reference.rows import seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

WORDS = {"weight": "weights", "neuron": "neurons", "head": "heads", "layer": "layers"}
WAYS = {  # what is removed, and its amounts
    ("weight", "l1"): (0.5, 0.7),
    ("weight", "wanda"): (0.5, 0.7),
    ("neuron", "wanda"): SHARED_AMOUNTS,
    ("head", "wanda"): SHARED_AMOUNTS,
    ("layer", Recipe.importance): SHARED_AMOUNTS,
}


def deep_is_fragile(store: Store) -> Evidence:
    """Per task, granularity and amount: does the deep model lose over 0.01 nats, and all its seeds more than the wide?

    Reference models of equal size. Holds if in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "shapes")
    wins: dict[tuple[str, str], list[bool]] = {}
    said = []
    for task, ((kind, way), amounts) in product(("stories", "text"), WAYS.items()):
        for amount in amounts:
            deep, wide = (
                seeds(runs, INCREASE, model=f"{task}-{shape}", granularity=kind, importance=way, amount=amount)
                for shape in ("deep", "wide")
            )
            wins.setdefault((task, kind), []).append(apart(deep, wide) and bool(deep.min() > LITTLE))
            if way != "l1" and amount == amounts[0]:
                said.append(
                    f"On {task} {100 * amount:.0f} % of the {WORDS[kind]} cost the deep one {deep.median():.3f} nats, "
                    f"the wide one {wide.median():.3f}."
                )
    total, count = sum(map(sum, wins.values())), sum(map(len, wins.values()))
    return Evidence(
        verdict=graded(won for own in wins.values() for won in own),
        line=f"The deep model loses more in {total} of {count} cases",
        finding=f"Models of equal size. The deep one loses more in {total} of {count} cases. "
        + " ".join(
            f"Without {WORDS[kind]} on {task} it is {sum(own)} of {len(own)}." for (task, kind), own in wins.items()
        )
        + " "
        + " ".join(said),
    )


DEEP_IS_FRAGILE = Claim(
    name="deep-is-fragile",
    said="A deep and narrow model suffers more from pruning than a shallow and wide one.",
    source="common belief: it has fewer spare channels",
    verdict=Verdict.HOLDS_WHEN,
    condition="single weights or neurons go. Without heads or layers it loses no more here.",
    flips="with more trainings of each shape, which would tell luck from shape.",
    evidence=deep_is_fragile,
    data=("pruning",),
)
