"""Exercise: bootstrap interval of an accuracy"""

import math
from collections.abc import Callable

import numpy as np

from mobilellm_lab.teaching.by_example import by_example, pair
from mobilellm_lab.teaching.exercise import Wrong

RESAMPLES = 2000
STILL = 0.25  # of a standard error: 2000 draws leave each end uncertain by 0.06 of it
SEEDS = (1, 11)  # with these the solution is within one answer of what infinitely many draws give

# (right answers, all answers): a usual test set, a small one, and one large enough to tell one draw from the next.
_SETS = ((142, 200), (15, 40), (316, 600))


def _interval_stub(right, seed):
    """(low, high) of accuracy, a 95 % bootstrap interval."""
    return ...  # your code


def _interval_solution(right, seed):
    """(low, high) of accuracy, a 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, len(right), (2000, len(right)))
    accuracies = np.asarray(right)[places].mean(axis=1)
    return np.quantile(accuracies, [0.025, 0.975])


def _interval_alternative(right, seed):
    """(low, high) of accuracy, a 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    n = len(right)
    # Drawing n answers of which a share is right, with replacement, is a binomial count.
    accuracies = sorted(rng.binomial(n, sum(right) / n, 2000) / n)
    return accuracies[50], accuracies[-51]


def _shuffled(right, seed):
    """A bootstrap without replacement."""
    draws = np.random.default_rng(seed).permuted(np.tile(right, (RESAMPLES, 1)), axis=1)
    return np.quantile(draws.mean(axis=1), [0.025, 0.975])


def _sized(size: Callable[[int], int]) -> Callable:
    """A bootstrap that draws `size(n)` of n answers."""

    def ends(right, seed):
        places = np.random.default_rng(seed).integers(0, len(right), (RESAMPLES, size(len(right))))
        return np.quantile(np.asarray(right)[places].mean(axis=1), [0.025, 0.975])

    return ends


def _around(half_width: Callable[[np.ndarray], float]) -> Callable:
    """An interval of the mean and so much on either side."""
    return lambda right, seed: (
        np.mean(right) - half_width(np.asarray(right)),
        np.mean(right) + half_width(np.asarray(right)),
    )


def _quantiles(low: float, high: float) -> Callable:
    """A bootstrap that reports these quantiles."""

    def ends(right, seed):
        places = np.random.default_rng(seed).integers(0, len(right), (RESAMPLES, len(right)))
        return np.quantile(np.asarray(right)[places].mean(axis=1), [low, high])

    return ends


_MISTAKES = {
    "draws without replacement": (
        _shuffled,
        "Your interval has no width, since every draw is the same set in another order. Draw *with* replacement, so "
        "that an answer may come twice or not at all.",
    ),
    "draws half a set": (
        _sized(lambda n: n // 2),
        "Your interval is too wide by a factor of about 1.4, since you drew sets of half the size. The accuracy was "
        "measured on all answers, so each draw has as many.",
    ),
    "draws one answer": (
        _sized(lambda n: 1),
        "Your interval is 0 to 1, since each draw is one answer. Draw as many as there are, take their mean, and do "
        "that 2,000 times.",
    ),
    "spread of the answers": (
        _around(lambda right: 1.96 * right.std()),
        "You took the standard deviation of the answers. It does not shrink with more of them; the uncertainty of "
        "their *mean* does.",
    ),
    "one standard error": (
        _around(lambda right: right.std() / math.sqrt(len(right))),
        "One standard error on either side holds the truth in about 68 of 100 cases, not 95.",
    ),
    "90 %": (
        _quantiles(0.05, 0.95),
        "You cut off 5 % at *each* end, which leaves 90 %. For 95 % cut off 2.5 % at each end.",
    ),
    "one end only": (
        _quantiles(0.05, 1.0),
        "You cut off 5 % at the low end and nothing at the high one. Cut off 2.5 % at each.",
    ),
}


def _cases():
    orders = {n: np.random.default_rng(n).permutation(n) for _, n in _SETS}
    return [((orders[n] < count).astype(float), seed) for count, n in _SETS for seed in SEEDS]


def _near(found, expected, right, seed):
    """Draws differ by chance, so that no two ways of drawing agree to the digit."""
    standard_error = right.std() / math.sqrt(len(right))
    still = max(STILL * standard_error, 1.01 / len(right))  # an end moves in steps of one answer
    return all(abs(a - b) <= still for a, b in zip(found, expected, strict=True))


def _describe(found, expected, right, seed):
    return Wrong(
        "another interval",
        f"For {int(right.sum())} right answers of {len(right)} you have {found[0]:.3f} to {found[1]:.3f}; redrawing "
        f"the whole set gives about {expected[0]:.3f} to {expected[1]:.3f}.",
    )


def _lesson(answer, found):
    largest = _cases()[-len(SEEDS) :]
    if [pair(answer(right.copy(), seed)) for right, seed in 3 * largest] != 3 * found[-len(SEEDS) :]:
        raise Wrong(
            "not repeatable",
            "The ends are right, but the same seed gives others each time. Take all random numbers from "
            "`np.random.default_rng(seed)`.",
        )
    (low, high), (count, n) = found[0], _SETS[0]
    return (
        f"{count} right of {n} is an accuracy of {count / n:.2f}, with an interval from {low:.2f} to {high:.2f}. "
        f"Another model with {count / n + 0.03:.2f} on a set of this size is not shown to be better. A set four times "
        "as large halves the width."
    )


BOOTSTRAP = by_example(
    name="bootstrap",
    title="Bootstrap interval of an accuracy",
    task="""
A model answered a test set. `right` is a NumPy array with 1.0 for each right answer and 0.0 for each wrong one. Another
set of the same kind would have given another accuracy. Write `interval(right, seed)`: `(low, high)`, the **95 %
bootstrap interval of the accuracy**.

Draw a set of the same size from these answers, with replacement, and take its accuracy. Do that 2,000 times, with
random numbers from `np.random.default_rng(seed)`, and return the two values that cut off 2.5 % at either end.
""".strip(),
    answer="interval",
    stub=_interval_stub,
    solution=_interval_solution,
    alternative=_interval_alternative,
    mistakes=_MISTAKES,
    hints=(
        "The answers are a sample of all possible ones. How do you draw a new set of the same size from them?",
        "`rng.integers(0, n, (2000, n))` gives 2,000 sets of n places; `right[places]` are their answers.",
        "`right[places].mean(axis=1)` are 2,000 accuracies, and `np.quantile(accuracies, [0.025, 0.975])` are the two "
        "ends.",
    ),
    cases=_cases,
    describe=_describe,
    lesson=_lesson,
    read=pair,
    same=_near,
)
