"""Speed of a backend beside float32 over model size, live: the stored sweep behind, this session's points on top"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mobilellm_lab.figures.svg import BOTTOM, HEIGHT, TOP, Axes, Number, line, outlined, picture, words

STORED, HERE, FAINT = "#0072b2", "#d55e00", "#808080"
MILLIONS = (0.06, 1, 5, 25, 125)  # parameters, the ticks
SLOWEST, FASTEST = -5, 2  # powers of two: 1/32 to 4 times float32
Point = tuple[Number, Number, Number, Number]  # parameters in millions, speedup: low, middle, high


@dataclass(frozen=True)
class _Doublings(Axes):
    """Axes whose y is logarithmic, with a tick at each power of two."""

    @property
    def y(self) -> Callable[[Number], Number]:
        low, high = math.log2(self.y_ticks[0]), math.log2(self.y_ticks[-1])
        per_unit = (HEIGHT - TOP - BOTTOM) / (high - low)
        return lambda value: TOP + (high - min(max(math.log2(value), low), high)) * per_unit


def flip_svg(
    points: Sequence[Point], stored: Sequence[Point] = (), others: Mapping[str, Sequence[Point]] | None = None
) -> str:
    """An SVG of how many times as fast as float32 a backend is, over the size of the model.

    Args:
        points: of this session, the newest last; the ends are those of its interval, an infinite one is cut off.
        stored: of the same backend in the stored sweep, by size; drawn as a line with a band.
        others: of the other backends, faint.
    """
    ticks = [2.0**power for power in range(SLOWEST, FASTEST + 1)]
    axes = _Doublings(MILLIONS, ticks, "parameters (millions)", "times as fast as float32", 14, logarithmic=True)
    parts, said = axes.parts(), []
    y = axes.y(1)
    parts.append(f'<path d="M{axes.left} {y:.1f}H{axes.right}" stroke="currentColor" stroke-width="1.5"/>')
    for name, rows in (others or {}).items():
        parts.append(line(axes, [(x, middle) for x, _, middle, _ in rows], FAINT, 'stroke-width="1.2" class="other"'))
        said.append(f"{name}: " + ", ".join(f"{middle:.2g} at {x:.3g}" for x, _, middle, _ in rows))
    if stored:
        outline = [(x, high) for x, _, _, high in stored] + [(x, low) for x, low, _, _ in reversed(stored)]
        path = " ".join(f"{axes.x(x):.1f},{axes.y(value):.1f}" for x, value in outline)
        parts.append(f'<polygon points="{path}" fill="{STORED}" fill-opacity="0.25" class="band"/>')
        middle = [(x, middle) for x, _, middle, _ in stored]
        parts.append(line(axes, middle, STORED, 'stroke-width="2.5" class="stored"'))
        said.append("stored: " + ", ".join(f"{value:.2g} at {x:.3g}" for x, value in middle))
    for number, (x, low, middle, high) in enumerate(points, 1):
        newest = number == len(points)
        color, radius = (HERE, 6) if newest else (FAINT, 4)
        at, kind = axes.x(x), "point newest" if newest else "point"
        top, bottom = axes.y(min(high, ticks[-1])), axes.y(max(low, ticks[0]))
        parts.append(f'<path d="M{at:.1f} {top:.1f}V{bottom:.1f}" stroke="{color}" stroke-width="2.5"/>')
        parts.append(f'<circle cx="{at:.1f}" cy="{axes.y(middle):.1f}" r="{radius}" fill="{color}" class="{kind}"/>')
        said.append(f"here: {middle:.2g} at {x:.3g}")
    for x, _, middle, _ in points[-1:]:
        left = axes.x(x) > (axes.left + axes.right) / 2
        place = axes.x(x) - 11 if left else axes.x(x) + 11
        parts.append(outlined(place, axes.y(middle) - 9, f"× {middle:.2f}", "end" if left else "start", weight=600))
    if not points:
        parts.append(words((axes.left + axes.right) / 2, TOP + 16, "not measured here yet", "middle", opacity=0.6))
    return picture("times as fast as float32 over parameters", "; ".join(said) or "nothing measured yet", parts)
