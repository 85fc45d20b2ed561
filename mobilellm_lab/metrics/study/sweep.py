"""Chapter 7's sweeps: verdicts of each rule, and error of each pitfall"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from mobilellm_lab.arms import Sweep
from mobilellm_lab.metrics.duel import MOST_REPEATS, OUTCOMES, RULES, DuelRecipe, DuelRun, judge, outcome
from mobilellm_lab.metrics.pitfalls import PITFALLS
from mobilellm_lab.provenance import provenance

SLOWDOWNS = (0, 2, 5, 10, 20)  # per cent more work in b
REPEATS = (6, 10, 20, 40, 80)  # pairs; five cannot tell anything at 95 %
SERIES = 3  # long series of pairs per slowdown and neighbour, measured one after the other
PAIRS = 1000  # of one series: five runs of 200
WINDOWS = 150  # stretches of consecutive pairs drawn from each series
RESAMPLES = 300  # of the paired interval; 7 in each tail
PITFALL_REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class Series:
    """Consecutive pairs, and the true slowdown of b."""

    slowdown_percent: int
    neighbour: bool
    a_ms: tuple[float, ...]
    b_ms: tuple[float, ...]


def recipes() -> list[DuelRecipe]:
    """The full product of slowdown, repeats, neighbour and rule; one row each."""
    return [
        DuelRecipe(slowdown_percent=slowdown, repeats=repeats, neighbour=neighbour, rule=rule)
        for neighbour, slowdown, repeats, rule in product((False, True), SLOWDOWNS, REPEATS, RULES)
    ]


def measure_series(slowdown_percent: int, neighbour: bool, *, number: int, pairs: int = PAIRS) -> Series:
    """One long series. The order within the pairs is `number`'s own."""
    a_ms, b_ms = [], []
    longest = MOST_REPEATS
    for part, start in enumerate(range(0, pairs, longest)):
        run = DuelRun(
            DuelRecipe(
                slowdown_percent=slowdown_percent,
                repeats=min(longest, pairs - start),
                neighbour=neighbour,
                rule="medians",  # the cheapest: verdicts come later
                seed=1000 * number + part,
            )
        )
        for _ in run:
            pass
        a_ms += run.a_ms
        b_ms += run.b_ms
    return Series(slowdown_percent=slowdown_percent, neighbour=neighbour, a_ms=tuple(a_ms), b_ms=tuple(b_ms))


def shares(series: Series, recipe: DuelRecipe, *, windows: int, seed: int) -> dict[str, float]:
    """Share of each outcome over `windows` stretches of `recipe.repeats` consecutive pairs of the series.

    Consecutive, because noise comes in bursts: pairs drawn one by one would be more independent than a reader's.
    """
    room = len(series.a_ms) - recipe.repeats
    if room < 0:
        raise ValueError(
            f"repeats={recipe.repeats}: the series has only {len(series.a_ms)} pairs, measure a longer one"
        )
    starts = np.random.default_rng(seed).integers(0, room + 1, windows)
    verdicts = [
        judge(
            series.a_ms[start : start + recipe.repeats],
            series.b_ms[start : start + recipe.repeats],
            recipe.rule,
            resamples=RESAMPLES,
        )
        for start in starts
    ]
    found = [outcome(verdict, recipe.truth) for verdict in verdicts]
    return {name: found.count(name) / windows for name in OUTCOMES}


def duel_row(measured: list[Series], recipe: DuelRecipe, *, windows: int = WINDOWS) -> dict:
    """Shares of the outcomes as medians over the series, with the lowest and highest share of right verdicts."""
    each = [shares(series, recipe, windows=windows, seed=number) for number, series in enumerate(measured)]
    right = [share["right"] for share in each]
    ratios = [float(np.median(np.divide(series.b_ms, series.a_ms))) for series in measured]
    return {
        "shares": {name: round(float(np.median([share[name] for share in each])), 4) for name in OUTCOMES},
        "right_low": round(min(right), 4),
        "right_high": round(max(right), 4),
        "series": len(measured),
        "windows": windows,
        "pairs": len(measured[0].a_ms),
        "median_ms": round(float(np.median([series.a_ms for series in measured])), 4),
        "measured_ratio": [round(ratio, 4) for ratio in ratios],
        "provenance": provenance("mobilellm-lab sweep metrics"),
    }


def measure_duels(todo: list[DuelRecipe]) -> Iterator[tuple[DuelRecipe, dict]]:
    """Yields a row per recipe. Recipes that differ only in repeats and rule judge the same measured series."""
    groups: dict[tuple[int, bool], list[DuelRecipe]] = {}
    for recipe in todo:
        groups.setdefault((recipe.slowdown_percent, recipe.neighbour), []).append(recipe)
    for (slowdown_percent, neighbour), group in groups.items():
        measured = [measure_series(slowdown_percent, neighbour, number=number) for number in range(SERIES)]
        for recipe in group:
            yield recipe, duel_row(measured, recipe)


@dataclass(frozen=True, kw_only=True)
class PitfallTrial:
    """One demonstration of one pitfall."""

    stored_as = "LieTrial"  # in the keys of stored rows

    name: str  # a key of PITFALLS
    repeat: int  # its seed, too

    def row(self) -> dict:
        """Both numbers, their ratio, and the sentences about them."""
        pitfall = PITFALLS[self.name](seed=self.repeat)
        return {
            "title": pitfall.title,
            "wrong": pitfall.wrong,
            "right": pitfall.right,
            "unit": pitfall.unit,
            "factor": pitfall.factor,
            "says_wrong": pitfall.says_wrong,
            "says_right": pitfall.says_right,
            "cure": pitfall.cure,
            "provenance": provenance("mobilellm-lab sweep metrics_lies"),
        }


def pitfall_trials() -> list[PitfallTrial]:
    """Every pitfall, three times; in rounds, so that a busy minute does not hit all repeats of one."""
    return [PitfallTrial(name=name, repeat=repeat) for repeat in range(PITFALL_REPEATS) for name in PITFALLS]


def measure_pitfalls(todo: list[PitfallTrial]) -> Iterator[tuple[PitfallTrial, dict]]:
    """Yields a row per trial."""
    for trial in todo:
        yield trial, trial.row()


SWEEPS = (
    Sweep(name="metrics", plan=recipes, measure=measure_duels, alone=True),
    Sweep(name="metrics_lies", plan=pitfall_trials, measure=measure_pitfalls, alone=True),
)
