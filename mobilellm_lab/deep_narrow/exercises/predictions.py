"""Predictions: decode speed by depth at 10M parameters (`COST`), accuracy of a small deep model (`QUALITY`)"""

from mobilellm_lab.deep_narrow import arms
from mobilellm_lab.deep_narrow.study.evidence import reported, speeds
from mobilellm_lab.reference import open_sweep, origin
from mobilellm_lab.reference.rows import one
from mobilellm_lab.teaching.prediction import Measured, Prediction

TIMED, SHALLOW, DEEP = 10_000_000, 2, 32  # parameters and layers of the shapes whose speed is asked for
WIDE, NARROW = (1, 200_000), (3, 30_000)  # layers and parameters of the models whose accuracy is compared
STEPS = 500  # updates of their training


def cost() -> Measured:
    """Tokens per second of `SHALLOW` layers over those of `DEEP` ones, at `TIMED` parameters."""
    store = open_sweep("deep_narrow_cost")
    fast, slow = (one(speeds(store), budget=TIMED, depth=depth) for depth in (SHALLOW, DEEP))
    return Measured(
        median=float(fast["p50"] / slow["p50"]),
        low=float(fast["p10"] / slow["p90"]),
        high=float(fast["p90"] / slow["p10"]),
        origin=str(origin(store)),
        note=f"{slow['rounds']:.0f} rounds in turn: tenth to ninetieth percentile of one over the other's",
    )


def quality(depth: int, budget: int) -> Measured:
    """Accuracy on the shell game with `depth` layers of `budget` parameters after `STEPS` updates, over three seeds."""
    store = open_sweep("deep_narrow")
    wanted = ("depth", "shells", budget, STEPS, depth)
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
    question=f"Two models of {TIMED // 10**6} million parameters decode on one CPU core. One has {SHALLOW} layers, the "
    f"other {DEEP}, {DEEP // SHALLOW} times as many. How many times **fewer tokens per second** does the deep one "
    "decode?",
    unit="times",
    low=0.1,
    high=50,
    step=0.1,
    reference=cost,
    explain="Both read the same number of weights for each token, which takes the same time at any depth. On top, each "
    "layer starts its operations after the one before it. At this size the two costs are of the same order. So the "
    "slowdown lies far below the ratio of the depths, and far above 1.",
    digits=1,
)

QUALITY = Prediction(
    name="quality",
    # Quotes a stored number, read once when the chapter is imported, in about 10 ms.
    question=f"On the shell game guessing gives an accuracy of {1 / 6:.2f}. A single layer of {WIDE[1]:,} parameters "
    f"reaches {quality(*WIDE).median:.2f} after {STEPS} steps of training. Another model has {NARROW[0]} narrow layers "
    f"and only {NARROW[1]:,} parameters, with the same data and steps. **Which accuracy does it reach?**",
    unit="",
    low=0,
    high=1,
    step=0.001,
    reference=lambda: quality(*NARROW),
    explain="The moves do not commute, so an answer must be composed move by move. One layer looks at all moves at "
    "once, however wide it is; each further layer builds on what the ones before it have composed.",
    digits=3,
)

PREDICTIONS = (COST, QUALITY)
