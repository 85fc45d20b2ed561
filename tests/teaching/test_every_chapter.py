"""Every chapter's exercises, quiz and predictions: each check is right about the stub, the mistakes and the answers.

A new chapter is tested by being there: a folder mobilellm_lab/STEM/exercises and its lab.
"""

import importlib
import json
import math
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mobilellm_lab.teaching import Exercise, Measured, Option, Prediction, Question, Quiz, Wrong

ROOT = Path(__file__).parents[2]
CHAPTERS = {
    path.parts[-3]: importlib.import_module(f"mobilellm_lab.{path.parts[-3]}.exercises")
    for path in sorted((ROOT / "mobilellm_lab").glob("*/exercises/__init__.py"))
}
chapters = pytest.mark.parametrize("name", CHAPTERS)


def test_there_are_chapters():
    assert "deep_narrow" in CHAPTERS


def lab_cells(name: str) -> list[list[str]]:
    """The code cells of a chapter's lab, and of its second part if it has one; the first of each is its setup."""
    labs = sorted((ROOT / "labs").glob(f"[0-9][0-9]_{name}.ipynb"))
    assert len(labs) == 1, f"{name} needs one lab, labs/NN_{name}.ipynb, and has {[lab.name for lab in labs]}"
    more = labs[0].with_name(f"{labs[0].stem}_more.ipynb")
    found = []
    for lab in labs + [more] * more.exists():
        cells = json.loads(lab.read_text(encoding="utf-8"))["cells"]
        found.append(["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"])
    return found


def setup_of(exercise: Exercise, labs: list[list[str]]) -> str:
    """What runs before an exercise: the first cell of the lab that it stands in."""
    stub = exercise.source("stub")
    return next((cells[0] for cells in labs if any(cell.startswith(stub) for cell in cells)), labs[0][0])


def exercise_faults(exercise: Exercise, setup: str) -> list[str]:
    """What is wrong with an exercise and its check; `setup` is what a lab runs before."""
    found = []
    if (kind := exercise.check(exercise.stub).kind) != "not attempted":
        found.append(f"the stub is {kind}")
    messages = []
    for name, mistake in exercise.mistakes.items():
        outcome = exercise.check(mistake)
        messages.append(outcome.message)
        if (outcome.kind, outcome.misconception) != ("wrong", name):
            found.append(f"the mistake {name!r} is {outcome!r}")
    if len(set(messages)) < len(messages):
        found.append("two mistakes have the same message")
    expected = {"stub": "not attempted", "solution": "right", "alternative": "right"}
    if exercise.source("solution") == exercise.source("alternative"):
        found.append("the alternative is the solution")
    for which, kind in expected.items():
        outcome = exercise.check(getattr(exercise, which))
        if outcome.kind != kind:
            found.append(f"the {which} is {outcome!r}")
        space: dict = {}
        exec(setup, space)
        exec(exercise.source(which), space)
        outcome = exercise.check(space[exercise.answer])
        if outcome.kind != kind:
            found.append(f"the {which}, written in the lab, is {outcome!r}")
    return found


def lab_faults(exercise: Exercise, name: str, cells: list[str]) -> list[str]:
    """What is wrong with the place of an exercise, called `name`, in the lab: stub, then check."""
    stub, check = exercise.source("stub"), f"{name}.check({exercise.answer})"
    at = [index for index, cell in enumerate(cells) if cell.startswith(stub)]
    if len(at) != 1:
        return [f"the stub stands {len(at)} times in the lab"]
    rest = cells[at[0]].removeprefix(stub).strip()
    if rest not in ("", check):
        return [f"after the stub stands {rest!r}"]
    if rest != check and cells[at[0] + 1].strip() != check:
        return [f"no {check} follows the stub"]
    return []


def quiz_faults(quiz: Quiz) -> list[str]:
    """What is wrong with a quiz that its own dataclasses cannot see."""
    found = []
    if len(quiz.questions) < 5:
        found.append(f"{len(quiz.questions)} questions, fewer than five")
    reasons = Counter(option.reason for question in quiz.questions for option in question.options)
    found += [f"this reason stands {count} times: {reason}" for reason, count in reasons.items() if count > 1]
    places = Counter([option.right for option in question.options].index(True) for question in quiz.questions)
    if len(places) < 3 or places.most_common(1)[0][1] > len(quiz.questions) / 2:
        found.append(f"right options stand at places {dict(places)}: spread them")
    return found


