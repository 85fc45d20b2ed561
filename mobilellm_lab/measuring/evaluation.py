"""A fixed set of held-out sequences, and any model's marks on them while they come in: loss, answers, agreement"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mobilellm_lab.measuring.quality import mean_loss_nats
from mobilellm_lab.measuring.scores import score
from mobilellm_lab.model import Transformer
from mobilellm_lab.tasks import IGNORE, Task
from mobilellm_lab.tasks.stories import Stories

Answer = Callable[[Tensor], Tensor]  # tokens (B, T) to logits (B, T, V): a model, or a model in some cache or cast

PARTS = 4  # equal parts of the sequences, whose spread tells how much a difference depends on which were asked


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What a model got on the sequences asked so far."""

    losses: tuple[float, ...]  # mean loss of each batch, in nats
    floor_nats: float | None  # the lowest loss possible, where it is known
    scores: dict[str, float]  # of the task, over all batches so far
    agreement: float  # share of positions where the likeliest token is the float model's

    @property
    def loss_nats(self) -> float:
        return mean(self.losses)

    @property
    def perplexity(self) -> float:
        """exp of the loss; inf where that is no float."""
        return math.inf if self.loss_nats > 709 else math.exp(self.loss_nats)  # the largest is exp(709.78)

    def parts(self) -> list[float]:
        """Loss of each of `PARTS` equal parts of the sequences, of fewer where fewer were asked."""
        size = max(1, len(self.losses) // PARTS)
        return [mean(self.losses[i : i + size]) for i in range(0, size * min(PARTS, len(self.losses)), size)]


class Exam:
    """Sequences of one task, and what the float model answers to them.

    Batch i is `task.batch(i, batch_size, split=split)`; on text they begin anywhere in the part, and may overlap.

    Raises:
        ValueError: no sequences, or a task whose vocabulary is not the model's.
    """

    def __init__(
        self, model: Transformer, task: Task, *, split: str = "test", batches: int = 8, batch_size: int = 32
    ) -> None:
        if batches < 1 or batch_size < 1:
            raise ValueError(f"batches={batches}, batch_size={batch_size}: an exam needs at least 1 sequence")
        if task.vocab_size != model.config.vocab_size:
            raise ValueError(f"vocab_size={model.config.vocab_size}: task {task.name} has {task.vocab_size} tokens")
        self.model, self.task, self.split, self.batch_size = model, task, split, batch_size
        self.batches = [task.batch(i, batch_size, split=split) for i in range(batches)]
        self.likeliest: list[Int[Tensor, "B T"]] = []  # of the float model, for each batch
        self.float_marks: Marks | None = None  # its own, of what it has answered so far
        self._float = _Sitting(self, model)

    @property
    def ready(self) -> bool:
        """Whether the float model has answered everything."""
        return len(self.likeliest) == len(self.batches)

    def prepare(self, batches: int | None = None) -> Iterator[Marks]:
        """Lets the float model answer so many batches (None: all), where it has not yet; yields its marks after each.

        What it has answered stays, whoever stops asking.
        """
        while len(self.likeliest) < (len(self.batches) if batches is None else batches):
            self.float_marks = self._float.ask()
            yield self.float_marks

    def sit(self, answer: Answer) -> Iterator[Marks]:
        """Yields the marks after each batch; the last ones are of all sequences."""
        sitting = _Sitting(self, answer)
        for number in range(len(self.batches)):
            for _ in self.prepare(number + 1):
                pass
            yield sitting.ask()


class _Sitting:
    """One model's answers so far."""

    def __init__(self, exam: Exam, answer: Answer):
        self.exam, self.answer, self.losses, self.same = exam, answer, [], []
        self.marking = _Pooled(exam) if exam.task.name == "text" else _Again(exam)

    @torch.inference_mode()
    def ask(self) -> Marks:
        """Its marks after one batch more."""
        exam, number = self.exam, len(self.losses)
        batch = exam.batches[number]
        logits = self.answer(batch.tokens).float()
        self.losses.append(self.marking.add(number, logits))
        likeliest = logits.argmax(-1)
        if number == len(exam.likeliest):  # the float model itself
            exam.likeliest.append(likeliest)
        agrees = (likeliest == exam.likeliest[number])[batch.targets != IGNORE]
        self.same.append(agrees.double().mean().item())
        return Marks(
            losses=tuple(self.losses),
            floor_nats=self.marking.floor_nats,
            scores=self.marking.scores,
            agreement=mean(self.same),
        )


class _Again:
    """Marks by the task's own evaluation, given the answers instead of a model.

    It always begins with the first batch, so it is asked after 1, 2, 4, ... batches and after the last.
    """

    def __init__(self, exam: Exam):
        self.exam, self.answers, self.floor_nats, self.scores = exam, [], None, {}

    def add(self, number: int, logits: Float[Tensor, "B T V"]) -> float:
        """Takes the answers to one more batch; returns its loss in nats, by the true distribution if there is one."""
        exam, count = self.exam, number + 1
        self.answers.append(logits)
        if count & number == 0 or count == len(exam.batches):
            given, asked = _Answered(exam.model, self.answers), {"batches": count, "batch_size": exam.batch_size}
            evaluation = exam.task.evaluate(given, split=exam.split, **asked)
            self.floor_nats, self.scores = evaluation.floor_nats, evaluation.scores
        if isinstance(exam.task, Stories):
            p = exam.task.probabilities(number, exam.batch_size, split=exam.split)  # (B, T, V)
            return -(p * logits.double().log_softmax(-1)).sum(-1).mean().item()
        return mean_loss_nats(lambda tokens: logits, [exam.batches[number]])


class _Answered:
    """Stands where a model stands, and repeats the answers it was given."""

    def __init__(self, model: Transformer, answers: Sequence[Tensor]):
        self.embed, self._answers = model.embed, iter(answers)

    def __call__(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        return next(self._answers)


class _Pooled:
    """Marks on text, whose own evaluation spreads what it asks by how much it asks: its first batches are others."""

    def __init__(self, exam: Exam):
        self.exam, self.scored, self.floor_nats, self.scores = exam, [], None, {}

    def add(self, number: int, logits: Float[Tensor, "B T V"]) -> float:
        """Takes the answers to one more batch; returns its loss in nats."""
        batch, token_bytes = self.exam.batches[number], self.exam.task.token_bytes
        self.scored.append(score(lambda tokens: logits, [batch], token_bytes=token_bytes))
        names = ("nats", "targets", "right", "n_bytes")
        nats, targets, right, n_bytes = (sum(sum(getattr(part, name)) for part in self.scored) for name in names)
        self.scores = {"bits_per_byte": nats / n_bytes / math.log(2), "accuracy": right / targets}
        return sum(self.scored[-1].nats) / sum(self.scored[-1].targets)
