"""A dense model pruned, or pruned and recovered: the jobs behind two buttons of chapter 4's panel"""

import math
from collections.abc import Iterator
from dataclasses import replace
from statistics import mean

from mobilellm_lab.charts import report
from mobilellm_lab.charts.live import curve_svg
from mobilellm_lab.live.compressed import Session
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.pruning.panel.labels import label, removed, short
from mobilellm_lab.pruning.panel.shown import PrunedEntry, Shown
from mobilellm_lab.pruning.recovery import RecoveryRun
from mobilellm_lab.pruning.study.recipe import FLOAT, Recipe
from mobilellm_lab.pruning.study.run import Run
from mobilellm_lab.quantization.panel.jobs import noise_nats, settling
from mobilellm_lab.training import Step

TRAIN_TOKENS = 512  # of one update, so that Stop is answered in time
MOST_STEPS = 1_000_000  # the clock ends a recovery, not these
RATES = {0.05: 5e-4, 0.5: 1e-3, math.inf: 2e-3}  # peak by nats lost: the more is broken, the more has to change
SMOOTH = 20  # updates of the running mean that is drawn over the raw loss


class Pruning:
    """One recipe carried out and evaluated: the job behind Run."""

    def __init__(self, session: Session, recipe: Recipe, *, tokens: int):
        self.start, self.recipe = session.start(recipe.model, tokens), recipe
        self.shown = Shown(session, self.start)
        shared = {"eval_set": self.start.eval_set, "seen": self.start.calibrations}
        self.run = Run(recipe, self.start.model, self.start.task, **shared)
        self.phase = "starting"

    def __iter__(self) -> Iterator[float]:
        shown = self.shown
        for progress in self.run:
            self.phase, shown.made, shown.evaluation = progress.phase, self.run.made, progress.evaluation
            yield 0.7 * progress.share
        for self.phase, share in shown.finish():
            yield 0.7 + 0.3 * share
        self.phase = label(self.recipe)
        yield 1.0

    def result(self) -> PrunedEntry | None:
        """None where it was stopped before the pruned model was evaluated."""
        return self.shown.keep(label(self.recipe), short(self.recipe)) if self.shown.evaluation else None

    def status(self) -> str:
        eval_set = self.start.eval_set
        seen = len(self.shown.evaluation.losses) * eval_set.batch_size if self.shown.evaluation else 0
        return f"{self.phase} · {seen:,} of {len(eval_set.batches) * eval_set.batch_size:,} test sequences"

    def chart(self) -> str:
        eval_set = self.start.eval_set
        return curve_svg(
            {},
            earlier={"dense": settling(eval_set.float_evaluation, eval_set.batch_size)}
            | {"pruned": settling(self.shown.evaluation, eval_set.batch_size)},
            x_label="test sequences",
            y_label="perplexity so far",
            x_max=len(eval_set.batches) * eval_set.batch_size,
        )

    def numbers(self) -> str:
        return report.tiles(self.shown.numbers())

    def report(self) -> str:
        return self.shown.report()


