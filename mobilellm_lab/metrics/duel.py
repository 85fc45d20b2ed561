"""Duels: pairs of calls with a known slowdown, and the rules that judge them"""

import mmap
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch

from mobilellm_lab.measuring.latency import Clock, Comparison, Samples, compare_samples
from mobilellm_lab.measuring.neighbour import Neighbour

RULES = ("one shot", "means", "medians", "paired interval")
VERDICTS = ("a is faster", "b is faster", "not distinguishable")
OUTCOMES = ("right", "false alarm", "missed", "wrong winner")
MARGIN_PERCENT = 1.0  # the rules without an interval call what is closer than this a tie, as a cautious reader would
MOST_REPEATS = 200  # pairs of one run
CONFIDENCE = 0.95  # of the paired interval
UNITS, SIDE = 100, 96  # a call of a is 100 products of 96 x 96 matrices, about a millisecond; b does a few more


@dataclass(frozen=True, kw_only=True)
class DuelRecipe:
    """One setting of the sliders.

    Raises:
        ValueError: a field out of range; before any time is spent.
    """

    stored_as = "Recipe"  # in the keys of stored rows

    slowdown_percent: int = 5  # how much more work b really does; 0: the same
    repeats: int = 20  # pairs of calls
    warmup: int = 3  # pairs made before, not timed
    neighbour: bool = False  # another process that keeps every core busy
    rule: str = "paired interval"  # what turns the times into a verdict
    seed: int = 0  # of the order within the pairs

    def __post_init__(self) -> None:
        for name, low, high in (("slowdown_percent", 0, 100), ("repeats", 1, MOST_REPEATS), ("warmup", 0, 20)):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{name}={value}: choose a whole number from {low} to {high}")
        if self.rule not in RULES:
            raise ValueError(f"rule={self.rule!r}: choose one of {', '.join(RULES)}")

    @property
    def truth(self) -> str:
        """The right verdict."""
        return "a is faster" if self.slowdown_percent else "not distinguishable"


def judge(a_ms: Samples, b_ms: Samples, rule: str, *, resamples: int = 2000) -> str:
    """The verdict of `rule` on durations that were taken in pairs: one of `VERDICTS`.

    "one shot" looks at the first pair and at nothing else. `resamples` as in `compare_samples`.

    Raises:
        ValueError: an unknown rule, no samples, or lists of different length.
    """
    if rule not in RULES:
        raise ValueError(f"rule={rule!r}: choose one of {', '.join(RULES)}")
    if len(a_ms) != len(b_ms) or not len(a_ms):
        raise ValueError(f"a_ms has {len(a_ms)} samples and b_ms {len(b_ms)}: give at least one pair")
    if rule == "paired interval":
        return compare_samples(a_ms, b_ms, confidence=CONFIDENCE, resamples=resamples).verdict
    one_number = {"one shot": lambda samples: samples[0], "means": np.mean, "medians": np.median}[rule]
    percent = 100 * (one_number(b_ms) / one_number(a_ms) - 1)
    if abs(percent) <= MARGIN_PERCENT:
        return "not distinguishable"
    return "a is faster" if percent > 0 else "b is faster"


def outcome(verdict: str, truth: str) -> str:
    """The outcome of a verdict, one of `OUTCOMES`, given the truth."""
    if verdict == truth:
        return "right"
    if truth == "not distinguishable":
        return "false alarm"
    return "missed" if verdict == "not distinguishable" else "wrong winner"


@dataclass(frozen=True, kw_only=True)
class DuelPair:
    """Two calls side by side, and the verdict so far."""

    number: int  # from 1
    a_ms: float
    b_ms: float
    verdict: str  # of the rule, on this pair and all before it


@dataclass(frozen=True, kw_only=True)
class DuelResult:
    """Verdict of the rule and its outcome, with the pairs behind it."""

    recipe: DuelRecipe
    a_ms: tuple[float, ...]
    b_ms: tuple[float, ...]
    verdict: str
    truth: str
    outcome: str
    comparison: Comparison  # ratio and interval, whatever the rule was

    def __str__(self) -> str:
        return f"{self.recipe.rule}: {self.verdict}; truth: {self.truth}; {self.outcome}"


@dataclass
class DuelRun:
    """A running duel. Iterate over its pairs, stop at any time, then ask for `result()`.

    The neighbour lives only while the iterator does: it ends with the last pair, when the iterator is closed or
    thrown away, with `close()`, and with this process.
    """

    recipe: DuelRecipe
    clock: Clock = time.perf_counter
    a_ms: list[float] = field(init=False, default_factory=list)
    b_ms: list[float] = field(init=False, default_factory=list)
    _open: ExitStack = field(init=False, default_factory=ExitStack, repr=False)

    def __iter__(self) -> Iterator[DuelPair]:
        recipe = self.recipe
        a = UNITS
        b = round(UNITS * (1 + recipe.slowdown_percent / 100))
        work = _Work(b, recipe.seed)
        b_first = [pair % 2 == 1 for pair in range(recipe.repeats)]  # half of them, in an order that nobody can guess
        random.Random(recipe.seed).shuffle(b_first)
        self.a_ms, self.b_ms = [], []
        with self._open:
            if recipe.neighbour:
                self._open.enter_context(Neighbour())
            for _ in range(recipe.warmup):
                work.timed_ms(a, self.clock)
                work.timed_ms(b, self.clock)
            for number, swap in enumerate(b_first, 1):
                if swap:
                    b_ms, a_ms = work.timed_ms(b, self.clock), work.timed_ms(a, self.clock)
                else:
                    a_ms, b_ms = work.timed_ms(a, self.clock), work.timed_ms(b, self.clock)
                self.a_ms.append(a_ms)
                self.b_ms.append(b_ms)
                yield DuelPair(number=number, a_ms=a_ms, b_ms=b_ms, verdict=judge(self.a_ms, self.b_ms, recipe.rule))

    def close(self) -> None:
        """Ends the neighbour, if one runs."""
        self._open.close()

    def result(self) -> DuelResult:
        """The verdict on the pairs so far.

        Raises:
            ValueError: not a single pair was taken.
        """
        if not self.a_ms:
            raise ValueError("pairs=0 taken: iterate over the run before asking for its result")
        verdict = judge(self.a_ms, self.b_ms, self.recipe.rule)
        return DuelResult(
            recipe=self.recipe,
            a_ms=tuple(self.a_ms),
            b_ms=tuple(self.b_ms),
            verdict=verdict,
            truth=self.recipe.truth,
            outcome=outcome(verdict, self.recipe.truth),
            comparison=compare_samples(self.a_ms, self.b_ms, confidence=CONFIDENCE),
        )


class _Work:
    """Matrix products into untouched memory, so that the first call also pays for its pages."""

    def __init__(self, units: int, seed: int):
        self.x = torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
        fresh = mmap.mmap(-1, 4 * units * SIDE * SIDE)  # not the allocator's: that hands out used memory again
        self.out = torch.frombuffer(fresh, dtype=torch.float32).view(units, SIDE, SIDE).unbind()

    def timed_ms(self, units: int, clock: Clock) -> float:
        """Duration of `units` products."""
        start = clock()
        for out in self.out[:units]:
            torch.mm(self.x, self.x, out=out)
        return 1000 * (clock() - start)
