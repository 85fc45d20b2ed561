"""Measured sweep of recovery: pruned models, dense ones and small ones from random weights, each at its best rate"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mobilellm_lab.arms import VALIDATION_SEED, Arm, Sweep
from mobilellm_lab.choices import advice
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.measuring.start import Start, start
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.calibration import pruning_data
from mobilellm_lab.pruning.controls import equal_updates, kept_parameters, small_twin
from mobilellm_lab.pruning.importance import gradients
from mobilellm_lab.pruning.layers import choose_layers
from mobilellm_lab.pruning.masks import PrunedModel
from mobilellm_lab.pruning.recovery import HOLDS, Gradual, RecoveryRun
from mobilellm_lab.pruning.selection import COMPARE
from mobilellm_lab.pruning.shrinking import Structure, shrink
from mobilellm_lab.pruning.structured import prune_structured
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization.calibration import calibrate
from mobilellm_lab.quantization.quantized import select
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.stored import added
from mobilellm_lab.tasks import Task

COMMAND = "mobilellm-lab sweep pruning_recovery"
ARMS = ("one-shot", "gradual", "scratch: seconds", "scratch: operations")
IMPORTANCES = {"weight": ("l1", "wanda"), "neuron": ("taylor",), "layer": ("measured",)}  # by granularity
STEPS = 40  # updates of every recovery
PRUNING_UPDATES = 1  # that pruning takes the time of, calibration included
# Seconds of an update of the small twin by those of the dense model: CPU time in turns, one thread, median of six.
PACE = {
    "stories-deep": {0.5: 0.65, 0.7: 0.56, 0.8: 0.52, 0.9: 0.37},
    "text-deep": {0.5: 0.66, 0.7: 0.60, 0.8: 0.47, 0.9: 0.45},
}
DENSE_RATES = (1e-4, 1e-3)
RATES = {  # by model and amount; the best two of those that were tried once on the validation seed
    "stories-deep": {0.5: (1e-4, 3e-4), 0.7: (3e-4, 1e-3), 0.8: (1e-3, 2e-3), 0.9: (3e-3, 6e-3)},
    "text-deep": {0.5: (1e-3, 2e-3), 0.7: (2e-3, 4e-3), 0.8: (2e-3, 4e-3), 0.9: (4e-3, 8e-3)},
}
SCRATCH_RATES = {0.5: (1e-2,), 0.7: (1e-2,), 0.8: (4e-3, 1e-2), 0.9: (4e-3, 1e-2)}  # at 0.5 any rate is far behind
LONG_RATES = (4e-3,)  # of as many operations, where 1e-2 ends higher
STRUCTURES = {("neuron", 0.25): (1e-4, 3e-4), ("neuron", 0.5): (3e-4, 1e-3), ("layer", 0.25): (1e-4, 3e-4)}


@dataclass(frozen=True, kw_only=True)
class RecoveryRecipe:
    """One recovery, or one of its controls.

    Raises:
        ValueError: a field out of range; names it, its value and a remedy, before any time is spent.
    """

    model: str = "stories-deep"  # name of the dense model, which is passed beside the recipe
    arm: str = "one-shot"  # one of ARMS; "scratch" is a dense twin of as many parameters from random weights
    granularity: str = added("weight")  # or "neuron", "layer", which leave a smaller model without masks
    amount: int | float = 0.5  # share of the blocks' weights, neurons or layers that go; 0 is the dense arm
    importance: str = "wanda"  # one of IMPORTANCES of the granularity
    compare: str = "row"
    masks: str = "held"  # one of HOLDS
    steps: int = STEPS  # updates of the recovery; a twin makes as many more as take as long
    batch_size: int = 16  # sequences of an update
    lr: float = 1e-3  # peak
    seed: int = 0  # of training and calibration sequences, and of random weights

    def __post_init__(self) -> None:
        offered = {"granularity": tuple(IMPORTANCES), "compare": COMPARE}
        single = self.granularity == "weight"
        offered |= {"arm": ARMS if single else (ARMS[0], ARMS[2]), "masks": HOLDS if single else ("held",)}
        offered |= {"importance": IMPORTANCES.get(self.granularity, ())}
        for name, values in offered.items():
            if (value := getattr(self, name)) not in values:
                raise ValueError(f"{name}={value!r}: {advice(value, values)}")
        object.__setattr__(self, "amount", float(self.amount))  # 0 and 0.0 are one recipe
        if not (math.isfinite(self.amount) and 0 <= self.amount < 1):
            raise ValueError(f"amount={self.amount}: the share to remove, give 0 or more and less than 1")
        paces = PACE.get(self.model, {})
        if single and self.arm == "scratch: seconds" and self.amount not in paces:
            raise ValueError(
                f"arm={self.arm!r} at amount={self.amount} of {self.model}: its pace was not measured; "
                f"choose one of {', '.join(map(str, paces)) or 'the operations'}"
            )

    def run(self, model: Transformer, task: Task) -> RecoveryRun:
        """The training, ready to be iterated; `model` is the dense one, and stays as it is."""
        options = {"batch_size": self.batch_size, "lr": self.lr, "seed": self.seed}
        if self.arm.startswith("scratch"):
            twin = self.twin(model, task)
            steps = self.twin_updates(model.config, twin, task)
            return RecoveryRun(Transformer(twin, seed=self.seed), task, steps=steps, **options)
        options |= {"steps": self.steps, "masks": self.masks}
        if self.arm == "gradual":
            gradual = Gradual(amount=self.amount, masks=lambda now, amount: self.prune(now, task, amount).masks)
            return RecoveryRun(model, task, gradual=gradual, **options)
        if not self.amount:
            return RecoveryRun(model, task, **options)
        start = self.prune(model, task, self.amount) if self.granularity == "weight" else self.shrunk(model, task)
        return RecoveryRun(start, task, **options)

    def prune(self, model: Transformer, task: Task, amount: int | float) -> PrunedModel:
        """The model without this amount of its least important weights."""
        calibration = None
        if self.importance == "wanda":
            calibration = calibrate(model, pruning_data(task, seed=self.seed))
        return prune(model, amount, importance=self.importance, compare=self.compare, calibration=calibration)

    def shrunk(self, model: Transformer, task: Task) -> Transformer:
        """The smaller model without the amount of its least important neurons or layers."""
        batches = pruning_data(task, seed=self.seed)
        if self.granularity == "layer":
            layers = choose_layers(model, round(self.amount * model.config.n_layers), self.importance, batches=batches)
            return shrink(model, replace(Structure.whole(model.config), layers=layers))
        how = {"granularity": self.granularity, "importance": self.importance}
        return shrink(model, prune_structured(model, self.amount, gradients=gradients(model, batches), **how))

    def twin(self, model: Transformer, task: Task) -> ModelConfig:
        """The shape from random weights: the shrunk one, or a narrower one with as many parameters as masks keep."""
        if self.granularity != "weight":
            return self.shrunk(model, task).config
        return small_twin(model.config, kept_parameters(self.prune(model, task, self.amount)))

    def twin_updates(self, config: ModelConfig, twin: ModelConfig, task: Task) -> int:
        """Updates of the twin for the seconds, or the operations, of pruning and recovery."""
        updates = self.steps + PRUNING_UPDATES
        if self.granularity != "weight":
            return updates  # of the same shape
        if self.arm == "scratch: seconds":
            return round(updates / PACE[self.model][self.amount])
        return equal_updates(updates, config, twin, context=task.seq_len)


def arms() -> list[Arm]:
    """Every line: recoveries and the dense arm, what nothing holds, and small twins from random weights.

    Structures and the second budget of the twins are measured on stories alone, whose updates take half as long.
    """
    plan = []
    for model, rates in RATES.items():
        base = RecoveryRecipe(model=model)
        lines = [(replace(base, amount=0.0), DENSE_RATES)]
        lines += [(replace(base, amount=amount), own) for amount, own in rates.items()]
        lines += [(replace(base, amount=0.8, arm="gradual"), rates[0.8])]
        lines += [(replace(base, amount=amount, arm="scratch: seconds"), own) for amount, own in SCRATCH_RATES.items()]
        if model == "stories-deep":
            lines += [(replace(base, amount=0.9, arm="gradual"), rates[0.9])]
            lines += [(replace(base, amount=0.7, masks="none"), rates[0.7])]
            lines += [(replace(base, amount=a, arm="scratch: operations"), LONG_RATES) for a in (0.8, 0.9)]
            for (granularity, amount), own_rates in STRUCTURES.items():
                (importance,) = IMPORTANCES[granularity]
                own = replace(base, granularity=granularity, amount=amount, importance=importance)
                lines += [(own, own_rates), (replace(own, arm="scratch: seconds"), SCRATCH_RATES[0.5])]
        plan += [Arm(study="recovery", recipe=recipe, rates=own) for recipe, own in lines]
    return plan


def recovery_row(recipe: RecoveryRecipe, *, folder: Path = FOLDER) -> dict:
    """One training from the checkpoint of its name in `folder`, as plain values."""
    torch.set_num_threads(1)
    begin = start(folder, recipe.model)
    run = recipe.run(begin.model, begin.task)
    pruned = recipe.arm == "one-shot" and recipe.amount and recipe.seed != VALIDATION_SEED
    before = _evaluated(begin, run.result().model) if pruned else None
    *_, last = run
    result = run.result()
    blocks = select(result.model, "blocks").values()
    return {
        **_evaluated(begin, result.model),
        "before": before,  # of the pruned model that a reported one-shot recovery starts from
        "start": _row(begin.eval_set.float_evaluation),
        "validation_loss_nats": last.evaluation.loss_nats,
        "steps": last.step,
        "tokens": last.tokens,
        "train_s": round(last.elapsed_s, 1),
        "zeros": round(sum((w == 0).sum().item() for w in blocks) / sum(w.numel() for w in blocks), 5),
        "parameters": kept_parameters(result),
        "shape": {name: getattr(result.model.config, name) for name in ("dim", "hidden_dim", "n_layers")},
        **begin.says(COMMAND),
    }


def _evaluated(begin: Start, model: Transformer) -> dict:
    *_, evaluation = begin.eval_set.evaluate(model)
    return _row(evaluation)


def _row(evaluation: EvalResult) -> dict:
    return {
        "loss_nats": round(evaluation.loss_nats, 6),
        "parts": [round(loss, 6) for loss in evaluation.parts()],
        "scores": {name: round(value, 5) for name, value in evaluation.scores.items()},
        "agreement": round(evaluation.agreement, 5),
    }


SWEEPS = (Sweep(name="pruning_recovery", plan=arms, measure=recovery_row, alone=False),)
