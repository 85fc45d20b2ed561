"""Exercises, outcomes, quizzes, predictions and beliefs as HTML: the same in JupyterLab and on a page, with no kernel.

Every fragment brings its style and its script, and may stand on a page any number of times: nothing has an id.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from types import MappingProxyType

from mobilellm_lab.charts.report import breakable

Number = int | float
Rows = Sequence[tuple[str, str, str]]  # which, value, remark

OWN_KEYS = "data-lm-suppress-shortcuts"  # on what takes keys, or JupyterLab takes them for its shortcuts
LABELS = {"yours": "Your prediction", "here": "Measured here", "stored": "Measured before"}  # which

ENDS = ("Low", "High")
DECADES = 2  # that the two ends of an axis are apart from which on it is logarithmic
ROOM = 0.12  # of an axis, on either side of a label
INTERVAL = "Your 80 % interval: the measurement should lie in it 8 times out of 10."

MARKS = {"right": "✓", "wrong": "✗", "not attempted": "…"}  # shape, word and colour: no difference rests on one alone


def inline(text: str) -> str:
    """HTML of one paragraph: escaped, then `code`, *em* and **strong**; long words are `breakable`."""
    codes: list[str] = []

    def keep(match: re.Match) -> str:
        codes.append(f"<code>{breakable(escape(match[1], quote=False))}</code>")
        return f"\0{len(codes) - 1}\0"

    text = breakable(escape(re.sub(r"`([^`]+)`", keep, " ".join(text.split())), quote=False))
    text = re.sub(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"(?<![\w*])\*(?=\S)([^*]+?)(?<=\S)\*(?![\w*])", r"<em>\1</em>", text)
    return re.sub("\0(\\d+)\0", lambda match: codes[int(match[1])], text)


def paragraphs(text: str) -> str:
    """HTML of paragraphs, which a blank line separates."""
    return "".join(f"<p>{inline(part)}</p>" for part in re.split(r"\n\s*\n", text.strip()))


def outcome(kind: str, misconception: str, message: str) -> str:
    """HTML of what a check says: "right", "wrong" or "not attempted"."""
    name = f": {inline(misconception)}" if misconception else ""
    return (
        f'<div class="lab-teach lab-outcome" data-kind="{escape(kind)}" role="status">{_style()}'
        f'<p class="lab-verdict"><span class="lab-mark" aria-hidden="true">{MARKS[kind]}</span> '
        f"<strong>{escape(kind.capitalize())}{name}</strong></p>{paragraphs(message)}</div>"
    )


def exercise(*, title: str, task: str, stub: str, hints: Sequence[str], solution: str, alternative: str) -> str:
    """HTML of an exercise: its task and stub, and folded below them three hints and two solutions."""
    hinted = "".join(_folded(f"Hint {number}", paragraphs(hint)) for number, hint in enumerate(hints, 1))
    solutions = f"{_code(solution, 'Solution')}<p>Another way to write it:</p>{_code(alternative, 'Other solution')}"
    folds = f'<div class="lab-folds">{hinted}{_folded("Solution", solutions)}</div>'
    inside = f"{paragraphs(task)}{_code(stub, 'Stub')}{folds}"
    return _card("exercise", f"Exercise: {_plain(title)}", _heading("Exercise", title), inside)


def quiz(name: str, version: str, questions: Sequence[tuple[str, Sequence[tuple[str, str, bool]]]]) -> str:
    """HTML of questions with their options (text, reason, whether right); `version` names these texts."""
    sets = []
    for number, (text, options) in enumerate(questions):
        rows = []
        for index, (option, reason, right) in enumerate(options):
            word = "Right." if right else "Not right."
            rows.append(
                f'<div class="lab-option"><label><input {OWN_KEYS} type="radio" name="question{number}" value="{index}"'
                f"{' data-right' * right}><span>{inline(option)}</span></label>"
                f"{_folded('Reason', f'<p><strong>{word}</strong> {inline(reason)}</p>')}</div>"
            )
        sets.append(
            f"<fieldset><legend>{number + 1}. {inline(text)}</legend>{''.join(rows)}"
            '<div class="lab-reason" role="status"></div></fieldset>'
        )
    foot = (
        '<div class="lab-foot"><span class="lab-score" role="status"></span> '
        f'<button {OWN_KEYS} type="button" hidden>Start again</button></div>'
    )
    inside = f"<form>{''.join(sets)}{foot}</form>{_script()}"
    return _card("quiz", "Quiz", _heading("Quiz", ""), inside, {"quiz": name, "version": version})


def beliefs(name: str, texts: Sequence[tuple[str, str]]) -> str:
    """HTML of sentences (key, text) to tick before a lab."""
    boxes = "".join(
        f'<li class="lab-option"><label><input {OWN_KEYS} type="checkbox" value="{escape(key)}">'
        f"<span>{inline(text)}</span></label></li>"
        for key, text in texts
    )
    title = "Which of these do you believe?"
    inside = f'<ul role="list">{boxes}</ul>{_script()}'
    return _card("beliefs", "Beliefs", _heading("Before you start", title), inside, {"beliefs": name})


def judgement(name: str, rows: Sequence[tuple[str, str, bool, str, int]]) -> str:
    """HTML of the same sentences (key, text, whether it holds, what was found, section) after a run.

    A script marks those that the reader had ticked, and counts how many of them are wrong.
    """
    items = []
    for key, text, holds, found, section in rows:
        kind, word = ("right", "Holds here") if holds else ("wrong", "Wrong here")
        items.append(
            f'<li data-kind="{kind}" data-belief="{escape(key)}"><p class="lab-verdict"><span class="lab-mark" '
            f'aria-hidden="true">{MARKS[kind]}</span> <strong>{word}</strong> <span class="lab-ticked" hidden>you '
            f"believed it</span></p><p><em>{inline(text)}</em></p><p>{inline(found)} "
            f"<small>(section {section})</small></p></li>"
        )
    inside = f'<p class="lab-score" role="status"></p><ul role="list">{"".join(items)}</ul>{_script()}'
    title = "Which of your beliefs was wrong?"
    return _card("judgement", "Beliefs after the run", _heading("After the run", title), inside, {"beliefs": name})


def question(text: str) -> str:
    """HTML of a prediction's question alone, for the controls that a lab puts below it."""
    return f"{_style()}{_heading('Predict first', text)}"


