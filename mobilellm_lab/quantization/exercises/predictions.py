"""Predictions of what QAT recovers (`RECOVERED`) and how fast int8 decodes (`INT8`)"""

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.recipe import QATRecipe
from mobilellm_lab.quantization.study.sweep_qat import STEPS
from mobilellm_lab.reference import open_sweep, origin
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.teaching.prediction import Measured, Prediction

MODEL, BITS = "stories-deep", 1
BACKEND, SIZE = "torchao int8 dynamic", "1M"


def recovered() -> Measured:
    """Percent of what rounding `MODEL` to `BITS` bits loses that a short QAT recovers."""
    store, trained = open_sweep("quantization"), open_sweep("quantization_qat")
    row = one(evidence.crossover(store, trained, MODEL), bits=BITS)
    losses = seeds(evidence.qat(trained), "loss_nats", model=MODEL, arm="qat", bits=BITS)
    back = 100 * (row["ptq rtn median"] - losses) / (row["ptq rtn median"] - row["float_nats"])
    return Measured(
        median=float(back.median()),
        low=float(back.min()),
        high=float(back.max()),
        origin=str(origin(trained)),
        note=f"{len(back)} seeds, lowest to highest, at the best of three learning rates",
    )


def int8() -> Measured:
    """How many times as many tokens per second as in float32 a model of `SIZE` decodes on `BACKEND`."""
    store = open_sweep("quantization_speed")
    row = one(evidence.speeds(store), backend=BACKEND, size=SIZE)
    return Measured(
        median=float(row["speedup"]),
        low=float(row["speedup_low"]),
        high=float(row["speedup_high"]),
        origin=str(origin(store)),
        note=f"{row['pairs']} pairs: 95 % interval of the ratio",
    )


RECOVERED = Prediction(
    name="recovered",
    question="Each weight of a small story model keeps a single bit, its sign, with one scale for 32 weights. It "
    "then answers hardly any question, and its loss is far above that of the float model. From there QAT trains it for "
    f"{STEPS} steps of {QATRecipe().batch_size} sequences, a small part of its first training. **How much of the loss "
    "increase does it recover**, in percent?",
    unit="%",
    low=0,
    high=120,
    step=0.1,
    reference=recovered,
    explain="The weights were put where a float model wants them, and their signs alone are far from that. Nearby are "
    "other weights that are nearly as good and lie on the grid. A short training finds them, because nothing has to be "
    "learned anew.",
    digits=1,
)

INT8 = Prediction(
    name="int8",
    question="The library that PyTorch recommends (torchao, dynamic int8) converts a model of a million parameters. "
    "Its weights take a quarter of the bytes, and its products are those of integers. It decodes token by token on one "
    "core. **How many times as fast as in float32** is that? 1 is as fast, 0.5 half as fast.",
    unit="times",
    low=0.01,
    high=10,
    step=0.001,
    reference=int8,
    explain="The arithmetic is a small part of a small model's time. Before each product int8 finds the input's range "
    "and rounds the input, and afterwards it scales the result. Each of these operations has its fixed cost. What is "
    "saved, three bytes of each weight, was never what took the time.",
    digits=3,
)

PREDICTIONS = (RECOVERED, INT8)
