"""Quantization run: from a recipe and a float model to an evaluated model, step by step"""

import copy
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from mobilellm_lab import measuring
from mobilellm_lab.measuring.evaluation import EvalResult, EvalSet
from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.activations import quantize_activations
from mobilellm_lab.quantization.calibration import Calibration, calibrate, calibration_data
from mobilellm_lab.quantization.files import save_quantized
from mobilellm_lab.quantization.kv_cache import WithCache
from mobilellm_lab.quantization.outliers import inject_outliers
from mobilellm_lab.quantization.ptq import CALIBRATED, quantizing
from mobilellm_lab.quantization.quantized import QuantizedModel, matrices, select
from mobilellm_lab.quantization.rotation import rotate
from mobilellm_lab.quantization.study.recipe import CALIBRATION_SEQUENCES, CHANNELS, FLOAT, Recipe
from mobilellm_lab.tasks import Batch, Task


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands."""

    phase: str
    share: float  # 0 .. 1, of the whole run
    evaluation: EvalResult | None = None  # so far, once there is one


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Bytes of a quantized model, by formula and as written."""

    theory: measuring.Theoretical  # codes, scales, zeros and what stayed in float32; no header
    on_disk: measuring.OnDisk  # the folder that was really written
    bits_per_weight: float  # of the matrices, scales and zeros counted; what stayed float counts 32


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a recipe gave: quality and bytes, each in a place of its own."""

    recipe: Recipe
    evaluation: EvalResult
    sizes: Sizes

    @property
    def loss_nats(self) -> float:
        return self.evaluation.loss_nats

    @property
    def perplexity(self) -> float:
        return self.evaluation.perplexity

    @property
    def scores(self) -> dict[str, float]:
        return self.evaluation.scores


@dataclass
class Run:
    """A recipe being carried out. Iterate for its progress, stop whenever you like, then ask for `result()`.

    The float model is never changed. `eval_set` and `calibrations` may be shared by runs on the same model: then the
    float model is evaluated, and looked into, once.

    Args:
        model: the float model that the recipe's name stands for.
        task: what it was trained on.
        eval_set: None makes one of 256 test sequences.
        calibrations: what earlier runs have seen, by `calibration_key`; filled on the way.
    """

    recipe: Recipe
    model: Transformer
    task: Task
    eval_set: EvalSet | None = None
    calibrations: dict[tuple, Calibration] = field(default_factory=dict)
    start: Transformer = field(init=False)  # the float model with injected outliers and rotation
    quantized: QuantizedModel | None = field(init=False, default=None)
    flowing: Calibration | None = field(init=False, default=None)  # what flows through it, for static activations
    evaluation: EvalResult | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.eval_set is None:
            self.eval_set = EvalSet(self.model, self.task)
        self.start = self.model

    @property
    def calibration(self) -> Calibration | None:
        """What was seen flowing through the float model; None where nobody has looked yet."""
        return self.calibrations.get(calibration_key(self.recipe))

    def __iter__(self) -> Iterator[Progress]:
        recipe = self.recipe
        if recipe.planted != "none":
            options = {"channels": CHANNELS, "factor": recipe.factor, "seed": recipe.seed}
            self.start = inject_outliers(self.start, kind=recipe.planted, **options)
            yield Progress(phase="planting outliers", share=0.11)
        if recipe.rotate:
            self.start = rotate(self.start)
            yield Progress(phase="rotating", share=0.12)
        if recipe.bits != FLOAT and recipe.method in CALIBRATED and self.calibration is None:
            self.calibrations[calibration_key(recipe)] = calibrate(self.start, self._batches())
            yield Progress(phase="calibrating", share=0.2)
        for share in self._quantize():
            yield Progress(phase="quantizing", share=0.2 + 0.2 * share)
        model = self.quantized.model
        if recipe.activation_bits != FLOAT and recipe.activation == "static":
            self.flowing = calibrate(model, self._batches())  # of the rounded weights, and of scales that moved
            yield Progress(phase="calibrating", share=0.5)
        with self.activations(model):
            evaluations, total = self.eval_set.evaluate(self.cached(model)), len(self.eval_set.batches)
            for number in range(total):
                for _ in self.eval_set.prepare(number + 1):
                    yield Progress(phase="evaluating", share=0.5 + 0.5 * number / total, evaluation=self.evaluation)
                self.evaluation = next(evaluations)
                yield Progress(phase="evaluating", share=0.5 + 0.5 * (number + 1) / total, evaluation=self.evaluation)

    def _batches(self) -> list[Batch]:
        recipe = self.recipe
        return calibration_data(self.task, recipe.data, sequences=CALIBRATION_SEQUENCES, seed=recipe.seed)

    def _quantize(self) -> Iterator[float]:
        recipe = self.recipe
        if recipe.bits == FLOAT:
            self.quantized = QuantizedModel(model=copy.deepcopy(self.start), tensors={})
        else:
            options = {"method": recipe.method, "layers": recipe.layers, "calibration": self.calibration}
            total, steps = len(select(self.start, recipe.layers)), quantizing(self.start, recipe.grid, **options)
            for done in itertools.count(1):
                try:
                    next(steps)
                except StopIteration as end:
                    self.quantized = end.value
                    break
                yield min(1.0, done / total)
        yield 1.0

    def activations(self, model: Transformer) -> AbstractContextManager:
        """Inside, what enters the matrices of this model is rounded as the recipe says."""
        recipe = self.recipe
        if recipe.activation_bits == FLOAT:
            return nullcontext()
        how = {"how": recipe.activation, "ranges": recipe.ranges, "hadamard": recipe.rotate}
        return quantize_activations(model, recipe.activation_bits, calibration=self.flowing, **how)

    def cached(self, model: Transformer) -> nn.Module:
        """The model with keys and values in as many bits as the recipe says."""
        return model if self.recipe.kv_bits == FLOAT else WithCache(model, bits=self.recipe.kv_bits)

    def result(self) -> Result:
        """Bytes of the model, and its evaluation so far.

        Raises:
            ValueError: there is none yet.
        """
        if self.evaluation is None:
            raise ValueError("nothing was evaluated yet: iterate over the run before asking for its result")
        return Result(recipe=self.recipe, evaluation=self.evaluation, sizes=measure_sizes(self.quantized))


def measure_sizes(q: QuantizedModel) -> Sizes:
    """Bytes of a quantized model; its file is written into a temporary folder, and gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        save_quantized(q, Path(folder) / "quantized")
        on_disk = measuring.on_disk(Path(folder) / "quantized")
    stored, wide = stored_bytes(q), {name: p.numel() for name, p in matrices(q.model).items()}
    return Sizes(
        theory=measuring.Theoretical(bytes=sum(stored.values())),
        on_disk=on_disk,
        bits_per_weight=8 * sum(stored[name] for name in wide) / sum(wide.values()),
    )


def stored_bytes(q: QuantizedModel) -> dict[str, int]:
    """Bytes of every weight tensor by formula: packed codes, scales and zeros, or float32."""
    floats = {name: 4 * p.numel() for name, p in q.model.named_parameters()}
    return floats | {name: tensor.nbytes for name, tensor in q.tensors.items()}


def calibration_key(recipe: Recipe) -> tuple:
    """What decides what is seen flowing through the model; recipes with the same key may share a calibration."""
    planted = () if recipe.planted == "none" else (recipe.planted, recipe.factor)
    return (recipe.model, recipe.data, recipe.seed, recipe.rotate, *planted)
