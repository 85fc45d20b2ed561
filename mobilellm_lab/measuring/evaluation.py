"""Evaluation on a fixed set of held-out sequences: loss, scores and agreement, batch by batch"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean

from jaxtyping import Int
from torch import Tensor, nn

from mobilellm_lab.model import Transformer
from mobilellm_lab.tasks import IGNORE, Evaluation, Task
from mobilellm_lab.token_ids import check_targets

PARTS = 4  # equal parts of the sequences, whose spread tells how much a difference depends on which they are


@dataclass(frozen=True, kw_only=True)
class EvalResult(Evaluation):
    """Evaluation of a model so far, with its agreement with the float model on the same sequences."""

    agreement: float  # share of positions where the likeliest token is the float model's

    @property
    def perplexity(self) -> float:
        """exp of the loss; inf where that is no float."""
        return math.inf if self.loss_nats > 709 else math.exp(self.loss_nats)  # the largest is exp(709.78)

    def parts(self) -> list[float]:
        """Loss of each of `PARTS` equal parts of the sequences, of fewer where fewer were evaluated."""
        size = max(1, len(self.losses) // PARTS)
        return [mean(self.losses[i : i + size]) for i in range(0, size * min(PARTS, len(self.losses)), size)]


class EvalSet:
    """Fixed sequences of one task, with the float model's predictions for them.

    Batch i is `task.batch(i, batch_size, split=split)`; on text they begin anywhere in the part, and may overlap.

    Raises:
        ValueError: no sequences, a task whose vocabulary is not the model's, or a batch without a target.
    """

    def __init__(
        self, model: Transformer, task: Task, *, split: str = "test", batches: int = 8, batch_size: int = 32
    ) -> None:
        if batches < 1 or batch_size < 1:
            raise ValueError(f"batches={batches}, batch_size={batch_size}: an evaluation needs at least 1 sequence")
        if task.vocab_size != model.config.vocab_size:
            raise ValueError(f"vocab_size={model.config.vocab_size}: task {task.name} has {task.vocab_size} tokens")
        self.model, self.task, self.split, self.batch_size = model, task, split, batch_size
        self.batches = [task.batch(i, batch_size, split=split) for i in range(batches)]
        for number, batch in enumerate(self.batches):
            check_targets(batch.targets, task.vocab_size)
            if (batch.targets == IGNORE).all():
                raise ValueError(f"batch {number} of task {task.name}: all targets are {IGNORE}, give a token id")
        self.likeliest: list[Int[Tensor, "B T"]] = []  # of the float model, for each batch
        self.float_evaluation: EvalResult | None = None  # its own, so far
        self._float: Iterator[Evaluation] | None = None

    @property
    def ready(self) -> bool:
        """Whether the float model is evaluated on all sequences."""
        return len(self.likeliest) == len(self.batches)

    def prepare(self, batches: int | None = None) -> Iterator[EvalResult]:
        """Evaluates the float model on the first `batches` (None: all) that are missing; yields after each.

        Finished batches are kept when the caller stops; an exception inside a batch restarts the evaluation.
        """
        while len(self.likeliest) < (len(self.batches) if batches is None else batches):
            if self._float is None:
                self.likeliest, self._float = [], self._stream(self.model)
            stream, self._float = self._float, None
            evaluation = next(stream)
            self._float = stream
            self.likeliest.append(evaluation.likeliest)
            self.float_evaluation = EvalResult(**vars(evaluation), agreement=1.0)
            yield self.float_evaluation

    def evaluate(self, model: nn.Module) -> Iterator[EvalResult]:
        """Yields the evaluation of a model after each batch; the last one is of all sequences."""
        agreement = []
        for number, evaluation in enumerate(self._stream(model)):
            for _ in self.prepare(number + 1):
                pass
            same = evaluation.likeliest == self.likeliest[number]
            agreement.append(same[self.batches[number].targets != IGNORE].double().mean().item())
            yield EvalResult(**vars(evaluation), agreement=mean(agreement))

    def _stream(self, model: nn.Module) -> Iterator[Evaluation]:
        size = {"batches": len(self.batches), "batch_size": self.batch_size}
        return self.task.evaluate(model, split=self.split, drawn=True, **size)
