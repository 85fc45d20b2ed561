"""A pruned model as chapter 4's panel shows it: its loss, its zeros, its bytes by format, its speed and its text"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean

from mobilellm_lab.charts import report
from mobilellm_lab.charts.report import digits
from mobilellm_lab.live.compressed import Entry, Session
from mobilellm_lab.live.decoding import per_s, step_times, text
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.measuring.start import Start
from mobilellm_lab.pruning.figures.live import zeros_svg
from mobilellm_lab.pruning.study.made import Made, Sizes


@dataclass(frozen=True, kw_only=True)
class PrunedEntry(Entry):
    """One run of the session: a model that was pruned, recovered or made smaller."""

    sparsity: float  # zeros among the prunable weights


class Shown:
    """What is known of one pruned model so far, and its place in the session once it is finished."""

    def __init__(self, session: Session, start: Start):
        self.session, self.start = session, start
        self.made: Made | None = None
        self.evaluation: EvalResult | None = None
        self.sizes: Sizes | None = None
        self.said = ""
        self.dense_ms: list[float] = []  # of every token that each model decoded
        self.pruned_ms: list[float] = []

    def finish(self) -> Iterator[tuple[str, float]]:
        """Yields (phase, share): the file is written, both models decode, the pruned one writes."""
        yield "writing the file", 0.1
        self.sizes, model = self.made.sizes(), self.made.answering
        for each, taken in ((self.start.model, self.dense_ms), (model, self.pruned_ms)):
            for ms in step_times(each, self.start.task):
                taken.append(ms)
                yield "decoding", 0.3 if not self.pruned_ms else 0.6
        for self.said in text(model, self.start.task):
            yield "writing text", 0.9

    def keep(self, label: str, short: str) -> PrunedEntry:
        """Adds what there is to the session, under these names."""
        self.sizes = self.sizes or self.made.sizes()
        entry = PrunedEntry(
            label=label,
            short=short,
            model=self.start.name,
            evaluation=self.evaluation,
            float_evaluation=self.start.eval_set.float_evaluation,
            on_disk=self.sizes.on_disk,
            theory=self.sizes.theory[self.sizes.stored_as],
            sparsity=self.made.zeros.sparsity,
            per_s=per_s(self.pruned_ms),
            float_per_s=per_s(self.dense_ms),
        )
        self.session.history.append(entry)
        return entry

    def numbers(self) -> list[tuple[str, str, str]]:
        """(name, value, note) of quality, zeros, bytes and speed, beside the dense model's."""
        return [*self._quality(), *self._zeros(), *self._bytes(), *self._speed()]

    def _quality(self) -> list[tuple[str, str, str]]:
        before = self.start.eval_set.float_evaluation
        if self.evaluation is None or before is None:
            return [("Loss", "…", "after pruning")]
        loss_increase_nats = self.evaluation.loss_nats - mean(before.losses[: len(self.evaluation.losses)])
        rows = [
            ("Loss", f"{self.evaluation.loss_nats:.3f} nats", f"{loss_increase_nats:+.4f} nats over dense"),
            ("Perplexity", digits(self.evaluation.perplexity), f"dense {digits(before.perplexity)}"),
        ]
        for name, value in self.evaluation.scores.items():
            note = f"dense {before.scores[name]:.3f}" if name in before.scores else ""
            rows.append((name.replace("_", " ").capitalize(), f"{value:.3f}", note))
        return [*rows, ("Agreement", f"{100 * self.evaluation.agreement:.1f} %", "same likeliest token as dense")]

    def _zeros(self) -> list[tuple[str, str, str]]:
        if self.made is None:
            return []
        zeros = self.made.zeros
        note = f"of the prunable weights; {100 * zeros.of_all:.1f} % of all"
        return [("Zeros" if self.made.small is None else "Removed", f"{100 * zeros.sparsity:.1f} %", note)]

    def _bytes(self) -> list[tuple[str, str, str]]:
        if self.sizes is None:
            return [("On disk", "…", "")]
        size, whole = self.sizes.on_disk, self.start.on_disk
        note = f"as {self.sizes.stored_as}; dense model {digits(whole.bytes / 1024)}: {whole / size:.2f} ×"
        kib = {form: digits(n.bytes / 1024) for form, n in self.sizes.theory.items()}
        formula = f"{kib.pop(self.sizes.stored_as)} KiB"
        others = ", ".join(f"{form} {number}" for form, number in kib.items())
        return [("On disk", f"{digits(size.bytes / 1024)} KiB", note), ("By formula", formula, others)]

    def _speed(self) -> list[tuple[str, str, str]]:
        if not self.pruned_ms:
            return [("Decodes", "…", "tokens/s")]
        return [("Decodes", digits(per_s(self.pruned_ms)), f"tokens/s; dense {digits(per_s(self.dense_ms))}")]

    def report(self) -> str:
        """HTML: zeros of every matrix beside the distance to the dense model, what the model writes, and all runs."""
        zeros = zeros_svg(self.made.zeros.by_matrix if self.made else {})
        said = report.says("What the pruned model writes", self.said) if self.said else ""
        return report.pair(zeros, self.session.distances(self.start)) + said + self.session.table()
