"""A quiz: questions of three to five options, each option with its reason; a Markdown file holds it."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

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


# A quiz file: `# title`; for each question `## label`, its text, and a list of options, each with its reason as a
# second paragraph. Title and label are for whoever edits the file.
KINDS = {"# ": "title", "## ": "label", "": "text", "- [ ] ": "option", "- [x] ": "option", "  ": "reason"}
NEXT = {  # what stands before -> what may follow, and what to write
    "start": (("title",), "begin with `# title`"),
    "title": (("label",), "start a question with `## label`"),
    "label": (("text",), "ask the question in a paragraph below its label"),
    "text": (("option",), "give an option, `- [ ] answer`, or `- [x] answer` if it is right"),
    "option": (("reason",), "give its reason: a paragraph of its own, indented by two spaces"),
    "reason": (("option", "label", "end"), "give another option, `- [ ] answer`, or start a question with `## label`"),
}


def read_quiz(path: Path, *, name: str) -> Quiz:
    """The quiz in a Markdown file, of the chapter with this name.

    Raises:
        ValueError: something stands where it may not, or a question is not as it has to be; names file and line.
    """
    before, asked = "start", []  # questions: (line, text, options)
    for line, mark, text in _parts(path.read_text(encoding="utf-8")):
        kind = KINDS.get(mark, mark)
        allowed, remedy = NEXT[before]
        if kind not in allowed:
            raise ValueError(f"{path}, line {line}: {(mark + text).strip()!r} cannot follow the {before}; {remedy}")
        if kind == "text":
            asked.append((line, text, []))
        elif kind == "option":
            asked[-1][2].append({"text": text, "right": mark == "- [x] "})
        elif kind == "reason":
            asked[-1][2][-1]["reason"] = text
        before = kind
    return Quiz(name=name, questions=tuple(_question(path, *question) for question in asked))


def _parts(source: str) -> list[tuple[int, str, str]]:
    """(line, mark, text) of each heading, option and paragraph, its lines joined; at last the mark "end"."""
    parts, open_ = [], False
    lines = source.splitlines()
    for line, content in enumerate(lines, 1):
        mark, text = re.fullmatch(r"(\s*(?:#+|[-*+](?: \[.\])?) |\s*)(.*?)\s*", content).groups()
        if open_ and text and not mark.strip():
            parts[-1] = (*parts[-1][:2], f"{parts[-1][2]} {text}")
        elif text:
            parts.append((line, mark, text))
        open_ = bool(text) and "#" not in mark  # a heading has one line
    return [*parts, (max(1, len(lines)), "end", "")]


def _question(path: Path, line: int, text: str, options: list[dict]) -> Question:
    try:
        return Question(text=text, options=tuple(Option(**option) for option in options))
    except ValueError as error:
        raise ValueError(f"{path}, line {line}: {error}") from error
