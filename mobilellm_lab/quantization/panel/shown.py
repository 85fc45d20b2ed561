"""A rounded model as chapter 3's panel shows it: its file, its speed, its text, and a matrix with its grid"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import mean

from mobilellm_lab.charts import report
from mobilellm_lab.charts.report import digits
from mobilellm_lab.live.compressed import Entry, Session
from mobilellm_lab.live.decoding import per_s, step_times, text
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.measuring.start import Start
from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.figures.live import histogram_svg
from mobilellm_lab.quantization.histogram import histogram
from mobilellm_lab.quantization.layers import packed
from mobilellm_lab.quantization.quantized import QuantizedModel, matrices
from mobilellm_lab.quantization.study.run import Sizes, measure_sizes


@dataclass(frozen=True, kw_only=True)
class QuantizedEntry(Entry):
    """One run of the session: a model that was rounded, or trained with the grid."""

    bits_per_weight: float  # of the matrices, scales and zeros counted


class Shown:
    """What is known of one rounded model so far, and its place in the session once it is finished."""

    def __init__(self, session: Session, start: Start, *, matrix: str):
        self.session, self.start, self.matrix = session, start, matrix
        self.before: Transformer = start.model  # what was rounded: a copy with outliers, or a trained one
        self.quantized: QuantizedModel | None = None
        self.evaluation: EvalResult | None = None
        self.sizes: Sizes | None = None
        self.said = ""
        self.float_ms: list[float] = []  # of every token that each model decoded
        self.packed_ms: list[float] = []

    def finish(self, writing: AbstractContextManager) -> Iterator[tuple[str, float]]:
        """Yields (phase, share): the file is written, both models decode, inside `writing` the rounded one writes."""
        yield "writing the file", 0.1
        self.sizes = measure_sizes(self.quantized)
        for model, taken in ((self.start.model, self.float_ms), (packed(self.quantized), self.packed_ms)):
            for ms in step_times(model, self.start.task):
                taken.append(ms)
                yield "decoding", 0.3 if not self.packed_ms else 0.6
        with writing:
            for self.said in text(self.quantized.model, self.start.task):
                yield "writing text", 0.9

    def keep(self, label: str, short: str) -> QuantizedEntry:
        """Adds what there is to the session, under these names."""
        self.sizes = self.sizes or measure_sizes(self.quantized)
        entry = QuantizedEntry(
            label=label,
            short=short,
            model=self.start.name,
            evaluation=self.evaluation,
            float_evaluation=self.start.eval_set.float_evaluation,
            on_disk=self.sizes.on_disk,
            theory=self.sizes.theory,
            bits_per_weight=self.sizes.bits_per_weight,
            per_s=per_s(self.packed_ms),
            float_per_s=per_s(self.float_ms),
        )
        self.session.history.append(entry)
        return entry

    def numbers(self) -> list[tuple[str, str, str]]:
        """(name, value, note) of quality, bytes and speed, each beside the float model's."""
        return [*self._quality(), *self._bytes(), *self._speed()]

    def _quality(self) -> list[tuple[str, str, str]]:
        before = self.start.eval_set.float_evaluation
        if self.evaluation is None or before is None:
            return [("Perplexity", "…", "after rounding")]
        loss_increase_nats = self.evaluation.loss_nats - mean(before.losses[: len(self.evaluation.losses)])
        rows = [
            ("Perplexity", digits(self.evaluation.perplexity), f"float {digits(before.perplexity)}"),
            ("Loss", f"{self.evaluation.loss_nats:.3f} nats", f"{loss_increase_nats:+.4f} over float"),
        ]
        for name, value in self.evaluation.scores.items():
            note = f"float {before.scores[name]:.3f}" if name in before.scores else ""
            rows.append((name.replace("_", " ").capitalize(), f"{value:.3f}", note))
        return [*rows, ("Says what float says", f"{100 * self.evaluation.agreement:.1f} %", "likeliest token")]

    def _bytes(self) -> list[tuple[str, str, str]]:
        if self.sizes is None:
            return [("On disk", "…", "")]
        size, whole = self.sizes.on_disk, self.start.on_disk
        return [
            (
                "On disk",
                f"{digits(size.bytes / 1024)} KiB",
                f"float {digits(whole.bytes / 1024)}: {whole / size:.2f} ×",
            ),
            (
                "By formula",
                f"{digits(self.sizes.theory.bytes / 1024)} KiB",
                f"{self.sizes.bits_per_weight:.3g} bits a weight",
            ),
        ]

    def _speed(self) -> list[tuple[str, str, str]]:
        if not self.packed_ms:
            return [("Packed", "…", "tokens/s")]
        note = f"tokens/s: unpacked at every use; float {digits(per_s(self.float_ms))}"
        return [("Packed", digits(per_s(self.packed_ms)), note)]

    def report(self) -> str:
        """HTML: the chosen matrix beside the distance to float, what the model writes, and all runs."""
        plot, table = self.session.distances(self.start), self.session.table()
        picture = report.pair(self._histogram(), plot)
        return picture + (report.says("What the rounded model writes", self.said) if self.said else "") + table

    def _histogram(self) -> str:
        weights, tensors = matrices(self.before), self.quantized.tensors if self.quantized else {}
        name = self.matrix if self.matrix in weights else next(iter(weights))
        return histogram_svg(histogram(weights[name], tensors.get(name)), name=name.removesuffix(".weight"))
