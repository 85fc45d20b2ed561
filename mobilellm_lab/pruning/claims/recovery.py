"""Recovery by fine-tuning: what it gives back, in one shot or gradually, with masks held or not, beside its control"""

import pandas as pd

from mobilellm_lab.pruning.study import evidence_recovery as evidence
from mobilellm_lab.quantization.study.evidence import NAMED
from mobilellm_lab.reference.rows import spread as printed
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

SMALL = 0.1  # share of the damage that may be left of a model that has recovered


def _arm(runs: pd.DataFrame, model: str, amount: float, arm: str = "one-shot", masks: str = "held") -> pd.DataFrame:
    """The seeds of an arm of single weights."""
    single = (runs["model"] == model) & (runs["granularity"] == "weight") & (runs["amount"] == amount)
    return runs[single & (runs["arm"] == arm) & (runs["masks"] == masks)]


def _amounts(runs: pd.DataFrame, model: str, arm: str) -> list[float]:
    single = (runs["model"] == model) & (runs["granularity"] == "weight") & (runs["amount"] > 0)
    return sorted(runs.loc[single & (runs["arm"] == arm), "amount"].unique())


def tuning_recovers(store: Store) -> Evidence:
    """Per model and amount: did one-shot pruning cost something, and is at most a tenth of it left, in all seeds?

    After 40 updates, beside the dense model with the same training, each at its own best rate. Holds if so in every
    case, does not hold if in none.
    """
    runs = evidence.recoveries(store)
    wins, said = [], []
    for name, model in NAMED.items():
        for amount in _amounts(runs, model, "one-shot"):
            own = _arm(runs, model, amount)
            recovered = (own["cost_nats"] > 0) & (own["damage_nats"] <= SMALL * own["cost_nats"])
            wins.append(bool(recovered.all()))
            said.append(
                f"At {100 * amount:.0f} % on {name} pruning cost {own['cost_nats'].median():.3f} nats. "
                f"Of that, {printed(100 * own['left'], 0)} % are left."
            )
    left = {n: 100 * _arm(runs, m, 0.5)["left"].median() for n, m in NAMED.items()}
    return Evidence(
        verdict=graded(wins),
        line=f"At 50 %, {left['text']:.0f} % of the damage are left on text, and {left['stories']:.0f} % on stories",
        finding=f"After {own['steps'].max()} updates with masks held, a tenth of the damage or less is left in "
        f"{sum(wins)} of {len(wins)} cases. " + " ".join(said),
    )


TUNING = Claim(
    name="tuning",
    said="Fine-tuning gives a pruned model its performance back.",
    source="the article, section 3.2",
    verdict=Verdict.HOLDS_WHEN,
    condition="half of the weights of text go, or four fifths and more of those of stories. Else over a tenth is left.",
    flips="with how long one trains. Where pruning cost hardly anything, there is hardly anything to recover.",
    evidence=tuning_recovers,
    data=("pruning_recovery",),
)


def scratch_is_as_good(store: Store) -> Evidence:
    """Per model, what goes, amount and budget: do all seeds of a small model from random weights lie below all pruned?

    As many parameters as pruning keeps, for as many seconds, or on stories also for as many operations. Against
    one-shot pruning with fine-tuning, each at its best rate, where that ends above the dense model. Holds if they do in
    every case, does not hold if in none.
    """
    runs = evidence.recoveries(store)
    wins, said = {}, []
    words = {model: name for name, model in NAMED.items()}
    small = runs[runs["arm"].str.startswith("scratch")]
    for (model, kind, amount, arm), twin in small.groupby(["model", "granularity", "amount", "arm"], sort=False):
        same = runs[(runs["model"] == model) & (runs["granularity"] == kind) & (runs["amount"] == amount)]
        once = same[(same["arm"] == "one-shot") & (same["masks"] == "held")]
        pruned, above = once["loss_nats"], (once["loss_nats"] > once["start_nats"]).all()
        wins[model, kind, amount, arm] = apart(pruned, twin["loss_nats"]) and bool(above)
        if kind == "weight" and amount in (0.5, 0.9):
            said.append(
                f"At {100 * amount:.0f} % on {words[model]} it ends at {printed(twin['loss_nats'], 3)} nats for equal "
                f"{arm.removeprefix('scratch: ')}. The pruned one ends at {printed(pruned, 3)}."
            )
    return Evidence(
        verdict=graded(wins.values()),
        line=f"From random weights is better in {sum(wins.values())} of {len(wins)} cases",
        finding="A small dense model from random weights, with the budget of pruning and fine-tuning. It is better in "
        f"{sum(wins.values())} of {len(wins)} cases. " + " ".join(said),
    )