def prediction(
    *,
    name: str,
    question: str,
    unit: str,
    range_words: str,
    field: tuple[Number, Number, Number],
    digits: int,
    spread: tuple[Number, Number, Number],
    rows: Rows,
    explain: str,
    origin: str,
) -> str:
    """HTML of a question with two number fields of (low, high, step); committing or skipping shows the measurement.

    With a script, what follows in the same section of the page is covered until then.
    """
    low, high, step = field
    ends = "".join(
        f'<label>{end} <input {OWN_KEYS} type="number" inputmode="decimal" min="{low}" max="{high}" step="{step}">'
        "</label>"
        for end in ENDS
    )
    inside = (
        f'<form novalidate hidden><p>{INTERVAL} <small class="lab-range">{escape(range_words)}</small></p>'
        f'<div class="lab-ask" role="group" aria-label="Your 80 % interval">{ends}<span>{escape(unit)}</span>'
        f'<button {OWN_KEYS} type="submit" disabled>Commit</button>'
        f'<button {OWN_KEYS} type="button" class="lab-skip">Skip</button></div>'
        '<p class="lab-problem" role="alert"></p><p><small>The rest of this section shows the answer: it opens when '
        "you commit or skip.</small></p></form>"
        f'<details class="lab-measured"><summary {OWN_KEYS}>Show the measurement</summary>'
        f'<div class="lab-panel" tabindex="-1">{_rows([("yours", "", ""), *rows])}'
        f"{_strip(field[:2], spread, None, None)}{paragraphs(explain)}"
        f'<p class="lab-record"></p><p class="lab-origin">{inline(origin)}</p></div></details>'
        f'<button {OWN_KEYS} type="button" class="lab-again" hidden>Predict again</button>{_script()}'
    )
    data = _prediction_data(name, unit, digits, (low, high), spread[1])
    return _card("prediction", "Prediction", _heading("Predict first", question), inside, data)


def comparison(
    *,
    name: str,
    question: str,
    unit: str,
    field: tuple[Number, Number],
    digits: int,
    spread: tuple[Number, Number, Number],
    rows: Rows,
    marks: tuple[tuple[Number, Number] | None, Number],
    explain: str,
    record: str,
    origin: str,
) -> str:
    """HTML of a prediction beside what was measured here and before; `marks` are the interval and the new value.

    Where no prediction is given, a reader's own is filled in who committed one on this page.
    """
    yours, here = marks
    none = '<p class="lab-none">No prediction committed.</p>' if yours is None else ""
    strip = _strip(field, spread, yours, here)
    inside = (
        f'{none}{_rows(rows)}{strip}{paragraphs(explain)}<p class="lab-record">{escape(record)}</p>'
        f'<p class="lab-origin">{inline(origin)}</p>{_script()}'
    )
    data = _prediction_data(name, unit, digits, field, spread[1])
    return _card("comparison", "Prediction and measurement", _heading("Predicted and measured", question), inside, data)


