"""What an answer shows: a formula with one or two of its steps wrong, told by the numbers that it gives"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from mobilellm_lab.teaching.exercise import Wrong

CLOSE = 1e-6  # relative: another order of the same operations

Number = int | float
Slips = Mapping[str, tuple[Mapping[str, object], str]]  # misconception -> (keywords of the formula, explanation)


def numbers(answer: Callable, cases: Sequence[tuple]) -> list[float]:
    """What `answer` gives for each case.

    Raises:
        Wrong: something that is no number.
    """
    found = [answer(*case) for case in cases]
    try:
        return [float(value) for value in found]
    except (TypeError, ValueError, RuntimeError) as error:
        raise Wrong("not a number", f"Return one number. Yours is a {type(found[0]).__name__}.") from error


def equal(found: Sequence[Number], expected: Sequence[Number]) -> bool:
    """Whether all are the same but for rounding."""
    return np.allclose(found, expected, rtol=CLOSE, atol=0)


def why(formula: Callable, slips: Slips, cases: Sequence[tuple], found: Sequence[Number]) -> Wrong | None:
    """The misconception, or the two, with which `formula` gives what was `found`; None if no two do.

    `formula(*case, **keywords)` is right without keywords, and each slip's keywords make it wrong in one way.
    """
    for names in (*combinations(slips, 1), *combinations(slips, 2)):
        keywords = {name: value for slip in names for name, value in slips[slip][0].items()}
        if len(keywords) == sum(len(slips[slip][0]) for slip in names) and equal(
            found, [formula(*case, **keywords) for case in cases]
        ):
            return Wrong(names[0], " ".join(slips[slip][1] for slip in names))
    return None
