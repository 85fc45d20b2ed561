"""Chapter 1's live charts: decode speed beside what was predicted, bandwidth by working set, memory on a device."""

import itertools
import math
from collections.abc import Mapping, Sequence

from mobilellm_lab.charts.live import running_mean
from mobilellm_lab.charts.report import digits
from mobilellm_lab.charts.svg import (
    HEIGHT,
    STROKES,
    TOP,
    WIDTH,
    Axes,
    Decades,
    Number,
    Points,
    line,
    outlined,
    picture,
    powers_of_ten,
    round_ticks,
    words,
)
from mobilellm_lab.constraints import Fit, Probe

SMOOTH = 12  # steps of the running mean
PARTS = (("weights", "weights_mib"), ("KV cache", "kv_mib"), ("activations", "activations_mib"))


def decode_svg(points: Points, levels: Mapping[str, Number | None], *, x_max: Number) -> str:
    """An SVG of tokens/s of every step so far, faint, with their mean over some steps; y is logarithmic.

    Each entry of `levels` is a line across; None is none, and leaves the others their colours. The mean is that of the
    times, so a step that had to wait counts in full.
    """
    known = {
        name: (speed, *stroke) for (name, speed), stroke in zip(levels.items(), STROKES[1:], strict=False) if speed
    }
    speeds = [speed for _, speed in points] + [speed for speed, *_ in known.values()]
    ticks = powers_of_ten(min(speeds), max(speeds)) if speeds else []
    axes = Decades(round_ticks(0, x_max), ticks, "tokens written", "tokens/s", 14)
    parts, said, taken = axes.parts(), [], []
    for name, (speed, stroke, dash) in known.items():
        y = axes.y(speed)
        parts.append(
            f'<path d="M{axes.left} {y:.1f}H{axes.right}" stroke="{stroke}" stroke-width="2" '
            f'stroke-dasharray="{dash}" class="level"/>'
        )
        parts.append(outlined(axes.right - 4, _free(y - 6, taken), f"{name} {digits(speed)}/s", "end"))
        said.append(f"{name}: {digits(speed)} tokens/s")
    if points:
        stroke, _ = STROKES[0]
        times = running_mean([(token, 1 / speed) for token, speed in points], SMOOTH)
        parts.append(line(axes, points, stroke, 'stroke-width="1" opacity="0.3"'))
        parts.append(line(axes, [(x, 1 / time) for x, time in times], stroke, 'stroke-width="2.5" class="curve"'))
        said.append(f"measured: {digits(points[-1][1])} tokens/s after {points[-1][0]:.0f} tokens")
    else:
        parts.append(words((axes.left + axes.right) / 2, HEIGHT / 2, "no tokens written", "middle", opacity=0.6))
    return picture("tokens/s while it decodes", "; ".join(said) or "no tokens written", parts)


def access(probe: Probe) -> str:
    """A kind of probe in words: read, 2 threads, 16 bits."""
    words = [probe.name, f"{probe.threads} thread" + "s" * (probe.threads > 1)]
    return ", ".join(words + [f"{probe.bits} bits"] * (probe.bits != 32))


def probes_svg(probes: Sequence[Probe]) -> str:
    """An SVG of GB/s against working set, a line for each kind of access and number of threads and bits."""
    shown = [probe for probe in probes if probe.unit == "GB/s"]
    x_ticks = [2.0**power for power in range(1, 10, 2)]
    if shown:
        sizes = [probe.working_set_mib for probe in shown]
        first, last = math.floor(math.log2(min(sizes))), math.ceil(math.log2(max(sizes)))
        x_ticks = [2.0**power for power in range(first, max(last, first + 1) + 1)]
    axes = Axes(
        x_ticks,
        round_ticks(0, max(probe.p90 for probe in shown)) if shown else [],
        "working set (MiB)",
        "GB/s",
        14,
        logarithmic=True,
    )
    parts, said = axes.parts(), []
    lines: dict[str, list[tuple[Number, Number]]] = {}
    for probe in sorted(shown, key=lambda probe: probe.working_set_mib):
        lines.setdefault(access(probe), []).append((probe.working_set_mib, probe.median))
    order = dict.fromkeys(access(probe) for probe in shown)  # a new line leaves the others their colours
    for number, (label, (stroke, dash)) in enumerate(zip(order, itertools.cycle(STROKES), strict=False)):
        points = lines[label]
        parts.append(line(axes, points, stroke, f'stroke-width="2.5" stroke-dasharray="{dash}" class="curve"'))
        dots = "".join(f'<circle cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="4"/>' for x, y in points)
        parts.append(f'<g fill="{stroke}" stroke="none">{dots}</g>')
        x, y = axes.right - 190, TOP + 16 + 18 * number
        parts.append(
            f'<path d="M{x} {y}h26" stroke="{stroke}" stroke-width="2.5" stroke-dasharray="{dash}" fill="none"/>'
        )
        parts.append(outlined(x + 32, y + 5, label))
        said.append(f"{label}: " + ", ".join(f"{digits(y)} at {x:g} MiB" for x, y in points))
    if not shown:
        parts.append(words((axes.left + axes.right) / 2, HEIGHT / 2, "no probe yet", "middle", opacity=0.6))
    return picture("memory bandwidth of this machine by working set", "; ".join(said) or "no probe yet", parts)


def fit_svg(fit: Fit) -> str:
    """An SVG of a bar of weights, KV cache and activations, and the line where one app's share of the memory ends."""
    most = max(fit.total_mib, fit.budget_mib or 0)
    axes = Axes(round_ticks(0, most * 1.05, most=5), [], "MiB", f"memory on {fit.device.name}", 14)
    x, y, height = axes.x, TOP + 40, 56
    parts, said, start = axes.parts(), [], 0.0
    for number, ((name, field), (stroke, _)) in enumerate(zip(PARTS, STROKES, strict=False)):
        size = getattr(fit, field)
        width = max(0.5, x(start + size) - x(start))
        parts.append(f'<rect x="{x(start):.1f}" y="{y}" width="{width:.1f}" height="{height}" fill="{stroke}"/>')
        row = y + height + 20 + 18 * number
        parts.append(f'<rect x="{axes.left + 4}" y="{row - 11}" width="12" height="12" fill="{stroke}"/>')
        parts.append(outlined(axes.left + 22, row, f"{name} {digits(size)} MiB"))
        said.append(f"{name} {digits(size)} MiB")
        start += size
    if fit.budget_mib is None:
        parts.append(words(axes.left, y - 8, "the device's memory is unknown"))
        said.append("the device's memory is unknown")
    else:
        at = x(fit.budget_mib)
        parts.append(
            f'<path d="M{at:.1f} {y - 8}v{height + 16}" stroke="currentColor" stroke-width="2.5" '
            'stroke-dasharray="6 3" class="budget"/>'
        )
        anchor = "end" if at > WIDTH / 2 else "start"
        parts.append(outlined(at, y - 12, f"one app may take {digits(fit.budget_mib)}", anchor))
        said.append(f"one app may take {digits(fit.budget_mib)} MiB")
    return picture(f"memory on {fit.device.name}", "; ".join(said), parts)


def _free(y: Number, taken: list[Number]) -> Number:
    """The place nearest above `y` where no other label stands; it is added to `taken`."""
    while any(abs(y - other) < 15 for other in taken):
        y -= 3
    taken.append(y)
    return y
