"""A duel as plain SVG: its pairs, the interval that narrows, the verdict that changes; and several duels together"""

from collections.abc import Sequence
from itertools import groupby

from mobilellm_lab.charts.svg import HEIGHT, TOP, Axes, line, outlined, picture, round_ticks, whole_ticks, words
from mobilellm_lab.measuring import Comparison

VERDICTS = {  # colour of the strip that says what the rule would say so far, and its letter
    "a is faster": ("#0072b2", "a"),
    "b is faster": ("#d55e00", "b"),
    "not distinguishable": ("#808080", "?"),
}
RIGHT, WRONG, FAINT = "#0072b2", "#d55e00", "#808080"
STRIP = 14  # height of the strip, between the label of the axis and the picture
Y_LABEL = "time of b / time of a"


def duel_svg(
    ratios: Sequence[float],
    funnel: Sequence[tuple[int, float, float, float]],
    verdicts: Sequence[str],
    *,
    truth: float,
    pairs: int,
) -> str:
    """An SVG of the pairs taken so far, over 1 .. `pairs`.

    Args:
        ratios: b / a of each pair; one that lies far outside is drawn as a triangle at the edge.
        funnel: (number of pairs, low, median, high) of the interval after so many.
        verdicts: of the rule, after each pair.
        truth: the ratio that the work really has.
        pairs: how many there will be.
    """
    axes = Axes(whole_ticks(pairs), _ticks_around(truth), "pairs", Y_LABEL, 14)
    bottom, top = axes.y_ticks[0], axes.y_ticks[-1]
    parts = [*axes.parts(), *_reference(axes, truth)]
    shown = [
        (n, max(a, bottom), min(max(m, bottom), top), min(b, top)) for n, a, m, b in funnel if a < top and b > bottom
    ]
    if len(shown) > 1:
        outline = [(n, b) for n, _, _, b in shown] + [(n, a) for n, a, _, _ in reversed(shown)]
        path = " ".join(f"{axes.x(n):.1f},{axes.y(value):.1f}" for n, value in outline)
        parts.append(f'<polygon points="{path}" fill="{RIGHT}" fill-opacity="0.2" class="interval"/>')
        middle = [(n, m) for n, _, m, _ in shown]
        parts.append(line(axes, middle, RIGHT, 'stroke-width="2.5" class="curve"'))
    for number, ratio in enumerate(ratios, 1):
        x = axes.x(number)
        if bottom <= ratio <= top:
            parts.append(f'<circle cx="{x:.1f}" cy="{axes.y(ratio):.1f}" r="3" fill="{FAINT}" class="pair"/>')
        else:
            parts.append(_beyond(x, axes.y(top if ratio > top else bottom), up=ratio > top))
    parts += [*_strip(axes, verdicts), _name_of(axes, truth)]
    if not ratios:
        parts.append(words((axes.left + axes.right) / 2, HEIGHT / 2 + 20, "no pairs yet", "middle", opacity=0.6))
    return picture(
        "Pairs of a duel, the interval and the verdict so far", _said(ratios, funnel, verdicts, truth), parts
    )


def duels_svg(comparisons: Sequence[Comparison], outcomes: Sequence[str], *, truth: float, duels: int) -> str:
    """An SVG of finished duels: the ratio of each with its interval; what the rule got wrong is a square."""
    axes = Axes(whole_ticks(duels), _ticks_around(truth), "duels", Y_LABEL, 14)
    bottom, top = axes.y_ticks[0], axes.y_ticks[-1]
    parts, said = [*axes.parts(), *_reference(axes, truth)], []
    for number, (found, outcome) in enumerate(zip(comparisons, outcomes, strict=True), 1):
        x, y = axes.x(number), axes.y(min(max(found.ratio, bottom), top))
        color = RIGHT if outcome == "right" else WRONG
        said.append(f"duel {number}: {found.ratio:.3g}, {outcome}")
        y_low, y_high = (axes.y(min(max(end, bottom), top)) for end in (found.ratio_low, found.ratio_high))
        parts.append(f'<path d="M{x:.1f} {y_low:.1f}V{y_high:.1f}" stroke="{color}" stroke-width="2.5"/>')
        if outcome == "right":
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{color}" class="duel"/>')
        else:
            parts.append(f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" fill="{color}" class="duel"/>')
    parts.append(_name_of(axes, truth))
    if not comparisons:
        parts.append(words((axes.left + axes.right) / 2, HEIGHT / 2 + 20, "no duels yet", "middle", opacity=0.6))
    return picture(f"{Y_LABEL} in each duel", "; ".join(said) or "no duels yet", parts)


def _ticks_around(truth: float) -> list[float]:
    """Of the ratio: by the truth alone, so that it neither moves while pairs come in nor follows the spikes."""
    half = max(0.15, 2.5 * (truth - 1))
    return round_ticks(max(0.0, 1 - half), 1 + half)


def _reference(axes: Axes, truth: float) -> list[str]:
    """A line at 1, where nobody is faster, and a dashed one at the truth."""
    return [
        f'<path d="M{axes.left} {axes.y(1):.1f}H{axes.right}" stroke="currentColor" stroke-width="1.5"/>',
        f'<path d="M{axes.left} {axes.y(truth):.1f}H{axes.right}" stroke="#009e73" stroke-width="2" '
        'stroke-dasharray="6 4"/>',
    ]


def _name_of(axes: Axes, truth: float) -> str:
    """The words on the dashed line; drawn last, since whatever lies there would cross them."""
    return outlined(axes.right - 4, axes.y(truth) - 5, f"truth {truth:.4g}", "end", weight=600)


def _beyond(x: float, y: float, *, up: bool) -> str:
    tip = y + 1 if up else y - 1
    base = tip + (8 if up else -8)
    return f'<path d="M{x - 4:.1f} {base:.1f}h8L{x:.1f} {tip:.1f}z" fill="{FAINT}" class="beyond"/>'


def _strip(axes: Axes, verdicts: Sequence[str]) -> list[str]:
    """The verdict after each pair, as one bar for every stretch that says the same."""
    parts, y = [], TOP - STRIP - 2
    for verdict, first, last in _stretches(verdicts):
        color, letter = VERDICTS[verdict]
        x, width = axes.x(first - 1), axes.x(last) - axes.x(first - 1)
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{STRIP}" fill="{color}" fill-opacity="0.85" '
            'class="verdict"/>'
        )
        if width > 12:
            parts.append(
                f'<text x="{x + width / 2:.1f}" y="{y + 12}" text-anchor="middle" fill="#fff" '
                f'font-weight="700">{letter}</text>'
            )
    return parts


def _stretches(verdicts: Sequence[str]) -> list[tuple[str, int, int]]:
    """(verdict, first pair, last pair) of every stretch that says the same."""
    found, first = [], 1
    for verdict, group in groupby(verdicts):
        last = first + len(list(group)) - 1
        found.append((verdict, first, last))
        first = last + 1
    return found


def _said(ratios: Sequence[float], funnel: Sequence[tuple], verdicts: Sequence[str], truth: float) -> str:
    if not ratios:
        return "no pairs yet"
    parts = [f"{len(ratios)} pairs, truth {truth:.4g}"]
    if funnel:
        _, low, middle, high = funnel[-1]
        parts.append(f"median {middle:.4g}, interval {low:.4g} to {high:.4g}")
    parts += [f"{verdict} from pair {first} to {last}" for verdict, first, last in _stretches(verdicts)]
    return "; ".join(parts)