SCRATCH = Claim(
    name="scratch",
    said="A small model that is trained from random weights does as well as one that was pruned to its size.",
    source="Liu et al., arXiv 1810.05270, of convolutional networks and equal training; against it arXiv 1710.01878",
    verdict=Verdict.HOLDS_WHEN,
    condition="nine tenths of the weights go, and the small model gets equal arithmetic instead of equal seconds.",
    flips="to *holds* with a longer training. What the dense model learned before comes to the pruned one for nothing.",
    evidence=scratch_is_as_good,
    data=("pruning_recovery",),
)


def gradual_is_better(store: Store) -> Evidence:
    """Per model and large amount, after equally many updates: do all gradual seeds lie below all one-shot ones?

    Holds if they do in every case, does not hold if in none.
    """
    runs = evidence.recoveries(store)
    wins, said = [], []
    for name, model in NAMED.items():
        for amount in _amounts(runs, model, "gradual"):
            once, gradual = (_arm(runs, model, amount, arm)["loss_nats"] for arm in ("one-shot", "gradual"))
            wins.append(apart(once, gradual))
            said.append(
                f"At {100 * amount:.0f} % on {name} gradual ends at {printed(gradual, 3)} nats. In one shot it "
                f"ends at {printed(once, 3)}."
            )
    return Evidence(
        verdict=graded(wins),
        line=f"Gradual pruning is better in {sum(wins)} of {len(wins)} cases",
        finding=f"The amount grows by a cubic over half of the updates. That is better in {sum(wins)} of {len(wins)} "
        "cases. " + " ".join(said),
    )


GRADUAL = Claim(
    name="gradual",
    said="Pruning a little at a time while training is better than all at once and training afterwards.",
    source="Zhu and Gupta, arXiv 1710.01878",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="with longer training. Ours prunes in half of its updates, and few are left to recover from the last mask.",
    evidence=gradual_is_better,
    data=("pruning_recovery",),
)


def removed_stays(store: Store) -> Evidence:
    """Are as many weights 0 after fine-tuning without masks as with them held, within one in a hundred?

    Stories, 70 %. Holds if in all seeds, does not hold if in none.
    """
    runs = evidence.recoveries(store)
    model = NAMED["stories"]
    (amount,) = runs.loc[runs["masks"] == "none", "amount"].unique()
    free, held = (_arm(runs, model, amount, masks=masks) for masks in ("none", "held"))
    return Evidence(
        verdict=graded(own - kept >= -0.01 for own, kept in zip(free["zeros"], held["zeros"], strict=True)),
        line=f"After fine-tuning, {100 * free['zeros'].median():.1f} % of the weights are 0, not {100 * amount:.0f} %",
        finding=f"After {free['steps'].max()} updates that nothing holds, {printed(100 * free['zeros'], 1)} % of the "
        f"blocks' weights are zeros. With masks held {printed(100 * held['zeros'], 1)} % are. The model ends at "
        f"{free['loss_nats'].median():.3f} nats instead of {held['loss_nats'].median():.3f}, since it is dense again.",
    )


REMOVED = Claim(
    name="removed",
    said="Once the mask is made permanent by `prune.remove`, fine-tuning can begin.",
    source="the article's sample, section 3.2, and most tutorials",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="if fine-tuning came first, with the masks in force, and `remove` last.",
    evidence=removed_stays,
    data=("pruning_recovery",),
)
