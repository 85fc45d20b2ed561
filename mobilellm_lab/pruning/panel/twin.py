"""A pruned model made smaller, checked against its masked twin and timed in pairs: the job behind the third button"""

import random
import time
from collections.abc import Iterator
from statistics import median

import torch

from mobilellm_lab.charts import report
from mobilellm_lab.charts.live import curve_svg
from mobilellm_lab.charts.report import digits
from mobilellm_lab.constraints.decode import decode_steps
from mobilellm_lab.layout import contiguous_, for_decoding
from mobilellm_lab.live.compressed import Session
from mobilellm_lab.measuring.latency import Clock, Comparison, compare_samples
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.panel.jobs import Pruning
from mobilellm_lab.pruning.panel.labels import label, removed, short
from mobilellm_lab.pruning.panel.shown import PrunedEntry
from mobilellm_lab.pruning.study.recipe import SINGLE, Recipe

PAIRS, STEPS = 14, 4  # of both models, and decode steps of one sample
CONTEXT = 64  # positions that a step sees


class Shrinking(Pruning):
    """The smaller dense model of a recipe, equal to its masked twin, and its speed beside the dense one's."""

    def __init__(self, session: Session, recipe: Recipe, *, tokens: int, clock: Clock = time.thread_time):
        if recipe.granularity in SINGLE or not recipe.amount:
            raise ValueError(
                f"granularity={recipe.granularity!r} with amount={recipe.amount}: zeros in a matrix leave its shape as "
                "it is; choose neuron, head, width or layer, and more than 0"
            )
        super().__init__(session, recipe, tokens=tokens)
        self.clock = clock
        self.difference: float | None = None  # of logits, the largest
        self.steps: list[Iterator[float]] = []  # of the dense model, of the smaller one
        self.dense_ms: list[float] = []  # of a decode step, in pairs
        self.small_ms: list[float] = []

    def __iter__(self) -> Iterator[float]:
        for share in super().__iter__():
            yield 0.5 * share
        made, tokens = self.run.made, self.start.eval_set.batches[0].tokens[:4]
        self.phase = "checking against the masked twin"
        with torch.inference_mode():
            self.difference = (made.masked.model(tokens) - made.small(tokens)).abs().max().item()
        yield 0.55
        self.phase = "timing both models in pairs"
        for number in self._pairs(self.start.model, made.small):
            yield 0.55 + 0.45 * number / PAIRS
        self.phase = f"{removed(self.recipe)}, smaller"
        yield 1.0

    def _pairs(self, dense: Transformer, small: Transformer) -> Iterator[int]:
        """Yields after each pair of samples; half of the pairs, drawn, begin with the smaller model."""
        first = [pair % 2 == 1 for pair in range(PAIRS)]
        random.Random(0).shuffle(first)
        context = min(CONTEXT, dense.config.max_seq_len)
        try:
            self.steps = [decode_steps(for_decoding(model), context=context) for model in (dense, small)]
            for each in self.steps:
                next(each)  # what is made once is made now
            for number, swap in enumerate(first, 1):
                taken = {i: self._sample(self.steps[i]) for i in ((1, 0) if swap else (0, 1))}
                self.dense_ms.append(taken[0])
                self.small_ms.append(taken[1])
                yield number
        finally:
            contiguous_(dense)
            contiguous_(small)

    def _sample(self, steps: Iterator[float]) -> float:
        begin = self.clock()
        for _ in range(STEPS):
            next(steps)
        return 1000 * (self.clock() - begin) / STEPS

    @property
    def speedup(self) -> Comparison | None:
        """The dense model's time over the smaller one's, once there are enough pairs to tell."""
        return compare_samples(self.small_ms, self.dense_ms) if len(self.dense_ms) >= 6 else None

    def result(self) -> PrunedEntry | None:
        """None where it was stopped before the smaller model was evaluated."""
        if self.shown.evaluation is None:
            return None
        return self.shown.keep(f"{label(self.recipe)}, smaller", f"{short(self.recipe)}, smaller")

    def chart(self) -> str:
        if not self.dense_ms:
            return super().chart()
        return curve_svg(
            {},
            earlier={"dense": list(enumerate(self.dense_ms, 1)), "smaller": list(enumerate(self.small_ms, 1))},
            x_label="pairs",
            y_label="CPU time of a decode step (ms)",
            x_max=PAIRS,
        )

    def numbers(self) -> str:
        return report.tiles([*self._twin(), *self.shown.numbers()])

    def _twin(self) -> list[tuple[str, str, str]]:
        if self.difference is None:
            return [("Smaller model", "…", "after evaluation")]
        rows = [("Masked twin", f"{self.difference:.1g}", "largest difference of a logit")]
        if (found := self.speedup) is None:
            return [*rows, ("Speed", "…", "in pairs")]
        note = f"{found.ratio_low:.2f} to {found.ratio_high:.2f}, {len(self.dense_ms)} pairs by CPU time"
        times = f"dense {digits(median(self.dense_ms))}, smaller {digits(median(self.small_ms))}"
        return [*rows, ("Speed", f"{found.ratio:.2f} × dense", note), ("A decode step", f"{times} ms", "median")]
