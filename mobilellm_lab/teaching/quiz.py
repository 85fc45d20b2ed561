"""A quiz: questions of three to five options, each option with its reason; it needs no kernel."""

import hashlib
import json
from dataclasses import asdict, dataclass

from mobilellm_lab.teaching import html


@dataclass(frozen=True, kw_only=True)
class Option:
    """One answer to choose."""

    text: str  # `code`, *em*, **strong**
    reason: str  # why it is right, or what is wrong with it
    right: bool = False

    def __post_init__(self):
        for field in ("text", "reason"):
            if not getattr(self, field).strip():
                raise ValueError(f"{field}='' in option {self.text!r}: every option has a text and a reason")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question with exactly one right option."""

    text: str
    options: tuple[Option, ...]  # shown in this order

    def __post_init__(self):
        if not self.text.strip():
            raise ValueError("text='': ask something")
        if not 3 <= len(self.options) <= 5:
            raise ValueError(f"{len(self.options)} options in {self.text!r}: give three to five")
        if sum(option.right for option in self.options) != 1:
            raise ValueError(f"{sum(o.right for o in self.options)} right options in {self.text!r}: mark exactly one")
        for field in ("text", "reason"):
            if len({getattr(option, field) for option in self.options}) < len(self.options):
                raise ValueError(f"a {field} stands twice in {self.text!r}: options differ in text and reason")


@dataclass(frozen=True, kw_only=True)
class Quiz:
    """The questions of a chapter. Shown in JupyterLab and on a page alike; the reader's browser keeps the answers."""

    name: str  # of the chapter: "deep_narrow"; names do not repeat in the course
    questions: tuple[Question, ...]

    def __post_init__(self):
        if not self.questions:
            raise ValueError(f"no questions in quiz {self.name!r}: ask at least one")

    @property
    def version(self) -> str:
        """Eight hex digits that change with any text, so that kept answers never meet another question."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        lines = [f"Quiz: {len(self.questions)} questions"]
        for number, question in enumerate(self.questions, 1):
            lines += [f"{number}. {question.text}", *(f"   - {option.text}" for option in question.options)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        questions = [(q.text, [(o.text, o.reason, o.right) for o in q.options]) for q in self.questions]
        return html.quiz(self.name, self.version, questions)
