"""Speed of a backend beside float32, live: pair by pair while it is measured, then among the stored sizes"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mobilellm_lab.charts.svg import BOTTOM, HEIGHT, TOP, Axes, Number, line, outlined, picture, whole_ticks, words

STORED, HERE, FAINT = "#0072b2", "#d55e00", "#808080"
MILLIONS = (0.06, 1, 5, 25, 125)  # parameters, the ticks
SLOWEST, FASTEST = -5, 2  # powers of two: 1/32 to 4 times float32
Y_LABEL = "times as fast as float32"
Point = tuple[Number, Number, Number, Number]  # parameters in millions, speedup: low, middle, high


@dataclass(frozen=True)
class _Doublings(Axes):
    """Axes whose y is logarithmic, with a tick at each power of two; what lies beyond is drawn at the edge."""

    @property
    def y(self) -> Callable[[Number], Number]:
        low, high = math.log2(self.y_ticks[0]), math.log2(self.y_ticks[-1])
        per_unit = (HEIGHT - TOP - BOTTOM) / (high - low)
        first, last = self.y_ticks[0], self.y_ticks[-1]
        return lambda value: TOP + (high - math.log2(min(max(value, first), last))) * per_unit


def pairs_svg(ratios: Sequence[Number], funnel: Sequence[Point], *, pairs: int) -> str:
    """An SVG of a measurement under way, over 1 .. `pairs`: it shows when the interval leaves 1.

    Args:
        ratios: times as fast as float32, of each pair.
        funnel: of the first so many pairs: their number, and the interval's low end, middle and high end.
        pairs: how many there will be.
    """
    low = -FASTEST if not funnel or funnel[-1][2] > 2.0**-FASTEST else SLOWEST
    ticks = [2.0**power for power in range(low, FASTEST + 1)]
    axes = _Doublings(whole_ticks(pairs), ticks, "pairs", Y_LABEL, 14)
    parts = [*axes.parts(), _even(axes)]
    for number, ratio in enumerate(ratios, 1):
        parts.append(f'<circle cx="{axes.x(number):.1f}" cy="{axes.y(ratio):.1f}" r="3" fill="{FAINT}" class="pair"/>')
    if funnel:
        parts.append(_band(axes, funnel, HERE, "interval"))
        middle = [(number, middle) for number, _, middle, _ in funnel]
        parts.append(line(axes, middle, HERE, 'stroke-width="2.5" class="curve"'))
        parts.append(_named(axes, *middle[-1]))
        _, low, middle, high = funnel[-1]
        said = f"{len(ratios)} of {pairs} pairs, {middle:.3g}, interval {low:.3g} to {high:.3g}"
    else:
        parts.append(words((axes.left + axes.right) / 2, TOP + 16, "no pairs yet", "middle", opacity=0.6))
        said = "no pairs yet"
    return picture(f"{Y_LABEL}, pair by pair", said, parts)


def crossover_svg(
    points: Sequence[Point], stored: Sequence[Point] = (), others: Mapping[str, Sequence[Point]] | None = None
) -> str:
    """An SVG of how many times as fast as float32 a backend is, over the size of the model.

    Args:
        points: of this session, the newest last, a line through the newest of each size; the ends are those of its
            interval, an infinite one is cut off.
        stored: of the same backend in the stored sweep, by size; drawn as a line with a band.
        others: of the other backends, faint.
    """
    ticks = [2.0**power for power in range(SLOWEST, FASTEST + 1)]
    axes = _Doublings(MILLIONS, ticks, "parameters (millions)", Y_LABEL, 14, logarithmic=True)
    parts, said = [*axes.parts(), _even(axes)], []
    for name, rows in (others or {}).items():
        parts.append(line(axes, [(x, middle) for x, _, middle, _ in rows], FAINT, 'stroke-width="1.2" class="other"'))
        said.append(f"{name}: " + ", ".join(f"{middle:.2g} at {x:.3g}" for x, _, middle, _ in rows))
    if stored:
        parts.append(_band(axes, stored, STORED, "band"))
        middle = [(x, middle) for x, _, middle, _ in stored]
        parts.append(line(axes, middle, STORED, 'stroke-width="2.5" class="stored"'))
        said.append("stored: " + ", ".join(f"{value:.2g} at {x:.3g}" for x, value in middle))
    per_size = sorted({x: middle for x, _, middle, _ in points}.items())
    if len(per_size) > 1:
        parts.append(line(axes, per_size, HERE, 'stroke-width="2" stroke-dasharray="6 4" class="curve"'))
    for number, (x, low, middle, high) in enumerate(points, 1):
        newest = number == len(points)
        color, radius = (HERE, 6) if newest else (FAINT, 4)
        at, kind = axes.x(x), "point newest" if newest else "point"
        top, bottom = axes.y(min(high, ticks[-1])), axes.y(max(low, ticks[0]))
        parts.append(f'<path d="M{at:.1f} {top:.1f}V{bottom:.1f}" stroke="{color}" stroke-width="2.5"/>')
        parts.append(f'<circle cx="{at:.1f}" cy="{axes.y(middle):.1f}" r="{radius}" fill="{color}" class="{kind}"/>')
        said.append(f"here: {middle:.2g} at {x:.3g}")
    for x, _, middle, _ in points[-1:]:
        parts.append(_named(axes, x, middle))
    if not points:
        parts.append(words((axes.left + axes.right) / 2, TOP + 16, "not measured here yet", "middle", opacity=0.6))
    return picture(f"{Y_LABEL}, over parameters", "; ".join(said) or "nothing measured yet", parts)


def _even(axes: Axes) -> str:
    """A line where nobody is faster."""
    return f'<path d="M{axes.left} {axes.y(1):.1f}H{axes.right}" stroke="currentColor" stroke-width="1.5"/>'


def _band(axes: Axes, points: Sequence[Point], color: str, kind: str) -> str:
    """What lies between the ends of the intervals."""
    outline = [(x, high) for x, _, _, high in points] + [(x, low) for x, low, _, _ in reversed(points)]
    path = " ".join(f"{axes.x(x):.1f},{axes.y(value):.1f}" for x, value in outline)
    return f'<polygon points="{path}" fill="{color}" fill-opacity="0.25" class="{kind}"/>'


def _named(axes: Axes, x: Number, middle: Number) -> str:
    """The number beside its point, on the side where there is room."""
    left = axes.x(x) > (axes.left + axes.right) / 2
    place = axes.x(x) - 11 if left else axes.x(x) + 11
    return outlined(place, axes.y(middle) - 9, f"× {middle:.2f}", "end" if left else "start", weight=600)
