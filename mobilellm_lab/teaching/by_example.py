"""Exercises checked on examples: the answer's results beside the solution's and those of named mistakes."""

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from inspect import signature
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from mobilellm_lab.teaching.exercise import Exercise, Wrong

Mistakes = Mapping[str, tuple[Callable, str]]  # misconception -> (a function that has it, explanation)


def number(result: object, *case: object) -> float:
    """`result` as a float; an array or tensor of one value is one, too.

    Raises:
        Wrong: it is no single number.
    """
    try:
        return float(result)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Wrong("not a number", f"Return one number. Yours is a {type(result).__name__}.") from error


def pair(result: object, *case: object) -> tuple[float, float]:
    """`result` as two floats, the ends of an interval.

    Raises:
        Wrong: it is not two numbers.
    """
    try:
        low, high = (float(end) for end in result)
    except (TypeError, ValueError, RuntimeError) as error:
        found = f"a {type(result).__name__}, {result!s:.60}"
        raise Wrong("not two numbers", f"Return the two ends, `(low, high)`. Yours is {found}.") from error
    return low, high


def tensor(result: object, given: Tensor, *case: object) -> Tensor:
    """`result` as a tensor of floats with the shape of the first argument.

    Raises:
        Wrong: it is no tensor, or has another shape.
    """
    try:
        found = torch.as_tensor(result).detach().float()
    except (TypeError, ValueError, RuntimeError) as error:
        raise Wrong("not a tensor", f"Return a tensor. Yours is a {type(result).__name__}.") from error
    if found.shape != given.shape:
        raise Wrong(
            "wrong shape",
            f"For {tuple(given.shape)} you returned {tuple(found.shape)}. Return the shape that you were given: put "
            "parts back in their places, and take away what you padded.",
        )
    return found


def close(found: object, expected: object, *case: object, rtol: int | float = 1e-6, atol: int | float = 0) -> bool:
    """Whether two numbers or tensors are the same but for rounding; NaN equals NaN."""
    return np.shape(found) == np.shape(expected) and np.allclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)


def equal(found: object, expected: object, *case: object) -> bool:
    """Whether two results are equal."""
    return found == expected


def another(what: str, unit: str, solution: Callable) -> Callable:
    """For `describe`: the misconception "another `what`", with the arguments, the number found and the right one."""
    names = signature(solution).parameters

    def describe(found, expected, *case):
        values = (f"{value:.6g}" if isinstance(value, float) else reprlib.repr(value) for value in case)
        given = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        found, expected = (f"{x:,.0f}" if float(x).is_integer() else f"{x:,.6g}" for x in (found, expected))
        return Wrong(f"another {what}", f"For {given} you have {found}; right is {expected} {unit}.")

    return describe


def by_example(
    *,
    cases: Callable[[], Sequence[tuple]],
    solution: Callable,
    mistakes: Mistakes,
    describe: Callable,
    lesson: Callable,
    read: Callable = number,
    same: Callable = close,
    **fields: object,
) -> Exercise:
    """An exercise whose check compares what answer, solution and mistakes give for some cases.

    Args:
        cases: gives the arguments of each call. A call gets copies, and its result is read before the next call.
        solution: gives the right results.
        mistakes: known ways to be wrong. Two `partial`s of one formula are found together, too, if they change
            different keywords.
        describe: `describe(found, expected, *case)` is the `Wrong` of an answer that shows no known mistake.
        lesson: `lesson(answer, found)` says what a right answer shows; `found` are its results. May raise `Wrong`.
        read: `read(result, *case)` is what is compared; raises `Wrong` for a result of another kind.
        same: `same(a, b, *case)` tells whether two results agree.
        fields: of `Exercise`.
    """

    def results(function, given):
        return [read(function(*deepcopy(case)), *case) for case in given]

    def agreeing(some, others, given):
        return [same(a, b, *case) for a, b, case in zip(some, others, given, strict=True)]

    def inspect(answer):
        given = cases()
        found, right = results(answer, given), results(solution, given)
        agree = agreeing(found, right, given)
        if all(agree):
            return lesson(answer, found)
        for name, mistake, explanation in _alone_and_in_pairs(mistakes):
            try:
                alike = all(agreeing(found, results(mistake, given), given))
            except Wrong:  # a mistake that `read` finds
                continue
            if alike:
                raise Wrong(name, explanation)
        first = agree.index(False)
        raise describe(found[first], right[first], *given[first])

    alone = {name: mistake for name, (mistake, _) in mistakes.items()}
    return Exercise(solution=solution, mistakes=alone, inspect=inspect, **fields)


def _alone_and_in_pairs(mistakes: Mistakes) -> Iterator[tuple[str, Callable, str]]:
    """Each mistake, then each two that change different keywords of one formula."""
    for name, (mistake, explanation) in mistakes.items():
        yield name, mistake, explanation
    formulas = [(name, *pair) for name, pair in mistakes.items() if isinstance(pair[0], partial)]
    for (name, a, explanation), (_, b, also) in combinations(formulas, 2):
        if a.func is b.func and not a.keywords.keys() & b.keywords.keys():
            yield name, partial(a, **b.keywords), f"{explanation} {also}"