def _prediction_data(
    name: str, unit: str, digits: int, field: tuple[Number, Number], median: Number
) -> dict[str, object]:
    axis = "logarithmic" if _logarithmic(field) else "linear"
    ends = {"low": field[0], "high": field[1], "axis": axis}
    return {"prediction": name, "unit": unit, "digits": digits, **ends, "median": median}


def _heading(kicker: str, title: str) -> str:
    return f'<p class="lab-kicker">{kicker}</p><p class="lab-title">{inline(title)}</p>'


def _card(kind: str, label: str, heading: str, inside: str, data: Mapping[str, object] = MappingProxyType({})) -> str:
    """HTML of a framed piece; `data` are its data attributes."""
    attributes = "".join(f' data-{key}="{escape(str(value))}"' for key, value in data.items())
    return (
        f'<div role="group" class="lab-teach lab-{kind}" aria-label="{escape(label)}"{attributes}>'
        f"{_style()}{heading}{inside}</div>"
    )


def _rows(rows: Rows) -> str:
    """HTML of rows, one below the other; one without a value waits for it."""
    lines = (
        f'<div class="lab-row-{which}"{" hidden" * (not value)}><dt>{LABELS[which]}</dt>'
        f"<dd><strong>{escape(value)}</strong> <span>{inline(remark)}</span></dd></div>"
        for which, value, remark in rows
    )
    return f'<dl class="lab-rows">{"".join(lines)}</dl>'


def _logarithmic(field: tuple[Number, Number]) -> bool:
    low, high = field
    return low > 0 and high / low >= 10**DECADES


def _place(field: tuple[Number, Number], value: Number) -> float:
    """Where a value lies between the two ends, from 0 to 1; what lies beyond an end is put there."""
    low, high = field
    value = min(high, max(low, value))
    return math.log(value / low) / math.log(high / low) if _logarithmic(field) else (value - low) / (high - low)


def _ticks(field: tuple[Number, Number]) -> str:
    """HTML of the powers of ten on a logarithmic axis, where they do not touch its ends; a linear one has none."""
    if not _logarithmic(field):
        return ""
    powers = range(math.ceil(math.log10(field[0])), math.floor(math.log10(field[1])) + 1)
    at = {10.0**power: _place(field, 10.0**power) for power in powers}
    inside = {value: place for value, place in at.items() if ROOM <= place <= 1 - ROOM}
    return "".join(f'<b style="left:{100 * place:.2f}%">{value:g}</b>' for value, place in inside.items())


def _strip(
    field: tuple[Number, Number],
    spread: tuple[Number, Number, Number],
    yours: tuple[Number, Number] | None,
    here: Number | None,
) -> str:
    """HTML of a line from `low` to `high` with the measured spread as a band; it repeats the rows for the eye."""

    def place(value: Number) -> str:
        return f"{100 * _place(field, value):.2f}%"

    def between(start: Number, end: Number) -> str:
        return f'style="left:{place(start)};right:calc(100% - {place(end)})"'

    start, median, end = spread
    drawn = f'<i class="lab-yours" {"hidden" if yours is None else between(*yours)}></i>'
    if here is not None:
        drawn += f'<i class="lab-here" style="left:{place(here)}"></i>'
    return (
        f'<div class="lab-strip" aria-hidden="true"><i class="lab-band" {between(start, end)}></i>'
        f'<i class="lab-median" style="left:{place(median)}"></i>{drawn}'
        f"<span>{field[0]:g}</span>{_ticks(field)}<span>{field[1]:g}</span></div>"
    )


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary {OWN_KEYS}>{escape(summary)}</summary>{inside}</details>"


def _code(text: str, label: str) -> str:
    attributes = f'{OWN_KEYS} tabindex="0" role="group" aria-label="{escape(label)}"'
    return f"<pre {attributes}><code>{escape(text, quote=False)}</code></pre>"


def _plain(text: str) -> str:
    return re.sub("[`*]", "", text)


@cache
def _style() -> str:
    return f"<style>{Path(__file__).with_suffix('.css').read_text(encoding='utf-8')}</style>"


@cache
def _script() -> str:
    return f"<script>{Path(__file__).with_suffix('.js').read_text(encoding='utf-8')}</script>"
