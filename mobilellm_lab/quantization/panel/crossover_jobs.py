"""The crossover panel's jobs: a backend beside float32 at one size, or at all of them"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mobilellm_lab import footprint
from mobilellm_lab.charts import report
from mobilellm_lab.charts.report import digits
from mobilellm_lab.quantization import CROSSOVER_LIVE_SIZES, CrossoverRecipe, CrossoverResult, CrossoverRun
from mobilellm_lab.quantization.figures.crossover import Point, crossover_svg, pairs_svg

COLUMNS = "run, × float32, interval, verdict, tokens/s, float32, MB, float32, matrices".split(", ")


@dataclass
class Session:
    """What was measured since the panel was made, and the stored rows that it is compared with."""

    rows: list[dict] = field(default_factory=list)  # of the stored sweep
    history: list[CrossoverResult] = field(default_factory=list)

    def stored(self, backend: str) -> list[Point]:
        """The stored speedups of a backend, the smallest model first."""
        rows = sorted((r for r in self.rows if r["recipe"]["backend"] == backend), key=lambda row: row["parameters"])
        return [(r["parameters"] / 1e6, r["speedup_low"], r["speedup"], r["speedup_high"]) for r in rows]

    def chart(self, backend: str, points: list[Point]) -> str:
        """The picture: all that was measured here of this backend, `points` last, before the stored rows."""
        names = dict.fromkeys(row["recipe"]["backend"] for row in self.rows)
        others = {name: self.stored(name) for name in names if name != backend}
        earlier = [point(result) for result in self.history if result.recipe.backend == backend]
        return crossover_svg([*earlier, *points], self.stored(backend), others)

    def said(self, recipe: CrossoverRecipe) -> str:
        """What the stored sweep measured at this setting; "" where it did not."""
        for row in self.rows:
            if (row["recipe"]["backend"], row["recipe"]["size"]) == (recipe.backend, recipe.size):
                return (
                    f"In the stored sweep, on {row['provenance']['machine']}, it was {row['speedup']:.2f} times as "
                    f"fast as float32 ({row['speedup_low']:.2f} to {row['speedup_high']:.2f}: {row['verdict']})."
                )
        return ""

    def table(self, recipe: CrossoverRecipe) -> str:
        """HTML of every run, the newest first, and what the stored sweep says of this setting."""
        rows = [
            (
                label(r.recipe, taken=r.comparison.a.runs),
                f"{r.speedup:.2f}",
                interval(r),
                r.verdict,
                digits(r.tokens_per_s),
                digits(r.float_tokens_per_s),
                digits(r.memory.bytes / 1e6),
                digits(r.float_memory.bytes / 1e6),
                f"{r.matrices[0]} of {r.matrices[1]}",
            )
            for r in self.history
        ]
        return report.session(COLUMNS, rows, above=f"<p>{self.said(recipe)}</p>")


class Beside:
    """One backend beside float32 at one size: the job behind Run."""

    def __init__(self, session: Session, recipe: CrossoverRecipe):
        self.session, self.recipe, self.run = session, recipe, CrossoverRun(recipe)
        self.phase, self.pairs = "starting", 0
        self.funnel: list[Point] = []  # number of pairs, and what they say
        self.outcome: CrossoverResult | None = None  # of the pairs so far, then of all
        self.stored = False  # whether `outcome` stands in the session

    def __iter__(self) -> Iterator[float]:
        for progress in self.run:
            self.phase = progress.phase
            if progress.pairs > self.pairs:
                self.pairs = progress.pairs
                self.outcome = self.run.result()
                low, high = self.outcome.interval
                self.funnel.append((self.pairs, low, self.outcome.speedup, high))
            yield progress.share

    def result(self) -> CrossoverResult | None:
        """None where it was stopped before the first pair."""
        if self.outcome is not None and not self.stored:
            self.outcome, self.stored = self.run.result(), True
            self.session.history.append(self.outcome)
        return self.outcome

    def status(self) -> str:
        if self.outcome is None:
            return f"{self.recipe.size}: {self.phase}"
        return (
            f"{self.recipe.size}: pair {self.pairs} of {self.recipe.repeats} · × {self.outcome.speedup:.2f} · "
            f"{self.outcome.verdict}"
        )

    def chart(self) -> str:
        """Pair by pair while it is measured; then its place among the sizes."""
        if self.stored:
            return self.session.chart(self.recipe.backend, [])
        times = zip(self.run.float_ms, self.run.backend_ms, strict=False)  # of a pair under way one is there
        return pairs_svg([a / b for a, b in times], self.funnel, pairs=self.recipe.repeats)

    def numbers(self) -> str:
        r = self.outcome
        if r is None:
            return ""
        return report.tiles(
            (
                ("float32", digits(r.float_tokens_per_s), "tokens/s"),
                ("This backend", digits(r.tokens_per_s), "tokens/s"),
                ("Beside float32", f"× {r.speedup:.2f}", f"{interval(r)} at {r.comparison.confidence:.0%}"),
                ("Verdict so far", r.verdict, f"{self.pairs} pairs"),
                ("In memory", f"{digits(r.memory.bytes / 1e6)} MB", f"float32 {digits(r.float_memory.bytes / 1e6)}"),
                ("Quantized", f"{r.matrices[0]} of {r.matrices[1]}", "matrices"),
            )
        )

    def report(self) -> str:
        return self.session.table(self.recipe)


class Ladder:
    """One backend at every size that is run live, the smallest first: the job behind the second button."""

    def __init__(self, session: Session, recipe: CrossoverRecipe):
        self.session = session
        self.recipes = [replace(recipe, size=size) for size in CROSSOVER_LIVE_SIZES]
        self.job, self.results = Beside(session, self.recipes[0]), []

    def __iter__(self) -> Iterator[float]:
        for number, recipe in enumerate(self.recipes):
            self.job = Beside(self.session, recipe)
            for share in self.job:
                yield (number + share) / len(self.recipes)
            self.results.append(self.job.result())

    def result(self) -> list[CrossoverResult]:
        """One for each size that was reached."""
        if not self.job.stored and self.job.result() is not None:  # stopped in between
            self.results.append(self.job.outcome)
        return self.results

    def status(self) -> str:
        return f"{len(self.results)} of {len(self.recipes)} sizes · {self.job.status()}"

    def chart(self) -> str:
        under_way = not self.job.stored and self.job.outcome is not None
        points = [point(self.job.outcome)] if under_way else []
        return self.session.chart(self.recipes[0].backend, points)

    def numbers(self) -> str:
        return self.job.numbers()

    def report(self) -> str:
        return self.job.report()


def point(result: CrossoverResult) -> Point:
    """A result's place in the picture."""
    low, high = result.interval
    return footprint.parameters(result.recipe.config) / 1e6, low, result.speedup, high


def interval(result: CrossoverResult) -> str:
    """Its ends; with too few pairs they are 0 and infinity, and say so."""
    low, high = result.interval
    return f"{low:.2f} to {high:.2f}" if low > 0 else "too few pairs to tell"


def label(recipe: CrossoverRecipe, *, taken: int) -> str:
    """A recipe in a few words, with the pairs that were taken of those it asks for."""
    pairs = f"{taken} of {recipe.repeats} pairs" if taken < recipe.repeats else f"{taken} pairs"
    return f"{recipe.backend}, {recipe.size}, {pairs}"
