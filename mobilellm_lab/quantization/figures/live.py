"""Chapter 3's live pictures: a matrix before and after rounding with its grid, and distance to float by bytes"""

import math
from collections.abc import Sequence

from mobilellm_lab.charts.report import digits
from mobilellm_lab.charts.svg import (
    BOTTOM,
    HEIGHT,
    TOP,
    Axes,
    Decades,
    outlined,
    picture,
    powers_of_ten,
    round_ticks,
    words,
)
from mobilellm_lab.quantization.histogram import Histogram

FLOAT, ROUNDED, STORED = "#0072b2", "#d55e00", "#808080"
MOST_LINES = 32  # values of a grid that are drawn one by one; of more, only the ends
LEAST_INCREASE = 1e-4  # nats; what is closer to float, or better, lies on the lower edge

Distance = tuple[int | float, float]  # bytes, loss increase in nats


def histogram_svg(found: Histogram, *, name: str) -> str:
    """An SVG of the float weights upwards and the rounded ones downwards, in the same bins, each to its own height.

    The lines across are the values that the group with the largest weight may take; other groups have finer grids.
    """
    axes = Axes(round_ticks(-found.end, found.end), [], f"weights of {name}", "float up, rounded down", 14)
    middle, half = (TOP + HEIGHT - BOTTOM) / 2, (HEIGHT - BOTTOM - TOP) / 2
    width = (axes.x(found.end) - axes.x(-found.end)) / len(found.before)
    lines = found.values if len(found.values) <= MOST_LINES else (found.values[0], found.values[-1])
    grid = "".join(f"M{axes.x(value):.1f} {TOP}V{HEIGHT - BOTTOM}" for value in lines if abs(value) <= found.end)
    parts = [*axes.parts(), f'<path d="{grid}" stroke="currentColor" opacity="0.4" class="grid"/>']
    for counts, color, kind, height in (
        (found.before, FLOAT, "float", -half),
        (found.after, ROUNDED, "rounded", half),
    ):
        bars = "".join(
            f"M{axes.x(-found.end) + i * width:.1f} {middle}h{width:.1f}v{height * n / max(counts):.1f}h{-width:.1f}z"
            for i, n in enumerate(counts)
            if n
        )
        parts.append(f'<path d="{bars}" fill="{color}" class="{kind}"/>')
    parts.append(f'<path d="M{axes.left} {middle}H{axes.right}" stroke="currentColor"/>')
    said = ["not rounded"]
    if found.values:
        groups = f"{found.groups:,} scale" + "s" * (found.groups > 1)
        said = [f"{len(found.values)} values, {groups}", f"error {digits(100 * found.error)} %"]
    parts += [outlined(axes.left + 4, TOP + 14 + 18 * row, text) for row, text in enumerate(said)]
    described = f"{sum(found.before):,} weights; {'; '.join(said)}"
    return picture(f"weights of {name} before and after rounding", described, parts)


def distance_svg(
    points: Sequence[tuple[int | float, float, str]], stored: Sequence[Distance] = (), *, float_bytes: int | float
) -> str:
    """An SVG of how much the loss rises over the bytes on disk, both logarithmic.

    Args:
        points: (bytes, loss increase in nats, label) of this session's runs, the latest last; it is highlighted.
        stored: the same of the repository's own runs on this model, faint.
        float_bytes: of the float model, a dashed line.
    """
    sizes = [n_bytes / 1024 for n_bytes, *_ in (*points, *stored)] + [float_bytes / 1024]
    loss_increases = [max(loss_increase, LEAST_INCREASE) for _, loss_increase, *_ in (*points, *stored)]
    first, last = math.floor(math.log2(min(sizes))), math.ceil(math.log2(max(sizes)))
    axes = Decades(
        [2.0**power for power in range(first, max(last, first + 1) + 1)],
        powers_of_ten(LEAST_INCREASE, max([*loss_increases, 10 * LEAST_INCREASE])),
        "KiB on disk",
        "loss increase over float (nats)",
        14,
        logarithmic=True,
    )
    at = axes.x(float_bytes / 1024)
    parts = [
        *axes.parts(),
        f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{FLOAT}" stroke-width="2" stroke-dasharray="6 4"/>',
        outlined(at - 5, TOP + 14, "float", "end"),
    ]
    places = [(axes.x(n_bytes / 1024), axes.y(max(loss_increase, LEAST_INCREASE))) for n_bytes, loss_increase in stored]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" class="stored"/>' for x, y in places)
    parts.append(f'<g fill="{STORED}" opacity="0.5">{dots}</g>')
    said = [f"float: {digits(float_bytes / 1024)} KiB"]
    for number, (n_bytes, loss_increase, label) in enumerate(points, 1):
        x, y = axes.x(n_bytes / 1024), axes.y(max(loss_increase, LEAST_INCREASE))
        said.append(f"run {label}: {digits(n_bytes / 1024)} KiB, {loss_increase:+.3g} nats")
        if number < len(points):
            look = f'r="5" fill="none" stroke="{FLOAT}" stroke-width="2" class="point"'
        else:
            look = f'r="7" fill="{ROUNDED}" class="point latest"'
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" {look}/>')
    if points:
        left = x > (axes.left + axes.right) / 2
        height = y + (18 if y < TOP + 22 else -10)
        parts.append(outlined(x - 11 if left else x + 11, height, label, "end" if left else "start", weight=600))
    else:
        parts.append(words((axes.left + axes.right) / 2, HEIGHT / 2, "no runs yet", "middle", opacity=0.6))
    return picture("loss increase over float by bytes on disk", "; ".join(said), parts)