def prediction_faults(predictions: tuple[Prediction, ...]) -> list[str]:
    """What is wrong with a chapter's predictions."""
    found = [] if len(predictions) >= 2 else [f"{len(predictions)} predictions, fewer than two"]
    for ask in predictions:
        stored = ask.reference()
        if not ask.low <= stored.low <= stored.median <= stored.high <= ask.high:
            found.append(f"{ask.name}: {stored.low} to {stored.high} is not inside the field, {ask.low} to {ask.high}")
        found += [f"{ask.name}: no {field}" for field in ("origin", "note") if not getattr(stored, field)]
    return found


def text_faults(texts: str) -> list[str]:
    """Words that are not meant for a reader."""
    return [f"{word} in a text" for word in ("TODO", "FIXME", "XXX", "\u2014") if word in texts]


def texts_of(chapter) -> str:
    """All that a chapter says."""
    questions = json.dumps([asdict(question) for question in chapter.QUIZ.questions], ensure_ascii=False)
    tasks = [text for e in chapter.EXERCISES for text in (e.title, e.task, *e.hints, *e.mistakes)]
    return "\n".join(
        [questions, *tasks, *(text for ask in chapter.PREDICTIONS for text in (ask.question, ask.explain))]
    )


@chapters
def test_exercises(name):
    chapter, labs = CHAPTERS[name], lab_cells(name)
    assert len(chapter.EXERCISES) >= 3
    found = {exercise.name: exercise_faults(exercise, setup_of(exercise, labs)) for exercise in chapter.EXERCISES}
    assert not {exercise: faults for exercise, faults in found.items() if faults}


@chapters
def test_exercises_stand_in_the_lab(name):
    chapter, cells = CHAPTERS[name], sum(lab_cells(name), [])
    names = {id(value): key for key, value in vars(chapter).items() if isinstance(value, Exercise)}
    found = {exercise.name: lab_faults(exercise, names[id(exercise)], cells) for exercise in chapter.EXERCISES}
    assert not {exercise: faults for exercise, faults in found.items() if faults}


@chapters
def test_predictions_come_before_what_they_predict(name):
    labs = lab_cells(name)
    for key, value in vars(CHAPTERS[name]).items():
        if isinstance(value, Prediction):
            asked = [(cells, at) for cells in labs for at, cell in enumerate(cells) if f"predict({key})" in cell]
            assert len(asked) == 1, f"predict({key}) stands in {len(asked)} cells"
            cells, first = asked[0]  # the measurement is in the same lab
            compared = [at for at, cell in enumerate(cells) if f"{key}.compare(" in cell]
            assert compared and min(compared) > first, f"{key}.compare(...) does not follow predict({key})"


@chapters
def test_quiz_predictions_and_texts(name):
    chapter = CHAPTERS[name]
    assert not quiz_faults(chapter.QUIZ)
    assert not prediction_faults(chapter.PREDICTIONS)
    assert not text_faults(texts_of(chapter))


def test_names_do_not_repeat_in_the_course():
    """The reader's browser and file keep answers by these names."""
    for kind in ("EXERCISES", "PREDICTIONS"):
        names = [item.name for chapter in CHAPTERS.values() for item in getattr(chapter, kind)]
        assert len(set(names)) == len(names), kind
    assert {name: chapter.QUIZ.name for name, chapter in CHAPTERS.items()} == {name: name for name in CHAPTERS}


# The rules themselves, on a small chapter and on what is wrong with it.

SETUP = "import math"


def _root_stub(x):
    return ...  # your code


def _root_solution(x):
    return math.sqrt(x)  # the lab's setup cell brings `math`


def _root_alternative(x):
    return x**0.5


def _root_half(x):
    return x / 2


def _root_square(x):
    return x * x


def _inspect_root(root):
    if root(9) == 4.5:
        raise Wrong("half", "9 gives 4.5, its half.")
    if root(9) == 81:
        raise Wrong("square", "9 gives 81, its square.")
    if root(9) != 3:
        raise Wrong("another number", "9 does not give 3.")
    return "3 times 3 is 9."


ROOTS = Exercise(
    name="roots",
    title="Roots",
    task="Write `root`.",
    answer="root",
    stub=_root_stub,
    solution=_root_solution,
    alternative=_root_alternative,
    mistakes={"half": _root_half, "square": _root_square},
    hints=("a", "b", "c"),
    inspect=_inspect_root,
)
CELLS = [SETUP, "def root(x):\n    return ...  # your code", "ROOTS.check(root)"]


