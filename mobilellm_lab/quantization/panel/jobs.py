"""A float model being rounded, or trained by QAT: the jobs behind the buttons of chapter 3's panel"""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from statistics import mean, stdev

from mobilellm_lab.charts import report
from mobilellm_lab.charts.live import curve_svg
from mobilellm_lab.live.compressed import Session
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.quantization.panel.labels import grid_words, label, short, trained_label
from mobilellm_lab.quantization.panel.shown import QuantizedEntry, Shown
from mobilellm_lab.quantization.ptq import quantize
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe, Recipe
from mobilellm_lab.quantization.study.run import Run
from mobilellm_lab.training import Step

HOPELESS_NATS = 20  # a loss that is drawn no higher: its perplexity is beyond any vocabulary here
SMOOTH = 20  # updates of the running mean that is drawn over the raw loss


class Rounding:
    """One recipe carried out and judged: the job behind Run."""

    def __init__(self, session: Session, recipe: Recipe, *, tokens: int, matrix: str):
        self.start, self.recipe = session.start(recipe.model, tokens), recipe
        self.shown = Shown(session, self.start, matrix=matrix)
        options = {"eval_set": self.start.eval_set, "calibrations": self.start.calibrations}
        self.run = Run(recipe, self.start.model, self.start.task, **options)
        self.phase = "starting"

    def __iter__(self) -> Iterator[float]:
        shown, run = self.shown, self.run
        for progress in run:
            self.phase = progress.phase
            shown.before, shown.quantized, shown.evaluation = run.start, run.quantized, progress.evaluation
            yield 0.7 * progress.share
        for self.phase, share in shown.finish(run.activations(run.quantized.model)):
            yield 0.7 + 0.3 * share
        self.phase = label(self.recipe)
        yield 1.0

    def result(self) -> QuantizedEntry | None:
        """None where it was stopped before the rounded model was evaluated."""
        return self.shown.keep(label(self.recipe), short(self.recipe)) if self.shown.evaluation else None

    def status(self) -> str:
        eval_set = self.start.eval_set
        seen = len(self.shown.evaluation.losses) * eval_set.batch_size if self.shown.evaluation else 0
        return f"{self.phase} · {seen:,} of {len(eval_set.batches) * eval_set.batch_size:,} test sequences"

    def chart(self) -> str:
        eval_set = self.start.eval_set
        return curve_svg(
            {},
            earlier={"float": settling(eval_set.float_evaluation, eval_set.batch_size)}
            | {"rounded": settling(self.shown.evaluation, eval_set.batch_size)},
            x_label="test sequences",
            y_label="perplexity so far",
            x_max=len(eval_set.batches) * eval_set.batch_size,
        )

    def numbers(self) -> str:
        return report.tiles(self.shown.numbers())

    def report(self) -> str:
        return self.shown.report()


class Training:
    """A QAT run, then judged beside rounding to nearest on the same grid: the job behind the second."""

    def __init__(self, session: Session, recipe: QATRecipe, *, tokens: int, matrix: str):
        if recipe.bits == FLOAT:
            raise ValueError("bits=32: there is no grid to train with, choose 8 bits or fewer")
        self.start, self.recipe = session.start(recipe.model, tokens), recipe
        self.shown = Shown(session, self.start, matrix=matrix)
        self.run = recipe.run(self.start.model, self.start.task)
        self.points: list[tuple[float, float]] = []
        self.last: Step | None = None
        self.rounded: EvalResult | None = None  # of rounding to nearest, without training
        self.phase = "training"

    def __iter__(self) -> Iterator[float]:
        for self.last in self.run:
            self.points.append((self.last.elapsed_s, self.last.loss_nats))
            yield 0.8 * self.last.progress
        shown, eval_set = self.shown, self.start.eval_set
        shown.quantized = self.run.result()
        self.phase = "evaluating"
        nearest = eval_set.evaluate(quantize(self.start.model, self.recipe.grid).model)
        trained = eval_set.evaluate(shown.quantized.model)
        for number in range(len(eval_set.batches)):
            share = 0.8 + 0.1 * number / len(eval_set.batches)
            for _ in eval_set.prepare(number + 1):
                yield share
            self.rounded = next(nearest)
            yield share
            shown.evaluation = next(trained)
            yield share
        for self.phase, share in shown.finish(nullcontext()):
            yield 0.9 + 0.1 * share
        self.phase = "trained"
        yield 1.0

    def result(self) -> QuantizedEntry | None:
        """What the model is at the end or where it was stopped; None if not a single update was made.

        Stopped before it was evaluated, it is so on one batch: Stop does not wait for more.
        """
        if self.last is None:
            return None
        shown = self.shown
        if shown.evaluation is None:
            shown.quantized = self.run.result()
            shown.evaluation = next(self.start.eval_set.evaluate(shown.quantized.model))
        return shown.keep(trained_label(self.recipe), short(self.recipe))

    def status(self) -> str:
        if self.last is None:
            return self.phase
        limit = f"{self.last.elapsed_s:.1f} of {self.recipe.seconds:g} s"
        rate = f"learning rate {self.recipe.lr:g}"
        return (
            f"{self.phase} · {limit}, update {self.last.step:,}, {rate} · training loss {self.last.loss_nats:.3f} nats"
        )

    def chart(self) -> str:
        return curve_svg(
            {grid_words(self.recipe): self.points},
            x_label="seconds of training",
            y_label="training loss through the grid (nats)",
            x_max=self.recipe.seconds,
            smooth=SMOOTH,
        )

    def numbers(self) -> str:
        return report.tiles([*self._gain(), *self.shown.numbers()])

    def _gain(self) -> list[tuple[str, str, str]]:
        """The share of RTN's loss increase that QAT takes back, where that increase is above the noise."""
        evaluation, before = self.shown.evaluation, self.start.eval_set.float_evaluation
        if self.rounded is None or evaluation is None:
            return [("Taken back", "…", "after training")]
        batches = list(zip(self.rounded.losses, before.losses, evaluation.losses, strict=False))  # one may be ahead
        lost = [rounded - whole for rounded, whole, _ in batches]
        gained = [rounded - trained for rounded, _, trained in batches]
        lost_nats, gained_nats, noise = mean(lost), mean(gained), max(noise_nats(lost), noise_nats(gained))
        if lost_nats <= noise:
            note = f"rounding costs {lost_nats:+.4f} nats, less than the noise of ±{noise:.4f}"
            return [("Taken back", "too little to tell", note)]
        if gained_nats < 0:
            note = f"{-gained_nats:.4f} nats worse than rounding, which costs {lost_nats:+.4f}"
            return [("Taken back", "nothing", note)]
        share = f"{100 * gained_nats / lost_nats:.0f} %"
        return [("Taken back", share, f"of the {lost_nats:+.4f} nats that rounding costs")]

    def report(self) -> str:
        return self.shown.report()


def noise_nats(differences: Sequence[float]) -> float:
    """Twice the standard error of the mean of these paired differences; infinite for a single one."""
    return 2 * stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else math.inf


def settling(evaluation: EvalResult | None, batch_size: int) -> list[tuple[int, float]]:
    """(sequences, perplexity of all so far) after each batch."""
    points, total = [], 0.0
    for number, loss_nats in enumerate(evaluation.losses if evaluation else (), 1):
        total += loss_nats
        points.append((number * batch_size, math.exp(min(total / number, HOPELESS_NATS))))
    return points
