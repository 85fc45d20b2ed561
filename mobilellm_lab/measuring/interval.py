"""Confidence intervals: bootstrap over samples, Wilson's for accuracies"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value and its confidence interval."""

    value: float
    low: float
    high: float
    confidence: float

    @property
    def half_width(self) -> float:
        """Half the distance between the ends."""
        return (self.high - self.low) / 2

    def __contains__(self, x: int | float) -> bool:
        return self.low <= x <= self.high

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g} at {self.confidence:.0%})"


def check_confidence(confidence: int | float) -> None:
    """Raises a ValueError for what is no probability between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: choose a probability between 0 and 1, such as 0.95")


def bootstrap_interval(
    samples: Sequence[int | float] | np.ndarray,
    *,
    statistic: Callable[..., np.ndarray] = np.mean,
    confidence: int | float = 0.95,
    seed: int = 0,
    resamples: int = 2000,
) -> Interval:
    """`statistic` of the samples with its percentile bootstrap interval.

    Samples are the rows of the first axis, and each must be independent of the others: a whole sequence, not a token
    of it. `statistic(array, axis=)` works along one axis, as `np.mean` and `np.median` do. With fewer than about 20
    samples the interval is too narrow: take more. SciPy's percentile bootstrap (tests/measuring/test_interval.py).
    Source: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979).

    Raises:
        ValueError: no samples, a value that is not finite, fewer than 100 resamples, a confidence outside (0, 1).
    """
    check_confidence(confidence)
    values = np.asarray(samples, dtype=float)
    if values.size == 0:
        raise ValueError("samples are empty: give at least one")
    if not np.isfinite(values).all():
        raise ValueError("samples hold a value that is not finite: find its origin before averaging")
    if resamples < 100:
        raise ValueError(f"resamples={resamples}: too few to see the tails, give 100 or more")
    drawn = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    spread = statistic(values[drawn], axis=1)
    low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value=float(statistic(values, axis=0)), low=float(low), high=float(high), confidence=confidence)


def accuracy_interval(right: int, count: int, *, confidence: int | float = 0.95) -> Interval:
    """Share of right answers with Wilson's interval, which stays within 0 .. 1 and keeps its confidence at 0.

    For independent questions. Source: Wilson, Probable inference, JASA 22 (1927), 209-212.

    Raises:
        ValueError: no question, more right answers than questions, a confidence outside (0, 1).
    """
    check_confidence(confidence)
    if count < 1 or not 0 <= right <= count:
        raise ValueError(f"right={right}, count={count}: give at least 1 question and 0 to {max(count, 0)} right ones")
    z, p = NormalDist().inv_cdf((1 + confidence) / 2), right / count
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    low, high = centre - half if right else 0.0, centre + half if right < count else 1.0  # exactly: no rounding
    return Interval(value=p, low=low, high=high, confidence=confidence)
