"""Measured sweep of QAT: each arm at its own best rate, for equally many steps"""

import copy
from collections.abc import Iterator
from pathlib import Path

import torch

from mobilellm_lab.arms import Arm, Sweep
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.measuring.start import Start, start
from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.calibration import calibrate, calibration_data
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.ptq import quantize
from mobilellm_lab.quantization.study.recipe import CALIBRATION_SEQUENCES, FLOAT, QATRecipe
from mobilellm_lab.quantization.study.sweep import DEEP, WIDE
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.sweeps import Store
from mobilellm_lab.training import train

COMMAND = "mobilellm-lab sweep quantization_qat"
BITS = (8, 4, 3, 2, 1.58, 1)
STEPS = 60  # of every line, about 12 s on one core
RATES, LOW_RATES = (1e-4, 3e-4, 1e-3), (3e-4, 1e-3, 3e-3)  # to choose from; below 3 bits more has to change
METHODS = ("rtn", "gptq")  # that a model trained without the grid is rounded by


def arms() -> list[Arm]:
    """Every line: with the grid at each number of bits, with a learned step at two, and without a grid.

    The wide models are there at two bits only, to be set beside the deep ones where rounding breaks both.
    """
    plan = []
    for model in DEEP:
        lines = [QATRecipe(model=model, bits=bits, steps=STEPS) for bits in BITS]
        lines += [QATRecipe(model=model, bits=2, learned_step=True, steps=STEPS)]
        lines += [QATRecipe(model=model, bits=FLOAT, steps=STEPS)]
        plan += [Arm(study="qat", recipe=line, rates=LOW_RATES if line.bits < 3 else RATES) for line in lines]
    wide = [QATRecipe(model=model, bits=2, steps=STEPS) for model in WIDE]
    return plan + [Arm(study="qat", recipe=line, rates=LOW_RATES) for line in wide]


def chosen_rate(store: Store, model: str, bits: int | float, *, task: str) -> float:
    """The learning rate that the stored runs chose at so many bits, or at the next more that were measured.

    It is the model's own where there are such rows, else the deep model's of its kind of text.
    """
    measured = min(b for b in BITS if b >= bits)
    for name in (model, "text-deep" if task == "text" else "stories-deep"):
        for arm in arms():
            recipe = arm.recipe
            if (recipe.model, recipe.bits, recipe.learned_step) == (name, measured, False):
                return arm.best_rate(store)
    raise AssertionError(f"no arm at {measured} bits")


def qat_row(recipe: QATRecipe, *, folder: Path = FOLDER) -> dict:
    """One training from the checkpoint of its name in `folder`, as plain values.

    With 32 bits it is trained as it is, and rounded at the end to each of `BITS`, by each of `METHODS`.
    """
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    if recipe.bits == FLOAT:
        model = copy.deepcopy(begin.model)
        *_, last = train(model, begin.task, recipe.train_config())
        made = _evaluated(begin, model) | {"rounded": list(_rounded(begin, model, recipe.group_size))}
    else:
        run = recipe.run(begin.model, begin.task)
        *_, last = run
        made = _evaluated(begin, run.result().model)
    return {
        **made,
        "start": _row(begin.eval_set.float_evaluation),
        "validation_loss_nats": last.evaluation.loss_nats,
        "steps": last.step,
        "tokens": last.tokens,
        "train_s": round(last.elapsed_s, 1),
        **begin.says(COMMAND),
    }


def _rounded(begin: Start, model: Transformer, group_size: int) -> Iterator[dict]:
    """What is left of a model of float weights once it is rounded, by bits and method."""
    calibration = calibrate(model, calibration_data(begin.task, sequences=CALIBRATION_SEQUENCES))
    for bits in BITS:
        for method in METHODS:
            q = quantize(model, Grid(bits=bits, group_size=group_size), method=method, calibration=calibration)
            yield {"bits": bits, "method": method} | _evaluated(begin, q.model)


def _evaluated(begin: Start, model: Transformer) -> dict:
    *_, evaluation = begin.eval_set.evaluate(model.eval())
    return _row(evaluation)


def _row(evaluation: EvalResult) -> dict:
    return {
        "loss_nats": round(evaluation.loss_nats, 6),
        "parts": [round(loss, 6) for loss in evaluation.parts()],
        "scores": {name: round(value, 5) for name, value in evaluation.scores.items()},
        "agreement": round(evaluation.agreement, 5),
    }


SWEEPS = (Sweep(name="quantization_qat", plan=arms, measure=qat_row, alone=False),)
