"""Training loop: a generator of one `Step` per update"""

import math
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.adamw import adamw

from mobilellm_lab.safe_files import replacing
from mobilellm_lab.tasks import IGNORE, Evaluation, Task, evaluate
from mobilellm_lab.token_ids import check_targets

Schedule = Callable[[float], float]  # progress of the run, 0 .. 1, to a value


@cache  # a config is made for each of thousands of stored rows
def warmup_cosine(peak: float, *, warmup: float = 0.05, floor: float = 0.1) -> Schedule:
    """`peak`, reached linearly over the fraction `warmup` of the run, then a half cosine down to `floor * peak`."""

    def value(progress: float) -> float:
        if progress < warmup:
            return peak * max(progress / warmup, 0.02)  # the first update must move
        fall = 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
        return peak * (floor + (1 - floor) * fall)

    return value


def constant(value: float) -> Schedule:
    """The same `value` throughout."""
    return lambda progress: value


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of a training run. Every field is checked before time is spent.

    Raises:
        ValueError: a field out of range; names it, its value and a remedy.
    """

    steps: int = 500  # updates; with `seconds`, at most this many
    seconds: float = math.inf  # stop after this much wall clock; a finite value gives up bit-for-bit repeatability
    batch_size: int = 64  # sequences per update
    optimizer: str = "muon"  # "muon" (matrices of the blocks; AdamW for the rest) or "adamw"
    lr: Schedule | float = 0.02  # peak of warmup_cosine, or a schedule of your own
    weight_decay: float = 0.0  # decoupled, on matrices only
    clip: float = 1.0  # the gradient's norm is cut to this
    length: Schedule = constant(1.0)  # curriculum: the fraction of the sequence length in use
    eval_every: int = 0  # steps between evaluations; 0 evaluates only after the last one
    seed: int = 0  # picks the training sequences; the model has its own
    device: str = "cpu"  # "cpu", "cuda" or "mps"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if not self.seconds > 0:
            raise ValueError(f"seconds={self.seconds}: must be positive")
        if self.optimizer not in ("muon", "adamw"):
            raise ValueError(f"optimizer={self.optimizer!r}: choose muon or adamw")
        if self.device.partition(":")[0] not in ("cpu", "cuda", "mps"):
            raise ValueError(f"device={self.device!r}: choose cpu, cuda or mps")
        here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if not here[self.device.partition(":")[0]]:
            raise ValueError(f"device={self.device!r}: torch finds none on this machine, choose cpu")
        if not callable(self.lr):
            if not (math.isfinite(self.lr) and self.lr > 0):
                raise ValueError(f"lr={self.lr}: must be a positive number, or a schedule")
            object.__setattr__(self, "lr", warmup_cosine(self.lr))
        if not self.weight_decay >= 0 or not self.clip > 0 or self.eval_every < 0:
            raise ValueError(
                f"weight_decay={self.weight_decay}, clip={self.clip}, eval_every={self.eval_every}: "
                "weight_decay and eval_every cannot be negative, clip must be positive"
            )


@dataclass(frozen=True, kw_only=True)
class Step:
    """Result of one update."""

    step: int  # 1 for the first
    loss_nats: float  # mean cross-entropy of the batch, before the update
    lr: float  # learning rate of the update
    grad_norm: float  # before clipping
    tokens: int  # seen so far
    elapsed_s: float  # training time so far, evaluations left out
    progress: float  # 0 .. 1
    evaluation: Evaluation | None = None  # on held-out data, when it was due

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.elapsed_s


@dataclass(kw_only=True)
class TrainState:
    """State of a run, from which `train` resumes bit for bit, given the same task and config."""

    step: int = 0  # updates done
    tokens: int = 0  # seen by them
    elapsed_s: float = 0.0  # training time of them
    optimizers: list = field(default_factory=list)  # the run's own, whose moments `save` writes
    moments: list[dict] = field(default_factory=list)  # read by `load`, taken over when the run goes on

    def moments_of(self, weight: nn.Parameter) -> tuple[Tensor, ...]:
        """AdamW's running means of a weight's gradient and of its square, to be read or changed between two steps.

        There are none before the first step, nor of a matrix that Muon moves.
        """
        groups = [group for adam in self.optimizers if isinstance(adam, _AdamW) for group in adam.param_groups]
        pairs = [pair for group in groups for pair in zip(group["params"], group["state"], strict=True)]
        return next((state[:2] for p, state in pairs if p is weight), ())

    def save(self, path: Path, model: nn.Module) -> None:
        """Writes model and state into one file, whole or not at all."""
        saved = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "counts": {"step": self.step, "tokens": self.tokens, "elapsed_s": self.elapsed_s},
        }
        with replacing(path) as draft:
            torch.save(saved, draft)

    @classmethod
    def load(cls, path: Path, model: nn.Module) -> "TrainState":
        """The state that `save` wrote; its weights go into `model`.

        Raises:
            ValueError: the file is damaged, or belongs to a model of another shape.
        """
        try:
            with zipfile.ZipFile(path) as archive:  # as which torch saves; it does not look at the checksums itself
                if damaged := archive.testzip():
                    raise zipfile.BadZipFile(f"{damaged} is not what was written")
            saved = torch.load(path, weights_only=True)
            kinds = {name: (value.shape, value.dtype) for name, value in model.state_dict().items()}
            for name, value in saved["model"].items():
                if name in kinds and kinds[name] != (value.shape, value.dtype):
                    raise ValueError(f"{name} is {tuple(value.shape)} {value.dtype}, the model's is {kinds[name]}")
            counts = {name: type(getattr(cls(), name))(value) for name, value in saved["counts"].items()}
            if min(counts.values()) < 0 or not math.isfinite(counts["elapsed_s"]):
                raise ValueError(f"counts={counts}")
            model.load_state_dict(saved["model"])
            return cls(**counts, moments=saved["optimizers"])
        except (
            *(OSError, EOFError, RuntimeError, UnpicklingError, zipfile.BadZipFile),
            *(AttributeError, KeyError, TypeError, ValueError),
        ) as error:
            raise ValueError(f"Cannot resume from {path} ({error}); delete it to start over") from error


class _AdamW:
    """torch's fused AdamW, less its class: that imports the compiler at the first step, 1.2 s and 70 MiB."""

    def __init__(self, groups: list[dict]):
        self.param_groups = groups
        for group in groups:
            group["state"] = [
                (torch.zeros_like(p), torch.zeros_like(p), torch.zeros((), device=p.device)) for p in group["params"]
            ]

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            group["state"] = [
                (_lying_as(p, first), _lying_as(p, second), steps)
                for p, (first, second, steps) in zip(group["params"], group["state"], strict=True)
            ]
            moving = [
                (p, *state) for p, state in zip(group["params"], group["state"], strict=True) if p.grad is not None
            ]
            if not moving:
                continue
            params, first, second, steps = map(list, zip(*moving, strict=True))
            adamw(
                params,
                [p.grad for p in params],
                first,
                second,
                [],
                steps,
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.95,
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=1e-8,
                maximize=False,
            )

    def state_dict(self) -> dict:
        return {"moments": [tensor for group in self.param_groups for state in group["state"] for tensor in state]}

    def load_state_dict(self, saved: dict) -> None:
        own = self.state_dict()["moments"]
        if [t.shape for t in own] != [t.shape for t in saved["moments"]]:
            raise ValueError("the saved moments are of another model: start over without the state")
        for tensor, value in zip(own, saved["moments"], strict=True):
            tensor.copy_(value)


