"""Pruning run: from a recipe and a dense model to an evaluated model, step by step"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from torch import Tensor

from mobilellm_lab.measuring.evaluation import EvalResult, EvalSet
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.calibration import pruning_data
from mobilellm_lab.pruning.importance import gradients
from mobilellm_lab.pruning.layers import choose_layers
from mobilellm_lab.pruning.masks import apply
from mobilellm_lab.pruning.sensitivity import LayerCost, allocate, scan
from mobilellm_lab.pruning.shrinking import Structure, masked, shrink
from mobilellm_lab.pruning.structured import prune_structured
from mobilellm_lab.pruning.study.made import Made, Sizes, Zeros
from mobilellm_lab.pruning.study.recipe import FLOAT, SCAN_AMOUNTS, SINGLE, Recipe
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization.calibration import Calibration, calibrate
from mobilellm_lab.quantization.quantized import select
from mobilellm_lab.tasks import Batch, Task

SCAN_SEQUENCES = 32  # of the validation part, on which every matrix alone is tried
Seen = Calibration | dict[str, Tensor] | list[Batch] | list[LayerCost]  # inputs, gradients, sequences, or a scan


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
    zeros: Zeros
    sizes: Sizes

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
    made: Made | None = field(init=False, default=None)
    evaluation: EvalResult | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.eval_set is None:
            self.eval_set = EvalSet(self.model, self.task)

    def __iter__(self) -> Iterator[Progress]:
        recipe = self.recipe
        if recipe.calibrates and seen_key(recipe) not in self.seen:
            yield Progress(phase="calibrating", share=0.0)
            self.seen[seen_key(recipe)] = self._look()
        if recipe.scope == "sensitivity":
            yield from self._scan()
        yield Progress(phase="pruning", share=0.3)
        self.made = self._prune()
        if recipe.bits != FLOAT:
            yield Progress(phase="quantizing", share=0.4)
            self.made = self.made.rounded(recipe.grid)
        yield Progress(phase="evaluating", share=0.5)
        evaluations, total = self.eval_set.evaluate(self.made.answering), len(self.eval_set.batches)
        for number in range(total):
            for _ in self.eval_set.prepare(number + 1):
                yield Progress(phase="evaluating", share=0.5 + 0.5 * number / total, evaluation=self.evaluation)
            self.evaluation = next(evaluations)
            yield Progress(phase="evaluating", share=0.5 + 0.5 * (number + 1) / total, evaluation=self.evaluation)

    def _scan(self) -> Iterator[Progress]:
        """Fills `costs` with the loss increase of every layer alone, unless an earlier run has."""
        key = scan_key(self.recipe)
        if key not in self.seen:
            recipe, found = self.recipe, []
            options = {"granularity": recipe.granularity, "batch_size": SCAN_SEQUENCES, **self._how()}
            if recipe.granularity == "weight":
                options |= {"compare": recipe.compare, "layers": recipe.layers}
            parts = (
                len(select(self.model, recipe.layers)) if recipe.granularity == "weight" else self.model.config.n_layers
            )
            costs = (1 + len(SCAN_AMOUNTS)) * parts
            for number, cost in enumerate(scan(self.model, self.task, SCAN_AMOUNTS, **options), 1):
                found.append(cost)
                yield Progress(phase=f"scanning {number} of {costs}", share=0.1 + 0.2 * number / costs)
            self.seen[key] = found
        self.costs = self.seen[key]

    def _look(self) -> Seen:
        """What this recipe sees of the model: sequences for whole layers, else gradients or inputs on them."""
        recipe = self.recipe
        options = {"sequences": recipe.sequences, "length": recipe.length or None, "seed": recipe.seed}
        batches = pruning_data(self.task, recipe.data, model=self.model, **options)
        if recipe.granularity == "layer":
            return batches
        return gradients(self.model, batches) if recipe.importance == "taylor" else calibrate(self.model, batches)

    def _prune(self) -> Made:
        recipe = self.recipe
        if not recipe.amount:
            return Made(masked=apply(self.model, {}))
        if recipe.granularity in SINGLE:
            compare = "global" if recipe.scope == "global" else recipe.compare
            pattern = recipe.granularity if recipe.granularity == "2:4" else ""
            options = {"compare": compare, "pattern": pattern, "layers": recipe.layers, **self._how()}
            return Made(masked=prune(self.model, self._amount(), **options))
        if recipe.granularity == "layer":
            batches = self.seen[seen_key(recipe)] if recipe.calibrates else ()
            count = round(recipe.amount * self.model.config.n_layers)
            kept = choose_layers(self.model, count, recipe.choice, batches=batches, seed=recipe.seed)
            structure = replace(Structure.whole(self.model.config), layers=kept)
        else:
            scope = "global" if recipe.scope == "global" else "uniform"
            options = {"granularity": recipe.granularity, "scope": scope, **self._how()}
            structure = prune_structured(self.model, self._amount(), **options)
        return Made(masked=masked(self.model, structure), small=shrink(self.model, structure))

    def _amount(self) -> float | dict[str, float]:
        """The recipe's amount, or that of each layer by its costs."""
        if not self.costs:
            return self.recipe.amount
        dense = sum(cost.kept for cost in self.costs if not cost.amount)
        return allocate(self.costs, round((1 - self.recipe.amount) * dense))

    def _how(self) -> dict:
        """How weights or groups are ranked, as `prune`, `prune_structured` and `scan` take it."""
        recipe = self.recipe
        found = self.seen[seen_key(recipe)] if recipe.calibrates else None
        return {
            "importance": recipe.importance,
            "calibration": found if isinstance(found, Calibration) else None,
            "gradients": found if isinstance(found, dict) else None,
            "seed": recipe.seed,
        }

    def result(self) -> Result:
        """Zeros and bytes of the model, and its evaluation so far.

        Raises:
            ValueError: there is none yet.
        """
        if self.evaluation is None:
            raise ValueError("nothing was evaluated yet: iterate over the run before asking for its result")
        measured = {"zeros": self.made.zeros, "sizes": self.made.sizes()}
        return Result(recipe=self.recipe, evaluation=self.evaluation, **measured)


def seen_key(recipe: Recipe) -> tuple:
    """What decides what is seen of the model; recipes with the same key may share it."""
    kind = "sequences" if recipe.granularity == "layer" else "gradients" if recipe.importance == "taylor" else "inputs"
    return (recipe.model, kind, recipe.data, recipe.sequences, recipe.length, recipe.seed)


def scan_key(recipe: Recipe) -> tuple:
    """What decides the sensitivity of single matrices."""
    return ("scan", recipe.granularity, recipe.importance, recipe.compare, recipe.layers, *seen_key(recipe))
