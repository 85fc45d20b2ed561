"""Predictions of a small twin's answers from random weights (`FROM_SCRATCH`), of speed by neurons (`FEWER_NEURONS`)"""

from mobilellm_lab.pruning.study import recovery
from mobilellm_lab.pruning.study.speed import PruningSpeedRecipe
from mobilellm_lab.reference import open_sweep, origin
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.prediction import Measured, Prediction

MODEL, AMOUNT = "stories-deep", 0.8
FASTER = PruningSpeedRecipe(size="125M", granularity="neuron", amount=0.5, work="decode")


def from_scratch() -> Measured:
    """How many times as many two-hop answers as the pruned model a twin from random weights gives, after equal time."""
    store = open_sweep("pruning_recovery")
    pruned, twins = (_answers(store, arm) for arm in ("one-shot", "scratch: seconds"))
    ratios = sorted(twin / own for twin, own in zip(twins, pruned, strict=True))
    return Measured(
        median=ratios[len(ratios) // 2],
        low=ratios[0],
        high=ratios[-1],
        origin=str(origin(store)),
        note=f"{len(ratios)} seeds, lowest to highest, each arm at its best learning rate",
    )


def _answers(store: Store, arm: str) -> list[float]:
    """Share of right two-hop answers of an arm's seeds at its best rate."""
    wanted = {"model": MODEL, "amount": AMOUNT, "arm": arm, "masks": "held"}
    (found,) = (
        each for each in recovery.arms() if all(getattr(each.recipe, name) == value for name, value in wanted.items())
    )
    return [store[recipe]["scores"]["two-hop"] for recipe in found.reported(store)]


def fewer_neurons() -> Measured:
    """How many times as many tokens per second as the dense model one without half of its neurons decodes."""
    store = open_sweep("pruning_speed")
    row = store[FASTER]
    return Measured(
        median=row["speedup"],
        low=row["speedup_low"],
        high=row["speedup_high"],
        origin=str(origin(store)),
        note=f"{FASTER.pairs} pairs: 95 % interval of the ratio",
    )


FROM_SCRATCH = Prediction(
    name="from_scratch",
    question=f"A story model loses {AMOUNT:.0%} of the weights in its blocks, and is fine-tuned for {recovery.STEPS} "
    "updates. A dense model with as many weights as are left starts from random ones, and trains for the same seconds. "
    "Pruning counts among them, and the small model makes more updates in the time. **How many times as many "
    "two-hop questions as the pruned one does it answer?** 1 is equally many, 0.5 half as many.",
    unit="times",
    low=0,
    high=5,
    step=0.01,
    reference=from_scratch,
    explain="The pruned model starts with what thousands of updates have taught the dense one, and the fifth of its "
    "weights that is left still holds most of it. The small model has seconds for what took an hour. In them it "
    "learns the words of a story, which is most of the loss, and hardly who is where.",
)

FEWER_NEURONS = Prediction(
    name="fewer_neurons",
    question="Every block of a model of 125M parameters loses half of its feed-forward neurons: rows of gate and "
    "up, columns of down. What is left are smaller dense matrices. It decodes token by token on one core. **How many "
    "times as fast as before is it?** 1 is as fast, 2 twice as fast.",
    unit="times",
    low=0.2,
    high=5,
    step=0.01,
    reference=fewer_neurons,
    explain="Decoding reads every weight once a token, and the feed-forward layers hold a part of them. Attention, the "
    "embedding table and the start of each operation cost what they did.",
)

PREDICTIONS = (FROM_SCRATCH, FEWER_NEURONS)
