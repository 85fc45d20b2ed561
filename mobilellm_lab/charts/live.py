"""Live charts of training: score and loss against steps, quality against depth"""

from collections.abc import Mapping, Sequence
from statistics import median

from mobilellm_lab.charts.svg import (
    BOTTOM,
    HEIGHT,
    STROKES,
    TOP,
    Axes,
    Number,
    Points,
    line,
    outlined,
    picture,
    round_ticks,
    words,
)

LETTER = 8.6  # width of one, where CHAR is that of a digit


def curve_svg(
    series: Mapping[str, Points],
    *,
    x_label: str,
    y_label: str,
    x_max: Number,
    y_range: tuple[Number, Number] | None = None,
    levels: Mapping[str, Number] | None = None,
    smooth: int = 0,
    earlier: Mapping[str, Points] | None = None,
) -> str:
    """An SVG of curves over 0 .. `x_max`, and dashed `levels` of y by name: what guessing gives, the best possible.

    The y axis spans `y_range`, or else what is drawn. With `smooth` > 0 a curve is its running mean over about so many
    points, over the faint raw values; `earlier` curves are drawn as they are.
    """
    drawn = {name: running_mean(points, smooth) for name, points in series.items()} | dict(earlier or {})
    strokes = {name: STROKES[i % len(STROKES)] for i, name in enumerate(drawn)}  # kept while others have no points yet
    drawn = {name: points for name, points in drawn.items() if points}
    levels = dict(levels or {}) if drawn else {}
    ys = [y for points in [*series.values(), *drawn.values()] for _, y in points] + [*levels.values(), *(y_range or ())]
    x_max = max([x_max, *(points[-1][0] for points in drawn.values())])
    names = max((len(name) for name in drawn), default=0) if len(drawn) > 1 else 0
    axes = Axes(
        round_ticks(0, x_max), round_ticks(min(ys), max(ys)) if drawn else [], x_label, y_label, _label_margin(names)
    )
    parts, labels = axes.parts(), []
    for name, level in levels.items():
        parts += _level(axes, name, level)
    for name, points in reversed(drawn.items()):
        stroke, dash = strokes[name]
        if smooth and name in series:
            parts.append(line(axes, series[name], stroke, 'stroke-width="1" opacity="0.3"'))
        parts.append(line(axes, points, stroke, f'stroke-width="2.5" stroke-dasharray="{dash}" class="curve"'))
        labels.append((axes.y(points[-1][1]), name, stroke, dash))
    if len(drawn) > 1:
        parts += _side_labels(axes, labels)
    if not drawn:
        parts.append(words((axes.left + axes.right) / 2, HEIGHT / 2, "no steps yet", "middle", opacity=0.6))
    said = [
        f"{name}: from {points[0][1]:.3g} to {points[-1][1]:.3g} at {x_label} {points[-1][0]:.3g}"
        for name, points in drawn.items()
    ]
    said += [f"{name} {level:.3g}" for name, level in levels.items()]
    return picture(f"{y_label} over {x_label}", "; ".join(said) or "no steps yet", parts)


def band_svg(
    points: Sequence[tuple[Number, Number, str]],
    band: Sequence[Sequence[object]] = (),
    *,
    y_label: str,
    x_label: str = "depth (layers)",
    band_label: str = "reference, min to max and median",
    x_range: tuple[int, int] = (1, 16),
    levels: Mapping[str, Number] | None = None,
) -> str:
    """An SVG of quality against depth on a logarithmic axis.

    Args:
        points: (depth, score, label) of this session's runs, the latest last; it is highlighted.
        band: rows that start with (depth, score); per depth their range is shaded and their median drawn.
        levels: of the score, by name: what guessing gives.
    """
    rows: dict[float, list[float]] = {}
    for depth, score, *_ in band:
        rows.setdefault(depth, []).append(score)
    depths = sorted(rows)
    ys = [score for _, score, *_ in (*points, *band)]
    levels = dict(levels or {}) if ys else {}
    ys += levels.values()
    ticks = [depth for depth in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) if x_range[0] <= depth <= x_range[1]]
    axes = Axes(ticks, round_ticks(min(ys), max(ys)) if ys else [], x_label, y_label, 14, logarithmic=True)
    parts, said = axes.parts(), []
    if depths:
        outline = [(d, max(rows[d])) for d in depths] + [(d, min(rows[d])) for d in reversed(depths)]
        path = " ".join(f"{axes.x(d):.1f},{axes.y(s):.1f}" for d, s in outline)
        parts.append(f'<polygon points="{path}" fill="#009e73" fill-opacity="0.25" stroke="#009e73"/>')
        middle = [(d, median(rows[d])) for d in depths]
        parts.append(line(axes, middle, "#009e73", 'stroke-width="2" stroke-dasharray="7 3"'))
        parts.append(f'<path d="M{axes.left + 8} 25h22" stroke="#009e73" stroke-width="7" stroke-opacity="0.5"/>')
        parts.append(words(axes.left + 36, 30, band_label))
        said.append(f"{band_label}: " + ", ".join(f"{s:.3g} at {d:g}" for d, s in middle))
    for name, level in levels.items():
        parts += _level(axes, name, level)
        said.append(f"{name} {level:.3g}")
    for depth, score, _ in points[:-1]:
        place = f'cx="{axes.x(depth):.1f}" cy="{axes.y(score):.1f}"'
        parts.append(f'<circle {place} r="5" fill="none" stroke="#0072b2" stroke-width="2" class="point"/>')
    for depth, score, label in points[-1:]:
        x, y = axes.x(depth), axes.y(score)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="#d55e00" class="point latest"/>')
        left = x > (axes.left + axes.right) / 2
        y_text = y + (18 if y < TOP + 22 else -10)
        parts.append(outlined(x - 11 if left else x + 11, y_text, label, "end" if left else "start", weight=600))
    said += [f"run {label}: {score:.3g}" for _, score, label in points]
    if not ys:
        parts.append(words((axes.left + axes.right) / 2, HEIGHT / 2, "no runs yet", "middle", opacity=0.6))
    return picture(f"{y_label} over {x_label}", "; ".join(said) or "no runs yet", parts)


def running_mean(points: Points, window: int) -> list[tuple[Number, Number]]:
    """The points with y replaced by its exponential mean over about `window` points, without a bias at the start."""
    if window <= 1:
        return list(points)
    keep, mean, weight, smoothed = 1 - 1 / window, 0.0, 0.0, []
    for x, y in points:
        mean, weight = keep * mean + (1 - keep) * y, keep * weight + 1 - keep
        smoothed.append((x, mean / weight))
    return smoothed


def _level(axes: Axes, name: str, level: Number) -> list[str]:
    """A dashed line across, with its name and number at the right end."""
    y = axes.y(level)
    return [
        f'<path d="M{axes.left} {y:.1f}H{axes.right}" stroke="currentColor" stroke-dasharray="4 4"/>',
        outlined(axes.right - 6, y - 5, f"{name} {level:.3g}", "end"),
    ]


def _label_margin(characters: int) -> Number:
    return 34 + LETTER * min(characters, 18) if characters else 14


def _side_labels(axes: Axes, labels: list[tuple[Number, str, str, str]]) -> list[str]:
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
        parts.append(words(x + 24, y + 5, name if len(name) <= 18 else name[:17] + "…"))
    return parts