def _lying_as(weight: Tensor, moment: Tensor) -> Tensor:
    """The moment in the layout of its weight, which may have changed: torch's fused kernel reads both in one sweep."""
    return moment if moment.stride() == weight.stride() else torch.empty_like(weight).copy_(moment)


def _optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer | _AdamW]:
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    if config.optimizer == "muon":
        return [
            torch.optim.Muon(matrices, weight_decay=config.weight_decay),
            _AdamW([{"params": rest, "weight_decay": 0.0}]),
        ]
    return [_AdamW([{"params": matrices, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}])]


def train(model: nn.Module, task: Task, config: TrainConfig, *, state: TrainState | None = None) -> Iterator[Step]:
    """Yields one `Step` per update; the model is usable whenever the caller stops asking.

    `model` is a `Transformer`, or another module with its `config` and `blocks`. `state` follows the run, so that
    between two steps it can be saved; one that was loaded goes on from there.

    Raises:
        ValueError: the vocabulary or the sequence does not fit the model, a batch has no target or one that is no id,
            or the loss stops being finite.
    """
    if task.vocab_size != model.config.vocab_size:
        raise ValueError(f"vocab_size={model.config.vocab_size}: task {task.name} has {task.vocab_size} tokens")
    if task.seq_len > model.config.max_seq_len:
        raise ValueError(f"max_seq_len={model.config.max_seq_len}: task {task.name} has {task.seq_len} positions")
    model.to(config.device)
    state = TrainState() if state is None else state
    state.optimizers = _optimizers(model, config)
    if state.moments:
        for optimizer, moments in zip(state.optimizers, state.moments, strict=True):
            optimizer.load_state_dict(moments)
        state.moments = []
    for i in range(state.step, config.steps):
        start = time.perf_counter()
        progress = max(i / config.steps, state.elapsed_s / config.seconds)
        length = max(1, round(task.seq_len * min(1.0, config.length(progress))))
        batch = task.batch(i, config.batch_size, seed=config.seed, seq_len=length)
        logits = model(batch.tokens.to(config.device))  # (B, T, V)
        targets = batch.targets.to(config.device)
        try:
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        except IndexError:
            check_targets(targets, logits.shape[-1])  # afterwards: a good step pays nothing
            raise
        loss_nats, lr = loss.item(), config.lr(progress)
        if not math.isfinite(loss_nats):
            if (targets == IGNORE).all():
                raise ValueError(f"batch {i} of task {task.name}: all targets are {IGNORE}, give a token id")
            raise ValueError(f"loss_nats={loss_nats} at step {i + 1} with lr={lr:.2g}: start over with a lower lr")
        model.zero_grad()
        loss.backward()
        grad_norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip))
        if not math.isfinite(grad_norm):  # the update would spoil a model that is still good
            raise ValueError(f"grad_norm={grad_norm} at step {i + 1} with lr={lr:.2g}: start over with a lower lr")
        for optimizer in state.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
        state.step = i + 1
        state.tokens += batch.tokens.numel()
        state.elapsed_s += time.perf_counter() - start
        done = state.step == config.steps or state.elapsed_s >= config.seconds
        due = done or (config.eval_every and state.step % config.eval_every == 0)
        yield Step(
            step=state.step,
            loss_nats=loss_nats,
            lr=lr,
            grad_norm=grad_norm,
            tokens=state.tokens,
            elapsed_s=state.elapsed_s,
            progress=1.0 if done else progress,
            evaluation=evaluate(task, model) if due else None,
        )
        if done:
            return
