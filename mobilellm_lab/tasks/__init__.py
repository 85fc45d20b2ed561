"""Training tasks without downloads, behind one protocol"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from mobilellm_lab.choices import advice
from mobilellm_lab.token_ids import IGNORE, check_pair


@dataclass(frozen=True)
class Batch:
    """Token ids, and the target at each position (`IGNORE` where there is none).

    Raises:
        ValueError: tokens and targets that are not of one shape (B, T).
    """

    tokens: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]

    def __post_init__(self) -> None:
        check_pair(self.tokens, self.targets)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Loss and scores of a model on the held-out batches so far."""

    loss_nats: float  # mean cross-entropy per evaluated position
    losses: tuple[float, ...] = ()  # the same of each batch
    floor_nats: float | None = None  # the lowest loss any model can have, where it is known exactly
    scores: dict[str, float] = field(default_factory=dict)  # by name; 0 .. 1 and higher is better, or with a unit
    likeliest: Int[Tensor, "B T"] | None = field(default=None, compare=False, repr=False)  # tokens, of the last batch


@runtime_checkable
class Task(Protocol):
    """The interface of a task that `training.train` and `evaluate` use."""

    name: str
    vocab_size: int
    seq_len: int  # positions of one sequence
    headline: str  # the score that plots show

    def batch(
        self, index: int, batch_size: int, *, split: str = "train", seed: int = 0, seq_len: int | None = None
    ) -> Batch:
        """Batch number `index`: the same arguments give the same tensors; a shorter `seq_len` cuts every sequence."""

    def evaluate(
        self, model, *, split: str = "validation", batches: int = 4, batch_size: int = 64, drawn: bool = False
    ) -> Iterator[Evaluation]:
        """Yields the evaluation so far after each held-out batch; without gradients.

        With `drawn` they are batch number 0, 1, ... of the split, where the task would take other sequences.
        """

    def show(self, model) -> str:
        """The model's answers on held-out input, in a few lines."""


def evaluate(task: Task, model, **options) -> Evaluation:
    """The model on all held-out batches; options as in `Task.evaluate`."""
    *_, evaluation = task.evaluate(model, **options)
    return evaluation


NAMES = ("shells", "stories", "text")


def make(name: str, **options) -> Task:
    """The task called `name`; `options` are the fields of its class.

    Raises:
        ValueError: an unknown name, or an option the task refuses.
    """
    if name == "shells":
        from mobilellm_lab.tasks.shells import Shells as task
    elif name == "stories":
        from mobilellm_lab.tasks.stories import Stories as task
    elif name == "text":
        from mobilellm_lab.tasks.text import Text as task
    else:
        raise ValueError(f"task={name!r}: {advice(name, NAMES)}")
    return task(**options)


__all__ = ["IGNORE", "NAMES", "Batch", "Evaluation", "Task", "evaluate", "make"]
