"""Live picture of smaller models: distance to the float model by bytes on disk"""

import math
from collections.abc import Sequence

from mobilellm_lab.charts.report import digits
from mobilellm_lab.charts.svg import BOTTOM, HEIGHT, TOP, Decades, outlined, picture, powers_of_ten, words

FLOAT, NEWEST, STORED = "#0072b2", "#d55e00", "#808080"
LEAST_INCREASE = 1e-4  # nats; what is closer to float, or better, lies on the lower edge

Distance = tuple[int | float, float]  # bytes, loss increase in nats


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
            look = f'r="7" fill="{NEWEST}" class="point latest"'
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" {look}/>')
    if points:
        left = x > (axes.left + axes.right) / 2
        height = y + (18 if y < TOP + 22 else -10)
        parts.append(outlined(x - 11 if left else x + 11, height, label, "end" if left else "start", weight=600))
    else:
        parts.append(words((axes.left + axes.right) / 2, HEIGHT / 2, "no runs yet", "middle", opacity=0.6))
    return picture("loss increase over float by bytes on disk", "; ".join(said), parts)
