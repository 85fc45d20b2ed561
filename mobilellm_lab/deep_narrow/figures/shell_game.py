"""Stepping picture of one shell game: cups, moves and labels, with CSS alone"""

import hashlib
from itertools import pairwise

from mobilellm_lab.tasks.shells import Shells
from mobilellm_lab.teaching.html import OWN_KEYS

COLORS = ("#0072b2", "#b24700", "#00755a", "#8f4a77", "#6b5a00")  # white letters on them have a contrast of 4.5 or more
SPACING, WIDTH, BASE = 100, 72, 120  # pixels: between places, of a cup, from the top to the foot of a cup
CUP = f"M-{WIDTH // 2} 0L-{WIDTH // 2 - 12} -52H{WIDTH // 2 - 12}L{WIDTH // 2} 0z"

CSS = """
.lab-shells { max-width: 40rem; margin: 1rem 0; font: 15px/1.5 system-ui, sans-serif; }
.lab-shells figcaption { margin: 0; padding: 0; font-weight: 600; text-align: left; color: inherit; }
.lab-shells form { margin: 0; }
.lab-shells fieldset { display: flex; flex-wrap: wrap; gap: 4px; margin: 6px 0; padding: 0; border: 0; }
.lab-shells legend { padding: 0; font-size: 14px; margin-bottom: 4px; }
.lab-shells label { position: relative; display: inline-flex; flex-direction: column; align-items: center;
  justify-content: center; box-sizing: border-box; min-width: 46px; min-height: 44px; margin: 0; padding: 1px 4px;
  border: 1px solid color-mix(in srgb, currentColor 45%, transparent); border-radius: 6px; font-size: 14px;
  line-height: 1.25; cursor: pointer; }
.lab-shells label small { font-size: 12px; }
.lab-shells input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
.lab-shells label:has(:checked) { border-color: currentColor; box-shadow: inset 0 0 0 1px currentColor;
  font-weight: 700; background: color-mix(in srgb, currentColor 12%, transparent); }
.lab-shells label:has(:focus-visible) { outline: 2px solid currentColor; outline-offset: 2px; }
.lab-shells svg { display: block; width: 100%; height: auto; }
.lab-shells .lab-cup { transition: transform .5s; }
.lab-shells .lab-moved, .lab-shells .lab-said p { display: none; }
.lab-shells .lab-said p { margin: 4px 0; min-height: 3em; }
.lab-shells .lab-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.lab-shells details { font-size: 14px; }
.lab-shells summary { cursor: pointer; }
.lab-shells table { border-collapse: collapse; margin: 4px 0; }
.lab-shells :is(th, td) { padding: 2px 12px 2px 0; text-align: left; font-weight: 400; background: none; border: 0; }
@media (prefers-reduced-motion: reduce) { .lab-shells .lab-cup { transition: none; } }
@supports not selector(:has(a)) { .lab-shells .lab-said p { display: block; min-height: 0; } }
"""


