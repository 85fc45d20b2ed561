"""Chapter 2's predictions: what eight layers cost in speed (`COST`), and what four buy in accuracy (`QUALITY`)."""

from mobilellm_lab.deep_narrow import arms
from mobilellm_lab.deep_narrow.study.evidence import reported, speeds
from mobilellm_lab.reference import open_sweep, origin
from mobilellm_lab.reference.rows import one
from mobilellm_lab.teaching.prediction import Measured, Prediction

BUDGET, STEPS = 60_000, 500  # parameters of the shapes compared, and updates of their training


def cost(shallow: int = 1, deep: int = 8) -> Measured:
    """How many times fewer tokens per second `deep` layers decode than `shallow` ones, at `BUDGET` parameters."""
    store = open_sweep("deep_narrow_cost")
    fast, slow = (one(speeds(store), budget=BUDGET, depth=depth) for depth in (shallow, deep))
    return Measured(
        median=fast["p50"] / slow["p50"],
        low=fast["p10"] / slow["p90"],
        high=fast["p90"] / slow["p10"],
        origin=str(origin(store)),
        note=f"{slow['rounds']} rounds in turn: tenth to ninetieth percentile of one over the other's",
    )


def quality(depth: int) -> Measured:
    """Accuracy on the shell game with `depth` layers of `BUDGET` parameters after `STEPS` updates, over three seeds."""
    store = open_sweep("deep_narrow")
    wanted = ("depth", "shells", BUDGET, STEPS, depth)
    plan = [
        arm
        for arm in arms()
        if (arm.study, arm.recipe.task, arm.recipe.budget, arm.recipe.steps, arm.recipe.depth) == wanted
    ]
    scores = reported(store, plan)["score"]
    return Measured(
        median=float(scores.median()),
        low=float(scores.min()),
        high=float(scores.max()),
        origin=str(origin(store)),
        note=f"{len(scores)} seeds, lowest to highest, at the best of {len(plan[0].rates)} learning rates",
    )


COST = Prediction(
    name="cost",
    question=f"Two models of {BUDGET:,} parameters write one token after another on one CPU core: one has a single "
    "wide layer, the other eight narrow ones. How many times **fewer tokens per second** does the deep one write?",
    unit="times",
    low=0.1,
    high=50,
    step=0.1,
    reference=cost,
    explain="The arithmetic is about the same. But eight layers start eight times as many products, each waiting "
    "for the one before, and each start takes a fixed time, however small the product. A large model spends its "
    "time on reading weights instead, and there depth costs far less.",
    digits=1,
)

QUALITY = Prediction(
    name="quality",
    # Quotes a stored number, read once when the chapter is imported, in about 10 ms.
    question=f"On the shell game, where guessing is right once in six ({1 / 6:.2f}), one layer of {BUDGET:,} "
    f"parameters reaches an accuracy of {quality(1).median:.2f} after {STEPS} steps of training. Four narrower "
    "layers have as many parameters within 2 %, the same data and the same steps. **Which accuracy do they reach?**",
    unit="",
    low=0,
    high=1,
    step=0.001,  # finer than the spread of the seeds, so that a prediction can lie inside
    reference=lambda: quality(4),
    explain="The moves do not commute, so an answer must be composed move by move. One layer looks at all moves at "
    "once; each further layer builds on what the ones before it have composed.",
    digits=3,
)

PREDICTIONS = (COST, QUALITY)
