"""A session that makes float models smaller: its runs as a table, and as distances to the float model"""

from dataclasses import dataclass, field
from statistics import mean

from mobilellm_lab.charts import report
from mobilellm_lab.charts.distance import Distance, distance_svg
from mobilellm_lab.charts.report import digits
from mobilellm_lab.live.float_models import FloatModels
from mobilellm_lab.measuring import OnDisk, Theoretical
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.measuring.start import Start

COLUMNS = (
    "run, perplexity, loss increase (nats), answers, as float, KiB on disk, KiB by formula, tokens/s, float tokens/s"
).split(", ")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run of the session."""

    label: str
    short: str  # the same in a word or two, for a point in a picture
    model: str  # that it started from
    evaluation: EvalResult
    float_evaluation: EvalResult  # of the model that it started from
    on_disk: OnDisk
    theory: Theoretical  # bytes by formula
    per_s: float | None = None  # tokens decoded; None where it was stopped before
    float_per_s: float | None = None

    @property
    def loss_increase_nats(self) -> float:
        """How much the loss is above the float model's, on the same sequences."""
        return self.evaluation.loss_nats - mean(self.float_evaluation.losses[: len(self.evaluation.losses)])


@dataclass(kw_only=True)
class Session(FloatModels):
    """What was run since the panel was made, the float models it starts from, and the repository's own runs."""

    stored: dict[str, list[Distance]] = field(default_factory=dict)  # by model: bytes and loss increase
    history: list[Entry] = field(default_factory=list)

    def distances(self, start: Start) -> str:
        """SVG of this session's runs from a float model, by bytes and loss increase, over the stored ones."""
        points = [
            (entry.on_disk.bytes, entry.loss_increase_nats, f"{number}. {entry.short}")
            for number, entry in enumerate(self.history, 1)
            if entry.model == start.name
        ]
        return distance_svg(points, self.stored.get(start.name, []), float_bytes=start.on_disk.bytes)

    def table(self) -> str:
        """HTML of every run, the newest first."""
        rows = [
            (
                entry.label,
                digits(entry.evaluation.perplexity),
                f"{entry.loss_increase_nats:+.4f}",
                ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in entry.evaluation.scores.items()),
                f"{100 * entry.evaluation.agreement:.1f} %",
                digits(entry.on_disk.bytes / 1024),
                digits(entry.theory.bytes / 1024),
                *("" if per_s is None else digits(per_s) for per_s in (entry.per_s, entry.float_per_s)),
            )
            for entry in self.history
        ]
        return report.session(COLUMNS, rows)
