"""Rules that claims share: when two arms are apart, and how a verdict follows from several answers"""

from collections.abc import Iterable

import pandas as pd

from mobilellm_lab.teaching.claim import Verdict


def apart(high: pd.Series, low: pd.Series) -> bool:
    """Whether the lowest seed of `high` lies above the highest of `low`."""
    return bool(high.min() > low.max())


def better(high: pd.Series, low: pd.Series) -> Verdict:
    """HOLDS if all seeds of `high` lie above all of `low`, DOES_NOT_HOLD if below, else NOT_DISTINGUISHABLE.

    Where less is better, as with a loss, `high` is the arm that is said to be worse.
    """
    if apart(high, low):
        return Verdict.HOLDS
    return Verdict.DOES_NOT_HOLD if apart(low, high) else Verdict.NOT_DISTINGUISHABLE


def smallest_gap(one: pd.Series, other: pd.Series) -> float:
    """The smallest distance of the medians at which arms with these spreads are apart, whichever is higher."""

    def needed(high: pd.Series, low: pd.Series) -> float:
        return float(high.median() - high.min() + low.max() - low.median())

    return max(needed(one, other), needed(other, one))


def graded(answers: Iterable[object]) -> Verdict:
    """HOLDS if every answer is yes, DOES_NOT_HOLD if none is, HOLDS_WHEN in between."""
    answers = [bool(answer) for answer in answers]
    return Verdict.HOLDS if all(answers) else Verdict.HOLDS_WHEN if any(answers) else Verdict.DOES_NOT_HOLD
