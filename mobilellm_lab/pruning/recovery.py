"""Recovery: fine-tune a pruned model with its masks held, in one shot or while the amount grows"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mobilellm_lab.checkpoints import assemble
from mobilellm_lab.choices import advice
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.masks import Masks, PrunedModel, require_dense
from mobilellm_lab.quantization.quantized import matrices
from mobilellm_lab.tasks import Task
from mobilellm_lab.training import Step, TrainConfig, TrainState, train

HOLDS = ("held", "weights", "none")


@dataclass(frozen=True, kw_only=True)
class Gradual:
    """Masks that grow while a dense model trains, from none to `amount`.

    The amount rises by a cubic: fast while many weights are idle, slowly towards the end. After `share` of the run it
    is reached, and the rest recovers. Weights that a new mask frees start from 0.

    Raises:
        ValueError: a field out of range.

    Source: Zhu and Gupta, arXiv 1710.01878, equation 1.
    """

    amount: int | float  # in the end
    masks: Callable[[Transformer, float], Masks]  # of the model as it stands, at this amount
    share: int | float = 0.5  # of the run, over which the amount rises
    every: int = 4  # updates between two masks

    def __post_init__(self) -> None:
        if not 0 <= self.amount < 1:
            raise ValueError(f"amount={self.amount}: the share of weights to remove, give 0 or more and less than 1")
        if not 0 < self.share < 1:
            raise ValueError(f"share={self.share}: the amount rises over a part of the run, choose between 0 and 1")
        if self.every < 1:
            raise ValueError(f"every={self.every}: updates between two masks, choose 1 or more")

    def amount_at(self, progress: int | float) -> float:
        """The amount at this progress of the run, 0 .. 1."""
        return self.amount * (1 - max(0.0, 1 - progress / self.share) ** 3)


@dataclass
class RecoveryRun:
    """Fine-tuning that gives a pruned model its quality back; what it starts from stays as it is.

    Iterate for the steps of `training.train`, stop whenever you like, then ask for `result()`. All is checked before
    any time is spent. A dense `start` is the control: the same training without masks.

    - "held": masked weights get no gradient, so AdamW's moments of them stay 0, and with them the weights. A new mask
      of `gradual` sets weights and moments to 0; a moment that is left moves its weight at the next update.
    - "weights": masked weights are set to 0 before each forward pass, but have gradients and moments. These count in
      the norm that gradients are clipped by, and move the weights as soon as nobody sets them to 0.
    - "none": nothing is held, and the zeros grow back. So it goes where torch's `prune.remove` comes before training.

    Args:
        start: the pruned model, or a dense one.
        task: what to train on; the model's own.
        masks: one of HOLDS.
        gradual: masks to grow from none; `start` is dense.
        steps, seconds, batch_size, lr, seed: as in `TrainConfig`, with AdamW. New masks of `gradual` take from the
            same seconds.

    Raises:
        ValueError: a field out of range, a task of another vocabulary, NaN among the weights, a model that is not in
            float32, or `gradual` with masks already there, with masks that nothing holds, or too late for an update.
    """

    start: PrunedModel | Transformer
    task: Task
    masks: str = "held"
    gradual: Gradual | None = None
    steps: int = 40
    seconds: int | float = math.inf
    batch_size: int = 16
    lr: int | float = 1e-3
    seed: int = 0
    trained: Transformer = field(init=False)  # as it stands
    holding: Masks = field(init=False)  # masks in force

    def __post_init__(self) -> None:
        if self.masks not in HOLDS:
            raise ValueError(f"masks={self.masks!r}: {advice(self.masks, HOLDS)}")
        pruned = isinstance(self.start, PrunedModel)
        model = self.start.model if pruned else self.start
        require_dense(model)
        if self.task.vocab_size != model.config.vocab_size:
            raise ValueError(
                f"task {self.task.name} has {self.task.vocab_size} tokens, the model {model.config.vocab_size}: "
                "train on what it was trained on"
            )
        if self.gradual is not None:
            self._check_gradual()
        self.config = TrainConfig(
            steps=self.steps,
            seconds=float(self.seconds),
            batch_size=self.batch_size,
            optimizer="adamw",
            lr=float(self.lr),
            seed=self.seed,
        )
        self.trained = copy.deepcopy(model).train()
        self.holding = dict(self.start.masks) if pruned and self.masks != "none" else {}
        if self.masks == "held":
            for name, w in matrices(self.trained).items():
                w.register_hook(lambda gradient, name=name: self._kept(gradient, name))
        elif self.masks == "weights":
            self.trained.register_forward_pre_hook(lambda *_: self._zero())

    def _check_gradual(self) -> None:
        if self.masks == "none":
            raise ValueError("masks='none' with gradual: masks that nothing holds do not grow, choose 'held'")
        if isinstance(self.start, PrunedModel):
            raise ValueError("gradual with a PrunedModel: give the dense model, whose masks grow from none")
        if self.gradual.share * self.steps > self.steps - 1:
            raise ValueError(
                f"share={self.gradual.share} of steps={self.steps}: no update is left after the last mask, "
                "choose more steps"
            )

    def __iter__(self) -> Iterator[Step]:
        state, rising = TrainState(), self.gradual is not None
        for step in train(self.trained, self.task, self.config, state=state):
            progress = max(step.step / self.steps, step.elapsed_s / self.seconds)
            if rising and (step.step % self.gradual.every == 0 or progress >= self.gradual.share):
                begin = time.perf_counter()
                self.holding = self.gradual.masks(self.trained, self.gradual.amount_at(progress))
                self._zero()
                if self.masks == "held":
                    self._forget(state)
                rising = progress < self.gradual.share
                state.elapsed_s += time.perf_counter() - begin
            yield step

    def result(self) -> PrunedModel:
        """The model as it stands, with the masks in force; none of a dense start, and none where nothing is held."""
        self._zero()
        weights = {name: value.detach().clone() for name, value in self.trained.state_dict().items()}
        return PrunedModel(model=assemble(self.trained.config, weights).eval(), masks=dict(self.holding))

    def _kept(self, gradient: Tensor, name: str) -> Tensor:
        """A matrix's gradient, 0 where it is masked."""
        return gradient.masked_fill(~self.holding[name], 0) if name in self.holding else gradient

    @torch.no_grad()
    def _zero(self) -> None:
        own = matrices(self.trained)
        for name, mask in self.holding.items():
            own[name].masked_fill_(~mask, 0)

    @torch.no_grad()
    def _forget(self, state: TrainState) -> None:
        """Sets the moments of masked weights to 0."""
        own = matrices(self.trained)
        for name, mask in self.holding.items():
            for moment in state.moments_of(own[name]):
                moment.masked_fill_(~mask, 0)
