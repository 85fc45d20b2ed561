"""Results of runs as HTML: a strip of numbers for the newest, a table of all, and text that a model gives"""

import re
from collections.abc import Iterable, Sequence
from html import escape

CSS = """<style>
.lab-tiles { display: flex; flex-wrap: wrap; gap: 6px 10px; font: 14px/1.35 system-ui, sans-serif; margin: 6px 0; }
.lab-tiles > div { flex: 0 1 auto; min-width: 6.2rem; border-left: 3px solid #0072b2; padding: 1px 8px; }
.lab-tiles b { display: block; font-size: 17px; font-variant-numeric: tabular-nums; }
.lab-tiles span { opacity: 0.8; font-size: 12px; display: block; }
.lab-pair { display: flex; flex-wrap: wrap; gap: 8px 24px; }
.lab-pair > div { flex: 1 1 300px; min-width: 0; max-width: 560px; }
pre.lab-says { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow: auto; max-height: 21em;
  margin: 0; padding: 6px 10px !important;
  border: 1px solid color-mix(in srgb, currentColor 25%, transparent) !important;
  background: none; color: inherit; }
.lab-heading { font: 600 14px/1.3 system-ui, sans-serif; margin: 8px 0 4px; }
.lab-scroll { overflow-x: auto; }
.lab-table { border-collapse: collapse; font: 13px/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.lab-table th, .lab-table td { padding: 3px 10px; text-align: right; white-space: nowrap; color: inherit;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
.lab-table th { white-space: normal; vertical-align: bottom; }
.lab-table .words { text-align: left; white-space: normal; min-width: 11rem; }
.lab-table .newest { font-weight: 600; }
</style>"""


def code(text: str) -> str:
    """HTML of plain text, with `code` between backquotes; its long words are `breakable`."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", breakable(escape(text)))


def breakable(escaped: str) -> str:
    """Text without tags whose words from 16 letters on, such as paths, may break after a dot, a slash or a low line."""
    inside = re.compile(r"(?<=\w)[./_](?=[^\W\d])")  # and not in a number
    return re.sub(r"\S{16,}", lambda word: inside.sub(r"\g<0><wbr>", word[0]), escaped)


def tiles(numbers: Iterable[tuple[str, str, str]]) -> str:
    """HTML of (name, value, note) as a strip that wraps."""
    cells = (
        f"<div><span>{escape(n)}</span><b>{escape(v)}</b><span>{escape(note)}</span></div>" for n, v, note in numbers
    )
    return f'<div class="lab-tiles">{"".join(cells)}</div>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """HTML of rows with the newest first and in bold; the first `words` columns are text."""

    def line(cells: Sequence[str], tag: str, attributes: str = "") -> str:
        kinds = [' class="words"' if i < words else "" for i in range(len(cells))]
        inside = (f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        return f"<tr{attributes}>{''.join(inside)}</tr>"

    body = "".join(line(row, "td", ' class="newest"' if i == 0 else "") for i, row in enumerate(rows))
    head = line(columns, "th")
    scroll = '<div class="lab-scroll" role="region" aria-label="Table of runs" tabindex="0">'  # arrow keys scroll it
    return f'{scroll}<table class="lab-table"><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def session(columns: Sequence[str], runs: Sequence[Sequence[str]], *, above: str = "") -> str:
    """HTML of a session's runs, given from the first on: numbered, the newest on top; "" where there are none yet."""
    if not runs:
        return ""
    rows = [(f"{number}. {name}", *rest) for number, (name, *rest) in enumerate(runs, 1)]
    return f'<div class="lab-heading">This session</div>{above}{table(columns, rows[::-1])}'


def says(heading: str, text: str) -> str:
    """HTML of text that a model gives, as it is."""
    return f'<div class="lab-heading">{escape(heading)}</div><pre class="lab-says" tabindex="0">{escape(text)}</pre>'


def pair(left: str, right: str) -> str:
    """HTML of two pieces side by side, or one below the other where it is narrow."""
    return f'<div class="lab-pair"><div>{left}</div><div>{right}</div></div>'


def short(number: int | float) -> str:
    """Three digits and the SI letter: 125 k, 1.2 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size * 0.9995:
            return f"{_three_digits(number / size)}{letter}"
    return _three_digits(number)


def digits(number: int | float) -> str:
    """Three digits, or all of a whole number with separators: 0.0123, 4.57, 1,234."""
    return f"{number:,.0f}" if number >= 99.95 else f"{number:.3g}"


def _three_digits(number: int | float) -> str:
    return f"{number:.0f}" if number >= 99.95 else f"{number:.3g}"
