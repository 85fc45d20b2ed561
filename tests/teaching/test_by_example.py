"""A check by example names the mistake, or the two, that an answer shows, or else the case that differs."""

from functools import partial

import numpy as np
import pytest
import torch

from mobilellm_lab.teaching import Exercise, Wrong
from mobilellm_lab.teaching.by_example import another, by_example, close, equal, number, pair, tensor


def _scaled_stub(values, by):
    return ...  # your code


def _scaled_solution(values, by):
    return by * sum(values)


def _scaled_alternative(values, by):
    return sum(by * value for value in values)


def _formula(values, by, *, per=1, first=0, power=1):
    return by**power * sum(values[first:]) / per


def _hidden(values, by):
    return "hidden"


def _read(result, values, by):
    if result == "hidden":
        raise Wrong("a word", "That is a word.")
    return number(result)


def make(**changes) -> Exercise:
    fields = {
        "name": "scaled",
        "title": "Scaled",
        "task": "Write `scaled`.",
        "answer": "scaled",
        "stub": _scaled_stub,
        "solution": _scaled_solution,
        "alternative": _scaled_alternative,
        "hints": ("a", "b", "c"),
        "mistakes": {
            "a word": (_hidden, "That is a word."),
            "thousandths": (partial(_formula, per=1000), "In thousands."),
            "hundredths": (partial(_formula, per=100), "In hundreds."),
            "skips one": (partial(_formula, first=1), "One is missing."),
            "not scaled": (lambda values, by: sum(values), "Scale it."),
        },
        "cases": lambda: [([1, 2, 4], 3), ([5, 0.5], 2)],
        "describe": another("sum", "apples", _scaled_solution),
        "lesson": lambda answer, found: f"{found[0]:g} and {answer([1], 1)}.",
        "read": _read,
    }
    return by_example(**fields | changes)


def test_right_answers_are_told_the_lesson():
    assert repr(make().check(_scaled_solution)) == "Right. 21 and 1."
    assert make().check(_scaled_alternative).kind == "right"
    assert make().check(_scaled_stub).kind == "not attempted"


def test_every_mistake_is_named_also_one_that_reading_finds():
    exercise = make()
    for name, mistake in exercise.mistakes.items():
        assert exercise.check(mistake).misconception == name
    assert make(lesson=lambda answer, found: [][0]).check(_scaled_solution).kind == "wrong"


def test_two_mistakes_of_one_formula_are_told_together():
    both = make().check(lambda values, by: by * sum(values[1:]) / 100)
    assert (both.misconception, both.message) == ("hundredths", "In hundreds. One is missing.")


@pytest.mark.parametrize("factor", [1 / 100_000, 1 / 10])
def test_two_mistakes_in_the_same_keyword_are_not_put_together(factor):
    assert make().check(lambda values, by: factor * by * sum(values)).misconception == "another sum"


def test_other_functions_are_not_put_together():
    assert make().check(lambda values, by: sum(values) / 100).misconception == "another sum"


def test_the_first_case_that_differs_is_described():
    message = make().check(lambda values, by: by * sum(values) + (by == 2)).message
    assert message == "For values=[5, 0.5], by=2 you have 12; right is 11 apples."
    message = make(cases=lambda: [([7_000_000], 0.25)]).check(lambda values, by: 1 / 3).message
    assert message == "For values=[7000000], by=0.25 you have 0.333333; right is 1,750,000 apples."
    message = make(cases=lambda: [(list(range(99)), 1)]).check(lambda values, by: 0).message
    assert message.startswith("For values=[0, 1, 2, 3, 4, 5, ...], by=1 you have 0")


def test_a_lesson_may_still_find_something_wrong():
    def lesson(answer, found):
        raise Wrong("by chance", "It is right by chance.")

    assert make(lesson=lesson).check(_scaled_solution).misconception == "by chance"


def test_what_an_answer_does_to_its_arguments_does_not_reach_the_check():
    given = [([1, 2, 4], 3)]

    def spoils(values, by):
        total = by * sum(values)
        values.clear()
        return total

    exercise = make(cases=lambda: given)
    assert [exercise.check(spoils).kind for _ in range(2)] == ["right", "right"]
    assert given == [([1, 2, 4], 3)]


def test_numbers_may_be_arrays_of_one_but_not_of_two():
    assert number(torch.tensor([2])) == 2.0
    for result in (np.array([1, 2]), torch.ones(2), None, "two", [1]):
        with pytest.raises(Wrong, match=f"Yours is a {type(result).__name__}"):
            number(result)


def test_pairs_are_two_numbers():
    assert pair(np.array([1, 2])) == pair((torch.tensor(1), "2")) == (1.0, 2.0)
    for result in (3.0, (1, 2, 3), (torch.ones(2), 1), ("low", "high"), None):
        with pytest.raises(Wrong, match=f"not two numbers: .* Yours is a {type(result).__name__}, "):
            pair(result)


def test_tensors_keep_the_shape_of_the_first_argument():
    given = torch.zeros(2, 3)
    assert tensor(np.ones((2, 3)), given, 4).dtype == torch.float32
    with pytest.raises(Wrong, match=r"wrong shape: For \(2, 3\) you returned \(3, 2\)"):
        tensor(torch.ones(3, 2), given, 4)
    with pytest.raises(Wrong, match="not a tensor: .* NoneType"):
        tensor(None, given, 4)


def test_close_and_equal():
    nan = float("nan")
    assert close(1.0, 1 + 1e-7) and not close(1.0, 1 + 1e-5) and not close(1e-9, 0.0) and close(nan, nan)
    assert close(torch.tensor([1.0, nan]), torch.tensor([1.0, nan])) and not close(torch.ones(2), torch.ones(1))
    assert close([1, 2], [1, 2]) and close(1.0, 1.05, "case", atol=0.1)
    assert equal({"a": 1}, {"a": 1}, "case") and not equal("a", "b", "case")
