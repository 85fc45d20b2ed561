"""Rules that claims share: when two arms are apart, and how a verdict follows from several answers"""

from collections.abc import Iterable

import pandas as pd

from mobilellm_lab.teaching.claim import Verdict


def apart(high: pd.Series, low: pd.Series) -> bool:
    """Whether the lowest seed of `high` lies above the highest of `low`."""
    return bool(high.min() > low.max())


def graded(answers: Iterable[object]) -> Verdict:
    """HOLDS if every answer is yes, DOES_NOT_HOLD if none is, HOLDS_WHEN in between."""
    answers = [bool(answer) for answer in answers]
    return Verdict.HOLDS if all(answers) else Verdict.HOLDS_WHEN if any(answers) else Verdict.DOES_NOT_HOLD
