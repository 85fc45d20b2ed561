"""Claims as an HTML table: claim, verdict by word, shape and colour, finding, and the evidence behind each row"""

from collections.abc import Mapping, Sequence
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
    "not distinguishable": (
        "#cc79a7",
        '<g stroke="{c}"><circle cx="5.5" cy="8" r="4.5"/><circle cx="10.5" cy="8" r="4.5"/></g>',
    ),
    "only quoted": (
        "#8a8a8a",
        '<path d="M3 4h4v4.5L4.5 12H3l1-3.500H3zm6 0h4v4.500L10.500 12H9l1-3.500H9z" fill="{c}" stroke="none"/>',
    ),
}

# The id stands inside what is folded: a browser opens what an address with #claim-NAME points into, without a script.
CSS = """<style>
.lab-claims { font: 15px/1.45 system-ui, sans-serif; max-width: 52rem; overflow-wrap: anywhere;
  --lab-line: color-mix(in srgb, currentColor 24%, transparent); }
.lab-claims ul { list-style: none; margin: 0 0 1em; padding: 0; }
.lab-claims li { margin: 0; border-top: 1px solid var(--lab-line); border-left: 5px solid var(--lab-mark); }
.lab-claims li:last-child { border-bottom: 1px solid var(--lab-line); }
.lab-claims p { margin: 4px 0; }
.lab-claims .lab-heads { font-weight: 600; padding: 4px 10px 4px 33px; }
.lab-claims .lab-heads, .lab-claims li > details > summary { display: grid; gap: 2px 14px;
  grid-template-columns: 5fr 10.2rem 5fr; }
.lab-claims summary { cursor: pointer; }
.lab-claims li > details > summary { position: relative; padding: 7px 10px 7px 28px; list-style: none; }
.lab-claims li > details > summary::-webkit-details-marker { display: none; }
.lab-claims li > details > summary::before { position: absolute; top: 7px; left: 10px; content: "▸" / ""; }
.lab-claims li > details[open] > summary::before { content: "▾" / ""; }
.lab-claims li > details > summary:hover, .lab-claims li > details[open] > summary {
  background: color-mix(in srgb, currentColor 6%, transparent); }
.lab-claims summary:focus-visible { outline: 2px solid #0072b2; outline-offset: -2px; }
.lab-claims .lab-badge { font-weight: 600; padding-left: 23px; text-indent: -23px; overflow-wrap: normal; }
.lab-claims .lab-badge svg { width: 16px; height: 16px; vertical-align: -2px; margin-right: 7px; }
.lab-claims .lab-card { padding: 4px 14px 8px 28px; font-size: 14px; scroll-margin-top: 9rem; }
.lab-claims .lab-card details, .lab-claims small, .lab-claims > details { font-size: 13px; margin: 4px 0; }
.lab-claims code { font-size: 12.5px; background: none; border: 0; padding: 0; color: inherit; }
@media (max-width: 600px) {
  .lab-claims .lab-heads { display: none; }
  .lab-claims li > details > summary { grid-template-columns: 1fr; }
}
</style>"""
ALSO = "Also said: near-twins of these, and what is only quoted"


def row(*, name: str, said: str, verdict: str, line: str, evidence: Mapping[str, str], ground: str, rule: str) -> str:
    """HTML of one claim as an item of a list; texts may hold the inline markup of `teaching.html.inline`.

    `evidence` is heading -> text; `rule`, which may be empty, is how the verdict is derived.
    """
    color, shape = _MARKS[verdict]
    mark = (
        '<svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="#fff" stroke-width="2">'
        f"{shape.format(c=color)}</svg>"
    )
    told = "".join(f"<p><strong>{escape(head)}:</strong> {inline(text)}</p>" for head, text in evidence.items())
    folded = f"<details><summary>The rule behind the verdict</summary>{paragraphs(rule)}</details>" if rule else ""
    found = line.removesuffix(".")  # a cell of a table, no sentence
    return (
        f'<li style="--lab-mark: {color}"><details><summary><span>{inline(said)}</span> '
        f'<span class="lab-badge">{mark}{escape(verdict)}</span> <span>{inline(found)}</span></summary>'
        f'<div class="lab-card" id="claim-{escape(name)}">{told}{folded}<p><small>{inline(ground)}</small></p></div>'
        "</details></li>"
    )


def table(own: Sequence[str], also: Sequence[str], origins: Sequence[str]) -> str:
    """HTML of the `row`s of a chapter's own claims, of the rest, and folded below them the origins of their data."""
    heads = '<p class="lab-heads" aria-hidden="true"><span>Claim</span><span>Verdict</span><span>Found</span></p>'
    rest = f'<p><strong>{ALSO}</strong></p><ul role="list" aria-label="{ALSO}">{"".join(also)}</ul>' if also else ""
    lines = "".join(f"<p>{inline(line)}</p>" for line in origins)
    data = f"<details><summary>Data</summary>{lines}</details>" if origins else ""
    shown = f'{heads}<ul role="list" aria-label="Claims">{"".join(own)}</ul>{rest}{data}'
    return f'{CSS}<div class="lab-claims">{shown}</div>'
