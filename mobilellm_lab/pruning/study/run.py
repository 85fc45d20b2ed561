"""Pruning run: from a recipe and a dense model to an evaluated model, step by step"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor

from mobilellm_lab.measuring.evaluation import EvalResult, EvalSet
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.calibration import pruning_data
from mobilellm_lab.pruning.importance import gradients
from mobilellm_lab.pruning.masks import PrunedModel, apply
from mobilellm_lab.pruning.sensitivity import LayerCost, allocate, scan
from mobilellm_lab.pruning.study.recipe import FLOAT, Recipe
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization.calibration import Calibration, calibrate
from mobilellm_lab.quantization.ptq import quantize
from mobilellm_lab.quantization.quantized import QuantizedModel, matrices, select
from mobilellm_lab.tasks import Batch, Task

SCANNED = (0.3, 0.5, 0.7, 0.9)  # amounts that a sensitivity scan tries for every matrix alone ...
SCAN_SEQUENCES = 32  # ... on so many validation sequences
Seen = Calibration | dict[str, Tensor] | list[LayerCost]  # inputs of every matrix, gradients, or a scan


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands."""

    phase: str
    share: float  # 0 .. 1, of the whole run
    evaluation: EvalResult | None = None  # so far, once there is one


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a recipe gave: quality, zeros and bytes, each in a place of its own."""

    recipe: Recipe
    evaluation: EvalResult
    zeros: dict[str, float]  # share of each matrix of the model that answers, counted after any rounding
    sparsity: float  # share of zeros among the prunable weights
    of_all: float  # share of the same zeros among all weights

    @property
    def loss_nats(self) -> float:
        return self.evaluation.loss_nats


@dataclass
class Run:
    """A recipe being carried out. Iterate for its progress, stop whenever you like, then ask for `result()`.

    The dense model is never changed. `eval_set` and `seen` may be shared by runs on the same model: then the dense
    model is evaluated, and looked into, once.

    Args:
        model: the dense model that the recipe's name stands for.
        task: what it was trained on.
        eval_set: None makes one of 256 test sequences.
        seen: what earlier runs have calibrated, by `seen_key` and `scan_key`; filled on the way.
    """

    recipe: Recipe
    model: Transformer
    task: Task
    eval_set: EvalSet | None = None
    seen: dict[tuple, Seen] = field(default_factory=dict)
    costs: list[LayerCost] = field(init=False, default_factory=list)  # of a sensitivity scan
    pruned: PrunedModel | None = field(init=False, default=None)
    quantized: QuantizedModel | None = field(init=False, default=None)  # where the recipe asks for fewer bits
    evaluation: EvalResult | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.eval_set is None:
            self.eval_set = EvalSet(self.model, self.task)

    @property
    def answering(self) -> Transformer:
        """The model that is evaluated: pruned, and rounded where the recipe says so."""
        return self.pruned.model if self.quantized is None else self.quantized.model

    def __iter__(self) -> Iterator[Progress]:
        recipe = self.recipe
        if recipe.calibrates and seen_key(recipe) not in self.seen:
            yield Progress(phase="calibrating", share=0.0)
            self.seen[seen_key(recipe)] = self._look()
        if recipe.scope == "sensitivity":
            yield from self._scan()
        yield Progress(phase="pruning", share=0.3)
        self.pruned = self._prune()
        if recipe.bits != FLOAT:
            yield Progress(phase="quantizing", share=0.4)
            self.quantized = quantize(self.pruned.model, recipe.grid)
        yield Progress(phase="evaluating", share=0.5)
        evaluations, total = self.eval_set.evaluate(self.answering), len(self.eval_set.batches)
        for number in range(total):
            for _ in self.eval_set.prepare(number + 1):
                yield Progress(phase="evaluating", share=0.5 + 0.5 * number / total, evaluation=self.evaluation)
            self.evaluation = next(evaluations)
            yield Progress(phase="evaluating", share=0.5 + 0.5 * (number + 1) / total, evaluation=self.evaluation)

    def _scan(self) -> Iterator[Progress]:
        """Fills `costs` with the loss increase of every matrix alone, unless an earlier run has."""
        key = scan_key(self.recipe)
        if key not in self.seen:
            found, total = [], (1 + len(SCANNED)) * len(select(self.model, self.recipe.layers))
            options = {"batch_size": SCAN_SEQUENCES, "compare": self.recipe.compare, **self._how()}
            for cost in scan(self.model, self.task, SCANNED, **options):
                found.append(cost)
                yield Progress(phase="scanning", share=0.1 + 0.2 * len(found) / total)
            self.seen[key] = found
        self.costs = self.seen[key]

    def _look(self) -> Seen:
        batches = self._batches()
        return gradients(self.model, batches) if self.recipe.importance == "taylor" else calibrate(self.model, batches)

    def _batches(self) -> list[Batch]:
        recipe = self.recipe
        options = {"sequences": recipe.sequences, "length": recipe.length or None, "seed": recipe.seed}
        return pruning_data(self.task, recipe.data, model=self.model, **options)

    def _prune(self) -> PrunedModel:
        recipe, amount = self.recipe, self.recipe.amount
        if not amount:
            return apply(self.model, {})
        if self.costs:
            weights = sum(p.numel() for p in select(self.model, recipe.layers).values())
            amount = allocate(self.costs, round((1 - amount) * weights))
        compare = "global" if recipe.scope == "global" else recipe.compare
        pattern = recipe.granularity if recipe.granularity == "2:4" else ""
        return prune(self.model, amount, compare=compare, pattern=pattern, **self._how())

    def _how(self) -> dict:
        """How single weights are ranked, as `prune` and `scan` take it."""
        recipe = self.recipe
        found = self.seen[seen_key(recipe)] if recipe.calibrates else None
        return {
            "importance": recipe.importance,
            "layers": recipe.layers,
            "calibration": found if isinstance(found, Calibration) else None,
            "gradients": found if isinstance(found, dict) else None,
            "seed": recipe.seed,
        }

    def result(self) -> Result:
        """Zeros of the model that answers, and its evaluation so far.

        Raises:
            ValueError: there is none yet.
        """
        if self.evaluation is None:
            raise ValueError("nothing was evaluated yet: iterate over the run before asking for its result")
        return Result(recipe=self.recipe, evaluation=self.evaluation, **count_zeros(self.answering, self.pruned))


def count_zeros(model: Transformer, pruned: PrunedModel) -> dict:
    """Zeros of the matrices that were pruned, as fields of `Result`; of a rounded model, those that are left."""
    own = matrices(model)
    zeros = {name: (own[name] == 0).sum().item() for name in pruned.masks}
    prunable = sum(own[name].numel() for name in zeros)
    return {
        "zeros": {name: count / own[name].numel() for name, count in zeros.items()},
        "sparsity": sum(zeros.values()) / max(1, prunable),
        "of_all": sum(zeros.values()) / sum(p.numel() for p in model.parameters()),
    }


def seen_key(recipe: Recipe) -> tuple:
    """What decides what is seen of the model; recipes with the same key may share it."""
    kind = "gradients" if recipe.importance == "taylor" else "inputs"
    return (recipe.model, kind, recipe.data, recipe.sequences, recipe.length, recipe.seed)


def scan_key(recipe: Recipe) -> tuple:
    """What decides the sensitivity of single matrices."""
    return ("scan", recipe.importance, recipe.compare, recipe.layers, *seen_key(recipe))
