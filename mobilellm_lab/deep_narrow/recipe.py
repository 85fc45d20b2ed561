"""Training recipe of chapter 2 and its measured result"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mobilellm_lab import footprint, zoo
from mobilellm_lab.layout import contiguous_, for_decoding
from mobilellm_lab.measuring import Throughput, decode_throughput
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import NAMES, Task, evaluate, make
from mobilellm_lab.training import Step, TrainConfig, train

HOLD = ("budget", "width")


@dataclass(frozen=True, kw_only=True)
class TaskDefaults:
    """Training defaults of one task; `benchmarks/recipes.py` compares alternatives."""

    options: dict  # of `tasks.make`
    steps: int  # updates
    batch_size: int  # sequences per update
    lr: float  # AdamW's peak
    start_length: float  # curriculum: the fraction of the sequence length at the start ...
    full_length_at: float  # ... and the progress at which the length is full


DEFAULTS = {
    "shells": TaskDefaults(options={}, steps=500, batch_size=64, lr=6e-3, start_length=0.2, full_length_at=0.8),
    "stories": TaskDefaults(options={}, steps=300, batch_size=32, lr=4e-3, start_length=0.2, full_length_at=0.8),
    "text": TaskDefaults(
        options={"seq_len": 128}, steps=400, batch_size=8, lr=4e-3, start_length=0.25, full_length_at=0.8
    ),
}
WATCHED = {"shells": 128, "stories": 32, "text": 16}  # validation sequences of one look at a run under way
LONGER = 2  # the generalisation test is this many times longer than what was trained on


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One setting of the sliders.

    Raises:
        ValueError: a field out of range, or a shape that cannot be built; before any time is spent.
    """

    task: str = "shells"  # "shells", "stories" or "text"
    depth: int = 4  # stored layers
    hold: str = "budget"  # "budget": the width is solved for; "width": the parameter count moves
    budget: int = 60_000  # parameters, within 2 %; read when `hold` is "budget"
    width: int = 32  # dim; read when `hold` is "width"
    n_heads: int = 4  # query heads
    n_kv_heads: int = 4  # key/value heads
    embed_dim: int = 0  # factorised embedding table; 0 means not factorised
    tie_embeddings: bool = True  # one table for input and output
    sharing: str = "none"  # which layers run twice
    ffn: str = "swiglu"  # or "relu"
    steps: int = 0  # updates; 0 means the task's default
    seconds: float = 0.0  # wall-clock limit of the training; 0 means none
    lr: float = 0.0  # peak learning rate; 0 means the task's default
    hold_out: bool = False  # shells: one in six pairs of moves never occurs in training
    seed: int = 0  # of the weights and of the training data

    def __post_init__(self) -> None:
        if self.task not in NAMES:
            raise ValueError(f"task={self.task!r}: choose one of {', '.join(NAMES)}")
        if self.hold not in HOLD:
            raise ValueError(f"hold={self.hold!r}: choose one of {', '.join(HOLD)}")
        for name in ("steps", "seconds", "lr"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name}={getattr(self, name)}: must be positive, or 0 for the default")
        if self.hold_out and self.task != "shells":
            raise ValueError(f"hold_out=True with task={self.task!r}: only shells has pairs of moves, leave it False")

    @property
    def defaults(self) -> TaskDefaults:
        return DEFAULTS[self.task]

    @property
    def task_options(self) -> dict:
        """Of `tasks.make`."""
        return self.defaults.options | ({"hold_out": True} if self.hold_out else {})

    def make_task(self) -> Task:
        return make(self.task, **self.task_options)

    def model_config(self, task: Task) -> ModelConfig:
        """The model shape of this recipe."""
        shape = dict(
            vocab_size=task.vocab_size,
            n_heads=self.n_heads,
            n_kv_heads=self.n_kv_heads,
            embed_dim=self.embed_dim,
            tie_embeddings=self.tie_embeddings,
            sharing=self.sharing,
            ffn=self.ffn,
            max_seq_len=LONGER * task.seq_len,
        )
        if self.hold == "budget":
            return zoo.solve(self.budget, self.depth, **shape)
        hidden_dim = 8 * round(zoo.FFN_RATIO[self.ffn] * self.width / 8)
        return ModelConfig(dim=self.width, n_layers=self.depth, hidden_dim=hidden_dim, **shape)

    def train_config(self) -> TrainConfig:
        d = self.defaults
        return TrainConfig(
            steps=self.steps or d.steps,
            seconds=self.seconds or math.inf,
            batch_size=d.batch_size,
            optimizer="adamw",
            lr=self.lr or d.lr,
            length=lambda progress: min(1.0, d.start_length + (1 - d.start_length) * progress / d.full_length_at),
            seed=self.seed,
        )


