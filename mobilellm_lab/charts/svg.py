"""Axes, lines and words as plain SVG text, drawn in a millisecond: what live charts are made of.

No plotting library: a panel draws ten pictures a second beside the work that they show. Text is `currentColor`, so a
dark theme works; colours are Okabe and Ito's, each with its own dash pattern, so that no difference rests on colour.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

Number = int | float
Points = Sequence[tuple[Number, Number]]

WIDTH, HEIGHT = 480, 270  # of the viewBox: 14 units of text are 10 px on a phone and 16 px at the widest
TOP, BOTTOM, CHAR = 34, 40, 7.3  # margins, and the width of a character
STROKES = (("#0072b2", ""), ("#d55e00", "7 3"), ("#009e73", "2 3"), ("#cc79a7", "9 3 2 3"), ("currentColor", "12 4"))
MOST_POINTS = 160  # of one curve: a narrow pixel each on a phone
PAPER = "var(--jp-layout-color0,var(--pst-color-background,transparent))"  # behind a label that lies on a curve
STYLE = (
    "width:100%;max-width:560px;height:auto;display:block;font:14px system-ui,sans-serif;"
    "color:var(--jp-ui-font-color1,currentColor)"
)


def round_ticks(low: Number, high: Number, most: int = 6) -> list[float]:
    """At most `most` round numbers (steps of 1, 2 or 5 times a power of ten) that enclose low .. high.

    Raises:
        ValueError: a bound that is not finite.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"low={low}, high={high}: an axis needs finite bounds, leave such points out")
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # one value, or two that differ by rounding
        low, high = low - abs(low) * 0.05 - 1e-3, low + abs(low) * 0.05 + 1e-3
    exponent = math.floor(math.log10((high - low) / most))
    for step in (m * 10.0**e for e in (exponent, exponent + 1) for m in (1, 2, 5)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < most:
            break
    return [round(float(i * step), 12) for i in range(first, last + 1)]


def whole_ticks(most: int) -> list[int]:
    """Whole numbers from 0 to `most`, which is one of them."""
    if most == 1:
        return [0, 1]
    step = next(m * 10**e for e in range(9) for m in (1, 2, 5) if m * 10**e * 5 >= most)
    ticks = [tick for tick in range(0, most, step) if most - tick > step / 2]
    return [*ticks, most]


@dataclass(frozen=True)
class Axes:
    """Ticks, labels and the map from data to the viewBox."""

    x_ticks: Sequence[Number]
    y_ticks: Sequence[Number]
    x_label: str
    y_label: str
    margin_right: Number
    logarithmic: bool = False

    @property
    def left(self) -> Number:
        return 14 + CHAR * max((len(f"{tick:g}") for tick in self.y_ticks), default=2)

    @property
    def right(self) -> Number:
        return WIDTH - self.margin_right

    @property
    def x(self) -> Callable[[Number], Number]:
        scale = math.log2 if self.logarithmic else float
        first, last = scale(self.x_ticks[0]), scale(self.x_ticks[-1])
        inset = 12 if self.logarithmic else 0  # so that a point at the end is whole
        per_unit = (self.right - self.left - 2 * inset) / (last - first)
        start = self.left + inset
        return lambda value: start + (scale(value) - first) * per_unit

    @property
    def y(self) -> Callable[[Number], Number]:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        per_unit = (HEIGHT - TOP - BOTTOM) / (high - low)
        return lambda value: TOP + (high - value) * per_unit

    def parts(self) -> list[str]:
        """Grid, tick labels and axis labels."""
        x, bottom = self.x, HEIGHT - BOTTOM
        grid = f"M{self.left} {bottom}H{self.right}"
        found = [words(self.left, 14, self.y_label, weight=600), words(self.right, HEIGHT - 4, self.x_label, "end")]
        for tick in self.x_ticks:
            grid += f"M{x(tick):.1f} {bottom}v4"
            label = f"{tick:,g}"
            half = CHAR * len(label) / 2  # a label at the edge moves in rather than lose a digit
            found.append(words(min(x(tick), WIDTH - half), bottom + 18, label, "middle"))
        if self.y_ticks:
            y = self.y
            for tick in self.y_ticks:
                grid += f"M{self.left} {y(tick):.1f}H{self.right}"
                found.append(words(self.left - 6, y(tick) + 5, f"{tick:g}", "end"))
        return [f'<path d="{grid}" stroke="currentColor" opacity="0.25"/>', *found]


@dataclass(frozen=True)
class Decades(Axes):
    """Axes whose y is logarithmic, with a tick at each power of ten."""

    @property
    def y(self) -> Callable[[Number], Number]:
        low, high = math.log10(self.y_ticks[0]), math.log10(self.y_ticks[-1])
        per_unit = (HEIGHT - TOP - BOTTOM) / (high - low)
        return lambda value: TOP + (high - math.log10(value)) * per_unit


def powers_of_ten(low: Number, high: Number) -> list[float]:
    """The powers of ten that enclose low .. high, at least two."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def line(axes: Axes, points: Points, stroke: str, rest: str) -> str:
    """A polyline through the points, thinned; `rest` are its other attributes."""
    x, y = axes.x, axes.y
    path = " ".join([f"{x(a):.1f},{y(b):.1f}" for a, b in _decimate(points)])
    return f'<polyline points="{path}" fill="none" stroke="{stroke}" {rest}/>'


def _decimate(points: Points) -> Points:
    """At most `MOST_POINTS` points: lowest and highest of each stretch, in order, and the last."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / (MOST_POINTS - 1))
    ys, kept = [y for _, y in points], []
    for start in range(0, len(points), size):
        stretch = ys[start : start + size]
        ends = {start + stretch.index(min(stretch)), start + stretch.index(max(stretch))}
        kept += [points[i] for i in sorted(ends)]
    return [*kept, points[-1]]


def words(x: Number, y: Number, text: str, anchor: str = "start", *, opacity: Number = 1, weight: int = 400) -> str:
    """A text element at (x, y) of the viewBox."""
    style = (f' opacity="{opacity}"' if opacity < 1 else "") + (f' font-weight="{weight}"' if weight != 400 else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor"{style}>{escape(text)}</text>'


def outlined(x: Number, y: Number, text: str, anchor: str = "start", *, weight: int = 400) -> str:
    """Words that stay readable on a line."""
    inside = words(x, y, text, anchor, weight=weight)
    return f'<g style="paint-order:stroke" stroke="{PAPER}" stroke-width="4">{inside}</g>'


def picture(title: str, description: str, parts: list[str]) -> str:
    """The whole SVG, with what it shows in words."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" style="{STYLE}" '
        f'aria-label="{escape(title)}: {escape(description)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )
