"""Claims as HTML cards: what was said, the verdict as word, shape and colour, what was found, when it would flip."""

from collections.abc import Sequence
from html import escape

from mobilellm_lab.teaching.html import inline, paragraphs

# Drawn in a box of 16 x 16; the colours are Okabe and Ito's, at least 3 to 1 against white and against dark pages.
_MARKS = {
    "holds": ("#009e73", '<circle cx="8" cy="8" r="8" fill="{c}" stroke="none"/><path d="M4.4 8.3 7 11l4.8-6"/>'),
    "holds when": (
        "#0072b2",
        '<circle cx="8" cy="8" r="6.5" fill="none" stroke="{c}"/><path d="M8 1.5a6.5 6.5 0 0 1 0 13z" fill="{c}" '
        'stroke="none"/>',
    ),
    "does not hold": (
        "#d55e00",
        '<rect width="16" height="16" rx="2" fill="{c}" stroke="none"/><path d="m4.5 4.5 7 7m0-7-7 7"/>',
    ),
    "only quoted": (
        "#8a8a8a",
        '<path d="M3 4h4v4.5L4.5 12H3l1-3.500H3zm6 0h4v4.500L10.500 12H9l1-3.500H9z" fill="{c}" stroke="none"/>',
    ),
}

CSS = """<style>
.lab-claims { font: 15px/1.5 system-ui, sans-serif; max-width: 46rem; }
.lab-claims > ul { list-style: none; margin: 0; padding: 0; }
.lab-claims > ul > li { margin: 0 0 14px; padding: 8px 14px 10px; border-left: 5px solid var(--lab-mark);
  background: color-mix(in srgb, currentColor 5%, transparent); overflow-wrap: anywhere; }
.lab-claims p { margin: 4px 0; }
.lab-claims .lab-said { font-weight: 600; }
.lab-claims .lab-badge svg { width: 16px; height: 16px; vertical-align: -2px; margin-right: 6px; }
.lab-claims .lab-badge b { text-transform: uppercase; letter-spacing: 0.03em; font-size: 14px; }
.lab-claims details { font-size: 13px; margin: 4px 0; }
.lab-claims summary { cursor: pointer; }
.lab-claims small { font-size: 13px; font-weight: 400; opacity: 0.85; }
.lab-claims code { font-size: 12.5px; background: none; border: 0; padding: 0; color: inherit; }
</style>"""


def card(
    *,
    name: str,
    said: str,
    source: str,
    verdict: str,
    condition: str,
    heading: str,
    finding: str,
    flips: str,
    ground: str,
    rule: str,
) -> str:
    """HTML of one claim as an item of a list; texts may hold the inline markup of `teaching.inline`."""
    color, shape = _MARKS[verdict]
    mark = (
        '<svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="#fff" stroke-width="2">'
        f"{shape.format(c=color)}</svg>"
    )
    folded = f"<details><summary>The rule behind the verdict</summary>{paragraphs(rule)}</details>" if rule else ""
    return (
        f'<li id="claim-{escape(name)}" style="--lab-mark: {color}">'
        f'<p class="lab-said">{inline(said)} <small>({escape(source)})</small></p>'
        f'<p class="lab-badge">{mark}<b>{escape(verdict)}</b> {inline(condition)}</p>'
        f"<p><strong>{escape(heading)}:</strong> {inline(finding)}</p>"
        f"<p><strong>It would flip:</strong> {inline(flips)}</p>"
        f"{folded}<p><small>{inline(ground)}</small></p></li>"
    )


def cards(items: Sequence[str], origins: Sequence[str]) -> str:
    """HTML of a list of `card`s, and below it one line for each origin of their data."""
    lines = "".join(f"<p><small>{inline(line)}</small></p>" for line in origins)
    return f'{CSS}<div class="lab-claims"><ul role="list">{"".join(items)}</ul>{lines}</div>'