@dataclass(frozen=True, kw_only=True)
class Result:
    """Costs by formula, measured speed and quality of one trained recipe."""

    recipe: Recipe
    config: ModelConfig
    parameters: int  # counted on the built model
    flops_per_token: int  # by formula, at full context
    kv_bytes_per_token: int  # by formula, 16-bit values
    steps: int  # updates done
    train_s: float  # seconds of training
    train_tokens_per_s: float  # over the whole run
    decode_per_s: Throughput | None  # measured tokens/s of cached decoding at batch 1; None if not measured
    loss_nats: float  # on test sequences
    floor_nats: float | None  # the lowest loss possible
    headline: str  # the score that plots show
    scores: dict[str, float]  # on test sequences

    @property
    def score(self) -> float:
        return self.scores[self.headline]


@dataclass
class Run:
    """A training run. Iterate over its steps, stop at any time, then take `result()`."""

    recipe: Recipe
    eval_every: int = 0  # steps between evaluations while training; 0 for none before the end
    watch: float = 0.0  # most of the training time that `scores` may take beside it; 0 keeps none
    scores: list[tuple[Step, float]] = field(init=False, default_factory=list)  # `held_out` after these steps
    task: Task = field(init=False)
    model: Transformer = field(init=False)
    last: Step | None = field(init=False, default=None)  # the newest step

    def __post_init__(self) -> None:
        self.task = self.recipe.make_task()
        self.model = Transformer(self.recipe.model_config(self.task), seed=self.recipe.seed)

    def __iter__(self) -> Iterator[Step]:
        config = self.recipe.train_config()
        if self.eval_every:
            config = replace(config, eval_every=self.eval_every)
        watched_s = 0.0
        for step in train(self.model, self.task, config):
            self.last = step
            first = len(self.scores) < 2  # a curve from the start, whatever it takes
            if self.watch and (first or step.progress == 1 or watched_s < self.watch * step.elapsed_s):
                start = time.perf_counter()
                self.scores.append((step, self.held_out()))
                watched_s += 0 if first else time.perf_counter() - start
            yield step

    def held_out(self) -> float:
        """The task's headline score now, on validation sequences of full length, also while training has short ones."""
        evaluations = self.task.evaluate(self.model, batches=1, batch_size=WATCHED[self.recipe.task])
        return next(evaluations).scores[self.task.headline]

    def result(self, *, measure_decode: bool = True) -> Result:
        """The evaluated model on test sequences.

        Raises:
            ValueError: the run has made no step.
        """
        if self.last is None:
            raise ValueError("steps=0 done: iterate over the run before taking its result")
        config, decode_per_s = self.model.config, None
        evaluation = evaluate(self.task, self.model, split="test")
        scores = dict(evaluation.scores)
        if self.recipe.task == "shells":
            trained = self.task.seq_len
            longer = evaluate(self.task, self.model, split="test", seq_len=LONGER * trained, skip=trained)
            scores["accuracy beyond the trained length"] = longer.scores["accuracy"]
        if measure_decode:
            decode_per_s = decode_throughput(for_decoding(self.model), length=self.task.seq_len)
            contiguous_(self.model)
        return Result(
            recipe=self.recipe,
            config=config,
            parameters=sum(p.numel() for p in self.model.parameters()),
            flops_per_token=footprint.flops_per_token(config, context=self.task.seq_len),
            kv_bytes_per_token=footprint.kv_bytes_per_token(config),
            steps=self.last.step,
            train_s=self.last.elapsed_s,
            train_tokens_per_s=self.last.tokens_per_s,
            decode_per_s=decode_per_s,
            loss_nats=evaluation.loss_nats,
            floor_nats=evaluation.floor_nats,
            headline=self.task.headline,
            scores=scores,
        )

    def answers(self) -> str:
        """The model's answers on held-out input, as text."""
        return self.task.show(self.model)
