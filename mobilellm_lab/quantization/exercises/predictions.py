"""Chapter 3's predictions: what training with the grid wins back (`RECOVERED`), and how fast int8 decodes (`INT8`)."""

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.recipe import QATRecipe
from mobilellm_lab.quantization.study.sweep_qat import STEPS
from mobilellm_lab.reference import open_sweep, origin
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.teaching.prediction import Measured, Prediction

MODEL, BITS = "stories-deep", 2
BACKEND, SIZE = "torchao int8 dynamic", "1M"


def recovered() -> Measured:
    """Percent of what rounding `MODEL` to `BITS` bits loses that a short training with the grid wins back."""
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
    question="Rounded to 2 bits, in groups of 32 weights, a small story model is poor: its loss is far above that of "
    f"the float model. From there it is trained for {STEPS} steps of {QATRecipe().batch_size} sequences with rounding "
    "in the loop, a small part of the training that it has had. **How much of the loss increase is won back**, in "
    "percent?",
    unit="%",
    low=0,
    high=120,
    step=0.1,
    reference=recovered,
    explain="The weights were put where a float model wants them, and half a step of a grid of 2 bits is a long way. "
    "Nearby are other weights that are nearly as good and lie on the grid; a short training finds them, because "
    "nothing has to be learned anew.",
    digits=1,
)

INT8 = Prediction(
    name="int8",
    question="A model of a million parameters is converted to int8 by the library that PyTorch recommends for it "
    "(torchao, dynamic int8: whole-number products, weights a quarter of the size). It writes tokens on one core, one "
    "after the other. **How many times as fast as in float32** is that? 1 is as fast, 0.5 half as fast.",
    unit="times",
    low=0.01,
    high=10,
    step=0.001,
    reference=int8,
    explain="The arithmetic is a small part of a small model's time. Before each product the input's range has to be "
    "found and the input rounded, and afterwards the result scaled: several operations more, each with its fixed "
    "cost. What is saved, three bytes of each weight, was never what took the time.",
    digits=3,
)

PREDICTIONS = (RECOVERED, INT8)
