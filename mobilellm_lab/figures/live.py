"""Live charts as plain SVG text: the loss while it falls, and depth against quality; drawn in a millisecond.

No plotting library: a panel draws ten of these a second beside the training that they show. Text is `currentColor`, so
a dark theme works; colours are Okabe and Ito's, each with its own dash pattern, so that no difference rests on colour.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

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


def curve_svg(
    series: Mapping[str, Points],
    *,
    x_label: str,
    y_label: str,
    x_max: Number,
    floor: Number | None = None,
    smooth: int = 0,
    earlier: Mapping[str, Points] | None = None,
) -> str:
    """An SVG of curves over 0 .. `x_max`; `floor` is the best possible value of y.

    With `smooth` > 0 a curve is its running mean over about so many points, over the faint raw values; `earlier` curves
    are drawn as they are.
    """
    drawn = {name: running_mean(points, smooth) for name, points in series.items()} | dict(earlier or {})
    strokes = {name: STROKES[i % len(STROKES)] for i, name in enumerate(drawn)}  # kept while others have no points yet
    drawn = {name: points for name, points in drawn.items() if points}
    ys = [y for points in [*series.values(), *drawn.values()] for _, y in points] + ([] if floor is None else [floor])
    x_max = max([x_max, *(points[-1][0] for points in drawn.values())])
    names = max((len(name) for name in drawn), default=0) if len(drawn) > 1 else 0
    axes = _Axes(
        round_ticks(0, x_max), round_ticks(min(ys), max(ys)) if drawn else [], x_label, y_label, _label_margin(names)
    )
    parts, labels = axes.parts(), []
    if floor is not None and drawn:
        y = axes.y(floor)
        parts.append(f'<path d="M{axes.left} {y:.1f}H{axes.right}" stroke="currentColor" stroke-dasharray="4 4"/>')
        parts.append(_text(axes.left + 6, y - 5, f"best possible {floor:.3g}", opacity=0.8))
    for name, points in reversed(drawn.items()):
        stroke, dash = strokes[name]
        if smooth and name in series:
            parts.append(_line(axes, series[name], stroke, 'stroke-width="1" opacity="0.3"'))
        parts.append(_line(axes, points, stroke, f'stroke-width="2.5" stroke-dasharray="{dash}" class="curve"'))
        labels.append((axes.y(points[-1][1]), name, stroke, dash))
    if len(drawn) > 1:
        parts += _side_labels(axes, labels)
    if not drawn:
        parts.append(_text((axes.left + axes.right) / 2, HEIGHT / 2, "no steps yet", "middle", opacity=0.6))
    said = [
        f"{name}: from {points[0][1]:.3g} to {points[-1][1]:.3g} at {x_label} {points[-1][0]:.3g}"
        for name, points in drawn.items()
    ]
    if floor is not None and drawn:
        said.append(f"best possible {floor:.3g}")
    return _svg(f"{y_label} over {x_label}", "; ".join(said) or "no steps yet", parts)


def band_svg(
    points: Sequence[tuple[Number, Number, str]],
    band: Sequence[Sequence[object]] = (),
    *,
    y_label: str,
    x_label: str = "depth (layers)",
    band_label: str = "reference, min to max and median",
    x_range: tuple[int, int] = (1, 16),
) -> str:
    """An SVG of quality against depth on a logarithmic axis.

    Args:
        points: (depth, score, label) of this session's runs, the latest last; it is highlighted.
        band: rows that start with (depth, score); per depth their range is shaded and their median drawn.
    """
    rows: dict[float, list[float]] = {}
    for depth, score, *_ in band:
        rows.setdefault(depth, []).append(score)
    depths = sorted(rows)
    ys = [score for _, score, *_ in (*points, *band)]
    ticks = [depth for depth in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) if x_range[0] <= depth <= x_range[1]]
    axes = _Axes(ticks, round_ticks(min(ys), max(ys)) if ys else [], x_label, y_label, 14, logarithmic=True)
    parts, said = axes.parts(), []
    if depths:
        outline = [(d, max(rows[d])) for d in depths] + [(d, min(rows[d])) for d in reversed(depths)]
        path = " ".join(f"{axes.x(d):.1f},{axes.y(s):.1f}" for d, s in outline)
        parts.append(f'<polygon points="{path}" fill="#009e73" fill-opacity="0.25" stroke="#009e73"/>')
        middle = [(d, median(rows[d])) for d in depths]
        parts.append(_line(axes, middle, "#009e73", 'stroke-width="2" stroke-dasharray="7 3"'))
        parts.append(f'<path d="M{axes.left + 8} 25h22" stroke="#009e73" stroke-width="7" stroke-opacity="0.5"/>')
        parts.append(_text(axes.left + 36, 30, band_label))
        said.append(f"{band_label}: " + ", ".join(f"{s:.3g} at {d:g}" for d, s in middle))
    for depth, score, _ in points[:-1]:
        place = f'cx="{axes.x(depth):.1f}" cy="{axes.y(score):.1f}"'
        parts.append(f'<circle {place} r="5" fill="none" stroke="#0072b2" stroke-width="2" class="point"/>')
    for depth, score, label in points[-1:]:
        x, y = axes.x(depth), axes.y(score)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="#d55e00" class="point latest"/>')
        left = x > (axes.left + axes.right) / 2
        y_text = y + (18 if y < TOP + 22 else -10)
        text = _text(x - 11 if left else x + 11, y_text, label, "end" if left else "start", weight=600)
        parts.append(f'<g style="paint-order:stroke" stroke="{PAPER}" stroke-width="4">{text}</g>')
    said += [f"run {label}: {score:.3g}" for _, score, label in points]
    if not ys:
        parts.append(_text((axes.left + axes.right) / 2, HEIGHT / 2, "no runs yet", "middle", opacity=0.6))
    return _svg(f"{y_label} over {x_label}", "; ".join(said) or "no runs yet", parts)


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


def running_mean(points: Points, window: int) -> list[tuple[Number, Number]]:
    """The points with y replaced by its exponential mean over about `window` points, without a bias at the start."""
    if window <= 1:
        return list(points)
    keep, mean, weight, smoothed = 1 - 1 / window, 0.0, 0.0, []
    for x, y in points:
        mean, weight = keep * mean + (1 - keep) * y, keep * weight + 1 - keep
        smoothed.append((x, mean / weight))
    return smoothed


@dataclass(frozen=True)
class _Axes:
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
        found = [_text(self.left, 14, self.y_label, weight=600), _text(self.right, HEIGHT - 4, self.x_label, "end")]
        for tick in self.x_ticks:
            grid += f"M{x(tick):.1f} {bottom}v4"
            label = f"{tick:,g}"
            half = CHAR * len(label) / 2  # a label at the edge moves in rather than lose a digit
            found.append(_text(min(x(tick), WIDTH - half), bottom + 18, label, "middle"))
        if self.y_ticks:
            y = self.y
            for tick in self.y_ticks:
                grid += f"M{self.left} {y(tick):.1f}H{self.right}"
                found.append(_text(self.left - 6, y(tick) + 5, f"{tick:g}", "end"))
        return [f'<path d="{grid}" stroke="currentColor" opacity="0.25"/>', *found]


def _label_margin(characters: int) -> Number:
    return 34 + CHAR * min(characters, 18) if characters else 14


def _line(axes: _Axes, points: Points, stroke: str, rest: str) -> str:
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


def _side_labels(axes: _Axes, labels: list[tuple[Number, str, str, str]]) -> list[str]:
    """Names in the right margin, each at the height of its curve's end or as near as the others let it."""
    parts, lowest = [], TOP
    heights = []
    for y, *_ in sorted(labels):
        heights.append(lowest := max(y, lowest))
        lowest += 17
    overflow = max(0.0, heights[-1] - (HEIGHT - BOTTOM)) if heights else 0.0
    for height, (_, name, stroke, dash) in zip(heights, sorted(labels), strict=True):
        y = height - overflow
        x = axes.right + 6
        parts.append(
            f'<path d="M{x} {y:.1f}h20" stroke="{stroke}" stroke-width="2.5" stroke-dasharray="{dash}" fill="none"/>'
        )
        parts.append(_text(x + 24, y + 5, name if len(name) <= 18 else name[:17] + "…"))
    return parts


def _text(x: Number, y: Number, text: str, anchor: str = "start", *, opacity: Number = 1, weight: int = 400) -> str:
    style = (f' opacity="{opacity}"' if opacity < 1 else "") + (f' font-weight="{weight}"' if weight != 400 else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor"{style}>{escape(text)}</text>'


def _svg(title: str, description: str, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" style="{STYLE}" '
        f'aria-label="{escape(title)}: {escape(description)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )
