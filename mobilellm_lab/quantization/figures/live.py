"""Chapter 3's live picture: a matrix before and after rounding, with its grid"""

from mobilellm_lab.charts.report import digits
from mobilellm_lab.charts.svg import BOTTOM, HEIGHT, TOP, Axes, outlined, picture, round_ticks
from mobilellm_lab.quantization.histogram import Histogram

FLOAT, ROUNDED = "#0072b2", "#d55e00"
MOST_LINES = 32  # values of a grid that are drawn one by one; of more, only the ends


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