class Recovering:
    """A pruned model fine-tuned with its masks held, beside itself before: the job behind the second button."""

    def __init__(self, session: Session, recipe: Recipe, *, tokens: int, seconds: int | float):
        if not recipe.amount:
            raise ValueError("amount=0: nothing is pruned that could recover, choose more")
        self.start, self.recipe, self.seconds = session.start(recipe.model, tokens), recipe, seconds
        self.shown = Shown(session, self.start)
        shared = {"eval_set": self.start.eval_set, "seen": self.start.calibrations}
        whole = replace(recipe, bits=FLOAT)  # rounded when it has recovered
        self.run = Run(whole, self.start.model, self.start.task, **shared)
        self.training: RecoveryRun | None = None
        self.points: list[tuple[float, float]] = []
        self.last: Step | None = None
        self.phase = "starting"

    def __iter__(self) -> Iterator[float]:
        shown = self.shown
        for progress in self.run:
            self.phase, shown.made, shown.evaluation = progress.phase, self.run.made, progress.evaluation
            yield 0.2 * progress.share
        self.phase, made, task = "recovering", self.run.made, self.start.task
        limits = {"steps": MOST_STEPS, "seconds": float(self.seconds)}
        limits["batch_size"] = max(1, TRAIN_TOKENS // task.seq_len)
        start = made.masked if made.small is None else made.small
        self.training = RecoveryRun(start, task, lr=self.rate(), seed=self.recipe.seed, **limits)
        for self.last in self.training:
            self.points.append((self.last.elapsed_s, self.last.loss_nats))
            yield 0.2 + 0.5 * self.last.progress
        self._take()
        self.phase = "evaluating"
        for shown.evaluation in self.start.eval_set.evaluate(shown.made.answering):
            yield 0.7
        for self.phase, share in shown.finish():
            yield 0.75 + 0.25 * share
        self.phase = "recovered"
        yield 1.0

    def rate(self) -> float:
        """Peak of the learning rate, by how much pruning has cost."""
        lost_nats = self.run.evaluation.loss_nats - self.start.eval_set.float_evaluation.loss_nats
        return next(rate for most_nats, rate in RATES.items() if lost_nats <= most_nats)

    def _take(self) -> None:
        """Shows the recovered model, rounded where the recipe says so, and no evaluation yet."""
        made = self.run.made.recovered(self.training.result())
        self.shown.made = made if self.recipe.bits == FLOAT else made.rounded(self.recipe.grid)
        self.shown.evaluation = None

    def result(self) -> PrunedEntry | None:
        """The model at the end or where it was stopped; None if not a single update was made.

        Stopped before it was evaluated, it is so on one batch: Stop does not wait for more.
        """
        if self.last is None:
            return None
        if self.shown.made is self.run.made:
            self._take()
        if self.shown.evaluation is None:
            self.shown.evaluation = next(self.start.eval_set.evaluate(self.shown.made.answering))
        name = f"{label(self.recipe)}, recovered {self.last.elapsed_s:.1f} s"
        return self.shown.keep(name, f"{short(self.recipe)}, recovered")

    def status(self) -> str:
        if self.last is None:
            return self.phase
        limit = f"{self.last.elapsed_s:.1f} of {self.seconds:g} s"
        rate = f"learning rate {self.training.lr:g}"
        return (
            f"{self.phase} · {limit}, update {self.last.step:,}, {rate} · training loss {self.last.loss_nats:.3f} nats"
        )

    def chart(self) -> str:
        return curve_svg(
            {removed(self.recipe): self.points},
            x_label="seconds of training",
            y_label="training loss with the masks held (nats)",
            x_max=self.seconds,
            smooth=SMOOTH,
        )

    def numbers(self) -> str:
        return report.tiles([self._left(), *self.shown.numbers()])

    def _left(self) -> tuple[str, str, str]:
        """The share of the loss increase that is left, where that increase is above the noise."""
        pruned, dense = self.run.evaluation, self.start.eval_set.float_evaluation
        if self.last is None or self.shown.made is self.run.made or self.shown.evaluation is None:
            return "Damage left", "…", "after training"
        return damage_left(dense, pruned, self.shown.evaluation)

    def report(self) -> str:
        return self.shown.report()


def damage_left(dense: EvalResult, pruned: EvalResult, recovered: EvalResult) -> tuple[str, str, str]:
    """A tile: how much of the loss increase is left, on the batches that all three were evaluated on."""
    batches = list(zip(dense.losses, pruned.losses, recovered.losses, strict=False))  # one may be ahead
    lost = [after - before for before, after, _ in batches]
    left = [after - before for before, _, after in batches]
    if mean(lost) <= noise_nats(lost):
        return "Damage left", "too little to tell", f"pruning costs {mean(lost):+.4f} nats ± {noise_nats(lost):.4f}"
    return "Damage left", f"{100 * mean(left) / mean(lost):.0f} %", f"{mean(left):+.4f} of {mean(lost):+.4f} nats"
