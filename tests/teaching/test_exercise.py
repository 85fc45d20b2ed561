"""An exercise shows its task and judges a function: never by an exception, always with words for the learner."""

import pytest

from mobilellm_lab.teaching import Exercise, Outcome, Wrong


def _double_stub(x):
    """Twice x."""
    return ...  # your code


def _double_solution(x):
    return 2 * x


def _double_alternative(x):
    return x if x == 0 else x + _double_alternative(0) + x


def _double_square(x):
    return x * x


def _double_same(x):
    return x


def _inspect_double(double):
    if double(3) == 9:
        raise Wrong("squared", "3 gives 9: you multiplied `x` by itself.")
    if double(3) == 3:
        raise Wrong("unchanged", "3 gives 3: nothing was doubled.")
    if abs(double(3) - 6) > 1e-9:
        raise Wrong("another number", "3 does not give 6.")
    return "Twice 3 is 6."


def make(**changes) -> Exercise:
    fields = {
        "name": "double",
        "title": "Double `it`",
        "task": "Write `double(x)` for *any* x < 5.\n\nIt is **short**.",
        "answer": "double",
        "stub": _double_stub,
        "solution": _double_solution,
        "alternative": _double_alternative,
        "mistakes": {"squared": _double_square, "unchanged": _double_same},
        "hints": ("Add.", "Add x.", "x + x"),
        "inspect": _inspect_double,
    }
    return Exercise(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": " \n"}, "task='' in exercise 'double'"),
        ({"answer": "my answer"}, "answer='my answer'"),
        ({"mistakes": {"squared": _double_square}}, "1 mistakes in exercise 'double': name at least two"),
        ({"hints": ("a", "b")}, "2 hints in exercise 'double': give three"),
        ({"hints": ("a", "b", "")}, "none of them empty"),
    ],
)
def test_an_unfinished_exercise_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        make(**changes)


def test_stub_mistakes_and_right_answers():
    exercise = make()
    assert exercise.check(_double_stub).kind == "not attempted"
    for name, mistake in exercise.mistakes.items():
        assert exercise.check(mistake) == Outcome(
            kind="wrong", misconception=name, message=exercise.check(mistake).message
        )
    assert exercise.check(lambda x: 7).misconception == "another number"
    assert repr(exercise.check(_double_solution)) == "Right. Twice 3 is 6."
    assert exercise.check(_double_alternative).kind == "right"


def _computes_with_it(x):
    y = ...
    return y + x


@pytest.mark.parametrize(
    "answer", [..., lambda x: (1, ...), lambda x: {"a": [...]}, lambda x: None if x else ..., _computes_with_it]
)
def test_an_ellipsis_anywhere_is_not_an_attempt(answer):
    exercise = make(inspect=lambda double: str((double(0), double(1))))
    outcome = exercise.check(answer)
    assert outcome.kind == "not attempted"
    assert "`double` still gives `...`" in outcome.message


@pytest.mark.parametrize("answer", [6, None, "double", [1]])
def test_what_is_not_a_function_is_said(answer):
    outcome = make().check(answer)
    assert (outcome.kind, outcome.misconception) == ("wrong", "not a function")
    assert "check(double)" in outcome.message
    assert type(answer).__name__ in outcome.message


def _divides(x):
    y = 0
    return x / y


def _calls_elsewhere(x):
    return sorted([x, "a"])  # the exception comes from here too


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_divides, "`ZeroDivisionError: division by zero` in line 3 of `_divides`: `return x / y`."),
        (_calls_elsewhere, "in line 2 of `_calls_elsewhere`: `return sorted"),
        (lambda: 1, "takes 0 positional arguments but 1 was given`"),
        (int.__add__, "`TypeError: "),
    ],
)
def test_an_exception_of_the_learner_is_shown_with_its_line(answer, words):
    outcome = make().check(answer)
    assert (outcome.kind, outcome.misconception) == ("wrong", "an exception")
    assert words in outcome.message


@pytest.mark.parametrize("answer", [lambda x: "six", lambda x: None, lambda x: [x]])
def test_a_result_that_nothing_can_be_done_with_is_wrong(answer):
    outcome = make().check(answer)
    assert (outcome.kind, outcome.misconception) == ("wrong", "not a usable result")
    assert "`double` returns" in outcome.message


def test_an_exception_without_words_is_named():
    def empty(x):
        raise KeyError

    assert "`KeyError` in line 2 of `empty`" in make().check(empty).message


def test_a_place_without_text_is_still_a_place():
    """IPython keeps the text of its cells where `linecache` finds it; what `exec` made has a line number alone."""
    space = {}
    exec(compile("\n\ndef double(x):\n    return x / 0\n", "<cell>", "exec"), space)
    assert "in line 2 of `double`." in make().check(space["double"]).message


def test_sources_carry_the_answers_name():
    exercise = make()
    assert exercise.source("stub") == 'def double(x):\n    """Twice x."""\n    return ...  # your code'
    assert "x + double(0) + x" in exercise.source("alternative")
    space = {}
    exec(exercise.source("solution"), space)
    assert exercise.check(space["double"]).kind == "right"
    with pytest.raises(ValueError, match="which='mistake': choose stub"):
        exercise.source("mistake")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "good", "message": "m"}, "choose one of not attempted, wrong, right"),
        ({"kind": "wrong", "message": "m"}, "only a wrong answer has one"),
        ({"kind": "right", "misconception": "x", "message": "m"}, "only a wrong answer has one"),
        ({"kind": "right", "message": ""}, "say what the learner should know"),
    ],
)
def test_an_outcome_without_words_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Outcome(**fields)


def test_texts_and_html():
    exercise = make()
    html = exercise._repr_html_()
    assert html.count(">Hint ") == 3
    assert html.count(">Solution</summary>") == 1
    assert "<em>any</em> x &lt; 5.</p><p>It is <strong>short</strong>." in html
    assert "def double(x):" in html
    assert "_double" not in html
    assert "<script" not in html
    assert "Double `it`" in repr(exercise)
    wrong = exercise.check(_double_square)
    assert repr(wrong) == "Wrong: squared. 3 gives 9: you multiplied `x` by itself."
    assert 'data-kind="wrong"' in wrong._repr_html_()
