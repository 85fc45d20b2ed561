"""A duel, or ten of them, being fought as chapter 7's panel shows it: the jobs behind its buttons."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from mobilellm_lab.charts import report
from mobilellm_lab.measuring import Comparison, compare_samples
from mobilellm_lab.metrics.duel import CONFIDENCE, OUTCOMES, DuelRecipe, DuelResult, DuelRun
from mobilellm_lab.metrics.figures.live import duel_svg, duels_svg

DUELS = 10  # what the second button fights
RESAMPLES = 500  # of the interval that is drawn after every pair; the verdict itself takes more
COLUMNS = "duel, b / a, interval, verdict, outcome".split(", ")

Reference = Callable[
    [DuelRecipe], str
]  # what the stored sweep says of a recipe's setting, "" where it was not measured


class Session:
    """What was fought since the panel was made, and what it is compared with."""

    def __init__(self, reference: Reference):
        self.reference = reference
        self.history: list[DuelResult] = []

    def summary(self, recipe: DuelRecipe) -> str:
        """HTML: how often this setting was right, here and in the stored sweep, and every duel, the newest first.

        A duel that was stopped stands in the table, but not in the count: it is no duel of as many pairs.
        """
        whole = [result for result in self.history if len(result.a_ms) == recipe.repeats]
        alike = [result.outcome for result in whole if replace(result.recipe, seed=recipe.seed) == recipe]
        said = ""
        if alike:
            counts = ", ".join(f"{alike.count(name)} {name}" for name in dict.fromkeys(alike))
            said = f"In this setting, {len(alike)} duel{'s' * (len(alike) > 1)} here: {counts}. "
        rows = [
            (
                label(result.recipe, taken=len(result.a_ms)),
                f"{result.comparison.ratio:.3f}",
                interval(result.comparison),
                result.verdict,
                result.outcome,
            )
            for result in self.history
        ]
        return report.session(COLUMNS, rows, above=f"<p>{said}{self.reference(recipe)}</p>")


class Duel:
    """One duel, pair by pair: the job behind DuelRun."""

    def __init__(self, session: Session, recipe: DuelRecipe):
        self.session, self.recipe, self.run = session, recipe, DuelRun(recipe)
        self.ratios: list[float] = []
        self.funnel: list[tuple[int, float, float, float]] = []
        self.verdicts: list[str] = []
        self.comparison: Comparison | None = None  # of the pairs so far
        self.outcome: DuelResult | None = None

    def __iter__(self) -> Iterator[float]:
        pairs = iter(self.run)
        try:
            for pair in pairs:
                self.ratios.append(pair.b_ms / pair.a_ms)
                self.verdicts.append(pair.verdict)
                found = compare_samples(self.run.a_ms, self.run.b_ms, confidence=CONFIDENCE, resamples=RESAMPLES)
                self.comparison = found
                self.funnel.append((pair.number, found.ratio_low, found.ratio, found.ratio_high))
                yield pair.number / self.recipe.repeats
        finally:
            pairs.close()  # and with it the neighbour

    def result(self) -> DuelResult:
        self.outcome = self.run.result()
        self.comparison = self.outcome.comparison
        self.session.history.append(self.outcome)
        return self.outcome

    def status(self) -> str:
        text = f"pair {len(self.ratios)} of {self.recipe.repeats} · {self.recipe.rule}: {self.verdicts[-1]}"
        return text + (f" · truth: {self.outcome.truth} · {self.outcome.outcome}" if self.outcome else "")

    def chart(self) -> str:
        return duel_svg(self.ratios, self.funnel, self.verdicts, truth=truth(self.recipe), pairs=self.recipe.repeats)

    def numbers(self) -> str:
        found = self.comparison
        changes = sum(before != after for before, after in zip(self.verdicts, self.verdicts[1:], strict=False))
        rows = [
            ("a", f"{found.a.median_ms:.3g} ms", f"p95 {found.a.p95_ms:.3g}"),
            ("b", f"{found.b.median_ms:.3g} ms", f"p95 {found.b.p95_ms:.3g}"),
            ("b / a", f"{found.ratio:.3f}", f"{interval(found)} at {found.confidence:.0%}"),
            ("Verdict so far", self.verdicts[-1], f"changed {changes} time{'s' * (changes != 1)}"),
        ]
        if self.outcome:
            rows.append(("Truth", self.outcome.truth, self.outcome.outcome))
        return report.tiles(rows)

    def report(self) -> str:
        return self.session.summary(self.recipe)


class Duels:
    """The same duel ten times over, each in an order of its own: the job behind the second button."""

    def __init__(self, session: Session, recipe: DuelRecipe):
        self.session, self.recipe = session, recipe
        self.recipes = [replace(recipe, seed=recipe.seed + number) for number in range(DUELS)]
        self.results: list[DuelResult] = []

    def __iter__(self) -> Iterator[float]:
        for number, recipe in enumerate(self.recipes):
            run = DuelRun(recipe)
            pairs = iter(run)
            try:
                for pair in pairs:
                    yield (number + pair.number / recipe.repeats) / DUELS
            finally:
                pairs.close()
            self.results.append(run.result())
            self.session.history.append(self.results[-1])

    def result(self) -> list[DuelResult]:
        return self.results

    def status(self) -> str:
        return f"{len(self.results)} of {DUELS} duels · {self._right()} right"

    def chart(self) -> str:
        return duels_svg(
            [result.comparison for result in self.results],
            [result.outcome for result in self.results],
            truth=truth(self.recipe),
            duels=DUELS,
        )

    def numbers(self) -> str:
        outcomes = [result.outcome for result in self.results]
        wrong = [(name.capitalize(), str(outcomes.count(name)), "") for name in OUTCOMES[1:] if name in outcomes]
        return report.tiles([("Right", f"{self._right()} of {len(outcomes)}", self.recipe.rule), *wrong])

    def report(self) -> str:
        return self.session.summary(self.recipe)

    def _right(self) -> int:
        return sum(result.outcome == "right" for result in self.results)


def truth(recipe: DuelRecipe) -> float:
    """How many times more work b does than a."""
    return 1 + recipe.slowdown_percent / 100


def label(recipe: DuelRecipe, *, taken: int) -> str:
    """A recipe in a few words, with the pairs that were taken of those it asks for."""
    pairs = f"{taken} of {recipe.repeats} pairs" if taken < recipe.repeats else f"{taken} pair{'s' * (taken > 1)}"
    words = [f"b {recipe.slowdown_percent} % slower", pairs, recipe.rule]
    words += [f"warm-up {recipe.warmup}"] * (recipe.warmup != DuelRecipe().warmup)
    words += ["busy neighbour"] * recipe.neighbour
    return ", ".join(words)


def interval(found: Comparison) -> str:
    """Its ends; with too few pairs they are 0 and infinity, and say so."""
    if found.ratio_low <= 0:
        return "too few pairs to tell"
    return f"{found.ratio_low:.3f} to {found.ratio_high:.3f}"
