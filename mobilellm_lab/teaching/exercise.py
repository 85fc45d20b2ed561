"""An exercise: a task, a stub, three hints, a folded solution, and a check that names the mistake.

Every answer is a function. Its stub returns `...`, which means "not attempted". The functions of an exercise are
module-level `def`s without annotations of their results: under pytest annotations are checked, and `...` is no float.
"""

import inspect
import linecache
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps

from mobilellm_lab.teaching import html

NOT_ATTEMPTED, WRONG, RIGHT = KINDS = ("not attempted", "wrong", "right")


class Wrong(Exception):
    """Raised by an inspection: the answer shows a known misconception.

    Args:
        misconception: its short name, as in `Exercise.mistakes`.
        explanation: one or two sentences for the learner.
    """

    def __init__(self, misconception: str, explanation: str):
        super().__init__(f"{misconception}: {explanation}")
        self.misconception, self.explanation = misconception, explanation


class _NotAttempted(Exception):
    """The learner's function still gives `...`."""


class _Raised(Exception):
    """The learner's function raised what is in `__cause__`."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a check says. Shown as text or as a box; nothing is raised."""

    kind: str  # "not attempted", "wrong" or "right"
    misconception: str = ""  # short name of the mistake, "" unless wrong
    message: str  # one or two sentences for the learner

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r}: choose one of {', '.join(KINDS)}")
        if bool(self.misconception) != (self.kind == WRONG):
            raise ValueError(
                f"misconception={self.misconception!r} with kind={self.kind!r}: only a wrong answer has one"
            )
        if not self.message:
            raise ValueError("message='': say what the learner should know now")

    def __repr__(self) -> str:
        title = f"{self.kind.capitalize()}: {self.misconception}" if self.misconception else self.kind.capitalize()
        return f"{title}. {self.message}"

    def _repr_html_(self) -> str:
        return html.outcome(self.kind, self.misconception, self.message)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One task for the learner, with everything that shows that its check can be trusted."""

    name: str  # "leak"; names do not repeat in the course
    title: str  # "Catch the block that cheats"
    task: str  # what to write; `code`, *em*, **strong**, a blank line starts a new paragraph
    answer: str  # name of the function that the learner writes
    stub: Callable  # what stands in the lab, under the answer's name
    solution: Callable  # right
    alternative: Callable  # right too, in another form
    mistakes: Mapping[str, Callable]  # misconception -> a function that has it
    hints: tuple[str, ...]  # three, from a nudge to nearly the answer
    inspect: Callable[[Callable], str]  # calls the learner's function; raises Wrong, or returns what was learned

    def __post_init__(self):
        if not self.task.strip():
            raise ValueError(f"task='' in exercise {self.name!r}: say what to write")
        if not self.answer.isidentifier():
            raise ValueError(f"answer={self.answer!r} in exercise {self.name!r}: give the name of a function")
        if len(self.mistakes) < 2:
            raise ValueError(f"{len(self.mistakes)} mistakes in exercise {self.name!r}: name at least two")
        if len(self.hints) != 3 or not all(hint.strip() for hint in self.hints):
            raise ValueError(f"{len(self.hints)} hints in exercise {self.name!r}: give three, none of them empty")

    def source(self, which: str) -> str:
        """Source text of the "stub", the "solution" or the "alternative", with the function renamed to `answer`.

        Raises:
            ValueError: another word.
        """
        if which not in ("stub", "solution", "alternative"):
            raise ValueError(f"which={which!r}: choose stub, solution or alternative")
        function = getattr(self, which)
        text = textwrap.dedent(inspect.getsource(function)).rstrip()
        return re.sub(rf"\b{re.escape(function.__name__)}\b", self.answer, text)

    def check(self, answer: object) -> Outcome:
        """What the learner's function shows. Never raises: an exception of the answer is a wrong answer, shown."""
        if answer is ...:
            return self._not_attempted()
        if not callable(answer):
            return Outcome(
                kind=WRONG,
                misconception="not a function",
                message=f"`check` takes the function itself: write `check({self.answer})`, without calling it. "
                f"It got {_article(type(answer).__name__)}.",
            )
        try:
            return Outcome(kind=RIGHT, message=self.inspect(_guarded(answer)))
        except _NotAttempted:
            return self._not_attempted()
        except Wrong as wrong:
            return Outcome(kind=WRONG, misconception=wrong.misconception, message=wrong.explanation)
        except _Raised as raised:
            error = raised.__cause__
            message = f"It raised `{_first_line(error)}`{_place(error, answer)}."
            return Outcome(kind=WRONG, misconception="an exception", message=message)
        except Exception as error:  # a result that the inspection cannot compute with
            message = f"The check cannot use what `{self.answer}` returns: `{_first_line(error)}`."
            return Outcome(kind=WRONG, misconception="not a usable result", message=message)

    def _not_attempted(self) -> Outcome:
        message = f"`{self.answer}` still gives `...`. Write your code in its place, then run the check again."
        return Outcome(kind=NOT_ATTEMPTED, message=message)

    def __repr__(self) -> str:
        return f"Exercise: {self.title}\n{self.task}\n\n{self.source('stub')}"

    def _repr_html_(self) -> str:
        return html.exercise(
            title=self.title,
            task=self.task,
            stub=self.source("stub"),
            hints=self.hints,
            solution=self.source("solution"),
            alternative=self.source("alternative"),
        )


def _guarded(answer: Callable) -> Callable:
    """The learner's function; it says when it was not attempted, and its exceptions can be told from the check's."""

    @wraps(answer, assigned=("__name__", "__doc__"), updated=())
    def call(*arguments, **named):
        try:
            result = answer(*arguments, **named)
        except Exception as error:  # the learner's own code may raise anything
            if "'ellipsis'" in str(error):  # it computed with a `...` that is still there
                raise _NotAttempted from error
            raise _Raised from error
        if _holds_ellipsis(result):
            raise _NotAttempted
        return result

    return call


def _holds_ellipsis(value: object) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return value is ... or (isinstance(value, (list, tuple)) and any(_holds_ellipsis(item) for item in value))


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0].rstrip(".:")


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} `{noun}`"


def _place(error: BaseException, answer: Callable) -> str:
    """ " in line 3 of `leak`: `return 1 / 0`", the last place in the learner's own file or cell; "" if not there."""
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == file:
            line = linecache.getline(file, trace.tb_lineno).strip()
            place = f" in line {trace.tb_lineno - code.co_firstlineno + 1} of `{code.co_name}`" + (
                f": `{line}`" if line else ""
            )
        trace = trace.tb_next
    return place