def test_a_good_exercise_has_no_faults():
    assert not exercise_faults(ROOTS, SETUP)
    assert not exercise_faults(ROOTS, setup_of(ROOTS, [["import json"], CELLS]))  # it stands in the second lab
    assert not lab_faults(ROOTS, "ROOTS", CELLS)
    assert not lab_faults(ROOTS, "ROOTS", [SETUP, CELLS[1] + "\n\n\nROOTS.check(root)"])


def _always(outcome):
    def inspect(root):
        root(9)
        if isinstance(outcome, Wrong):
            raise outcome
        return outcome

    return inspect


@pytest.mark.parametrize(
    ("changes", "setup", "words"),
    [
        ({"stub": _root_half}, SETUP, "the stub is wrong"),
        ({"solution": _root_half}, SETUP, "the solution is Wrong: half"),
        ({"alternative": _root_square}, SETUP, "the alternative, written in the lab, is Wrong: square"),
        ({"alternative": _root_solution}, SETUP, "the alternative is the solution"),
        ({"mistakes": {"half": _root_square, "square": _root_square}}, SETUP, "the mistake 'half' is Wrong: square"),
        ({"mistakes": {"half": _root_half, "none": _root_solution}}, SETUP, "the mistake 'none' is Right"),
        ({"inspect": _always("Fine.")}, SETUP, "the mistake 'half' is Right. Fine."),
        ({"inspect": _always(Wrong("half", "No."))}, SETUP, "two mistakes have the same message"),
        ({}, "", "the solution, written in the lab, is Wrong: an exception. It raised `NameError: name 'math'"),
    ],
)
def test_a_bad_exercise_is_caught(changes, setup, words):
    assert words in "\n".join(exercise_faults(replace(ROOTS, **changes), setup))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (CELLS[:1], "the stub stands 0 times"),
        ([*CELLS, CELLS[1]], "the stub stands 2 times"),
        ([SETUP, CELLS[1].replace("...", "x"), CELLS[2]], "the stub stands 0 times"),
        ([SETUP, CELLS[1], "root(9)"], "no ROOTS.check(root) follows"),
        ([SETUP, CELLS[1] + "\nroot(9)", CELLS[2]], "after the stub stands 'root(9)'"),
    ],
)
def test_a_lab_without_stub_and_check_is_caught(cells, words):
    assert words in "\n".join(lab_faults(ROOTS, "ROOTS", cells))


def quiz(places: tuple[int, ...], reason: str = "") -> Quiz:
    return Quiz(
        name="q",
        questions=tuple(
            Question(
                text=f"{n}?",
                options=tuple(
                    Option(text=f"{i}", reason=(i == 0 and reason) or f"reason {n} {i}", right=i == place)
                    for i in range(4)
                ),
            )
            for n, place in enumerate(places)
        ),
    )


def test_a_bad_quiz_is_caught():
    assert not quiz_faults(quiz((0, 1, 2, 1, 3)))
    assert "fewer than five" in quiz_faults(quiz((0, 1, 2)))[0]
    assert "spread them" in quiz_faults(quiz((1, 1, 0, 1, 2)))[0]
    assert "spread them" in quiz_faults(quiz((1, 0, 0, 1, 1)))[0]
    assert "stands 5 times: because" in quiz_faults(quiz((0, 1, 2, 1, 3), reason="because"))[0]


def test_a_bad_prediction_is_caught():
    stored = Measured(median=5.4, low=5.1, high=5.9, origin="o", note="n")
    ask = Prediction(
        name="p", question="?", unit="", low=1, high=20, step=0.5, reference=lambda: stored, explain="Because."
    )
    assert not prediction_faults((ask, ask))
    assert "fewer than two" in prediction_faults((ask,))[0]
    assert "not inside the field" in prediction_faults((ask, replace(ask, high=5.5)))[0]
    assert "no note" in prediction_faults((ask, replace(ask, reference=lambda: replace(stored, note=""))))[0]


def test_words_that_are_not_for_readers_are_caught():
    chapter = SimpleNamespace(QUIZ=quiz((0,)), EXERCISES=(replace(ROOTS, task="TODO: write"),), PREDICTIONS=())
    assert text_faults(texts_of(chapter)) == ["TODO in a text"]
    chapter.EXERCISES = (ROOTS,)
    assert not text_faults(texts_of(chapter))