class ShellGame:
    """One held-out game of `task` (None: three cups, 12 moves), shown before its first and after each of its moves.

    A choice of radio buttons moves the cups; the whole game also stands in a table. It needs no script, and colours
    follow the page.
    """

    def __init__(self, task: Shells | None = None, *, index: int = 1):
        task = Shells() if task is None else task
        batch = task.batch(index, 1, split="validation")
        self.moves = [task.spell(move) for move in batch.tokens[0].tolist()]
        self.states = [task.spell(0), *(task.spell(state) for state in batch.targets[0].tolist())]
        self.cups = sorted(self.states[0])

    def __repr__(self) -> str:
        return "\n".join(f"{move}  {state}" for move, state in zip(("start", *self.moves), self.states, strict=True))

    def _repr_html_(self) -> str:
        name = "game-" + hashlib.sha256(repr(self).encode()).hexdigest()[:8]  # two games may stand on one page
        width, height = SPACING * len(self.cups), BASE + 26
        return (
            f'<figure class="lab-shells {name}"><style>{CSS}{self._rules(f".lab-shells.{name}")}</style>'
            f"<figcaption>The shell game: {len(self.moves)} tokens move {len(self.cups)} cups</figcaption>"
            f'<form method="dialog"><fieldset><legend>Choose a token. The cups show the state after it.</legend>'
            f"{self._steps()}</fieldset>"
            f'<svg viewBox="0 0 {width} {height}" aria-hidden="true" style="max-width:{width * 1.3:.0f}px">'
            f"{''.join(map(self._arrows, range(1, len(self.states))))}{self._drawn()}</svg>"
            f'<div class="lab-said">{"".join(f"<p>{said}</p>" for said in self._said())}</div></form>'
            f"<details><summary>The whole game as a table</summary>{self._table()}</details></figure>"
        )

    def _rules(self, scope: str) -> str:
        """Where each cup stands, and which words and arrows show, at each choice."""
        rules = ""
        for step, state in enumerate(self.states):
            chosen = f"{scope} form:has(label:nth-of-type({step + 1}) :checked)"
            for cup in self.cups:
                rules += f"{chosen} .lab-cup-{cup}{{transform:translate({_x(state.index(cup))}px,{BASE}px)}}"
            rules += f"{chosen} :is(.lab-moved-{step},.lab-said p:nth-of-type({step + 1})){{display:block}}"
        return rules

    def _steps(self) -> str:
        """A radio button for the start and for each token; its name also says where the cups stand afterwards."""
        buttons = ""
        for step, state in enumerate(self.states):
            move = self.moves[step - 1] if step else ""
            heard = f"Token {step}, {' '.join(move)}." if step else "Start."
            buttons += (
                f'<label><input type="radio" name="step" value="{step}"{" checked" * (not step)} {OWN_KEYS}>'
                f'<span aria-hidden="true"><small>{step or "start"}</small> {move}</span>'
                f'<span class="lab-hidden">{heard} The cups stand {" ".join(state)}.</span></label>'
            )
        return buttons

    def _said(self) -> list[str]:
        """HTML of the sentence at each choice."""
        first = self.states[0]
        said = [f"The cups stand <b>{first}</b>. A token is named after what it makes of {first}."]
        for step, (move, (before, after)) in enumerate(zip(self.moves, pairwise(self.states), strict=True), start=1):
            becomes = f"{before} becomes <b>{after}</b>, the label at position {step}."
            said.append(f"Token {step}, <b>{move}</b>: {_in_words(move)}. {becomes}")
        return said

    def _arrows(self, step: int) -> str:
        """An arc for each cup that token `step` moved, from its old place to its new one."""
        drawn, after, top = "", self.states[step], BASE - 58
        for place, origin in enumerate(_origins(self.moves[step - 1])):
            if place == origin:
                continue
            x1, x2 = _x(origin), _x(place)
            rise = 18 + 14 * abs(place - origin) + 12 * (place > origin)  # there and back do not cover each other
            color = COLORS[self.cups.index(after[place])]
            arc = f"M{x1} {top}Q{(x1 + x2) / 2:g} {top - 2 * rise} {x2} {top - 6}"
            drawn += (
                f'<path d="{arc}" fill="none" stroke="{color}"/><path d="M{x2 - 5} {top - 9}h10l-5 9z" fill="{color}"/>'
            )
        return f'<g class="lab-moved lab-moved-{step}" stroke-width="2.5">{drawn}</g>'

    def _drawn(self) -> str:
        """The cups at the origin, which the rules move to their places, and the places' numbers."""
        cups = "".join(
            f'<g class="lab-cup lab-cup-{cup}"><path d="{CUP}" fill="{color}"/>'
            f'<text y="-18" fill="#fff" font-size="22" font-weight="700" text-anchor="middle">{cup}</text></g>'
            for cup, color in zip(self.cups, COLORS, strict=False)
        )
        places = "".join(
            f'<text x="{_x(place)}" y="{BASE + 18}" fill="currentColor" font-size="12" text-anchor="middle">'
            f"place {place + 1}</text>"
            for place in range(len(self.cups))
        )
        return cups + places

    def _table(self) -> str:
        rows = zip(("", *self.moves), self.states, strict=True)
        body = "".join(
            f"<tr><th scope='row'>{step or 'start'}</th><td>{move}</td><td>{state}</td></tr>"
            for step, (move, state) in enumerate(rows)
        )
        heads = "".join(f'<th scope="col">{head}</th>' for head in ("position", "token", "label"))
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _x(place: int) -> int:
    """Middle of a place, in pixels from the left."""
    return SPACING // 2 + SPACING * place


def _origins(move: str) -> list[int]:
    """For each place, the place that its new cup comes from."""
    return [sorted(move).index(cup) for cup in move]


def _in_words(move: str) -> str:
    """What a move does with the cups at its places."""
    moved = [(origin + 1, place + 1) for place, origin in enumerate(_origins(move)) if place != origin]
    if not moved:
        return "nothing moves"
    if len(moved) == 2:
        return f"the cups at places {moved[0][1]} and {moved[1][1]} change places"
    return "the cup at place " + ", ".join(f"{old} goes to {new}" for old, new in sorted(moved))
