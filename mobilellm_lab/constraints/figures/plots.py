"""Chapter 1's results in, printed figures out: roofline, memory, energy, heat, this machine"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.paper import COLORS
from mobilellm_lab.charts.report import digits
from mobilellm_lab.constraints import (
    EFFICIENCY_RANGE,
    PAPER_J_PER_TOKEN_PER_BILLION,
    Check,
    Device,
    Fit,
    Probe,
    Speed,
    budget_of,
    roof_gop_s,
)
from mobilellm_lab.constraints.figures.budget import draw_budget
from mobilellm_lab.constraints.figures.live import access
from mobilellm_lab.constraints.published import EnergyRow, ThrottleRow

ON_PAPER = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}  # of words that a line may cross
CHECKED_WITHIN = 0.10  # of a published number: the band that the chapter sets itself
PREDICTED_WITHIN = 0.25  # of a measurement on the reader's own machine


def roofline(devices: Sequence[Device], work: Mapping[str, Speed]) -> Figure:
    """A roof for each card, the work as a dotted line at its operations per byte, and a marker where it meets a roof.

    The slope is drawn for the lowest to the highest share of the bandwidth that published runs reach; where a card
    does not know its arithmetic the slope goes on dashed, and where it does not know its bandwidth there is no roof.
    """
    if not work:
        raise ValueError("work is empty: give at least one decode_speed or prefill_speed to place under the roofs")
    figure, axes = paper.axes("operations per byte read", "Gop/s that can be reached")
    places = [speed.intensity_op_per_byte for speed in work.values()]
    x = np.geomspace(min(places) / 4, max(places) * 4, 200)
    axes.set(xscale="log", yscale="log", xlim=(x[0], x[-1]))
    for axis in (axes.xaxis, axes.yaxis):
        paper.plain(axis)
    for device, color, marker in paper.styled(devices):
        if not device.bandwidth_gb_s.known:
            axes.plot([], [], " ", label=f"{device.name}: bandwidth unknown")
            continue
        low, high = ([roof_gop_s(device, at, efficiency=share) for at in x] for share in EFFICIENCY_RANGE)
        style = "-" if device.peak_gop_s.known else "--"
        label = device.name + ("" if device.peak_gop_s.known else " (arithmetic unknown)")
        axes.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
        axes.plot(x, high, style, color=color, marker=marker, markevery=[-1], label=label)
        axes.plot(
            places, [roof_gop_s(device, at, efficiency=EFFICIENCY_RANGE[1]) for at in places], marker, color=color
        )
    for (name, at), height in zip(zip(work, places, strict=True), _heights(places), strict=True):
        axes.axvline(at, color="0.5", linestyle=":", zorder=0)
        axes.text(at, height, f" {name}", transform=axes.get_xaxis_transform(), fontsize=paper.TEXT, va="bottom")
    paper.legend(axes)
    return figure


def memory_fit(fits: Mapping[str, Fit]) -> Figure:
    """What each model takes on one card, in MiB: weights, KV cache and activations; the line is what an app may take.

    Raises:
        ValueError: none, or fits of different cards.
    """
    cards = {fit.device.name: fit.device for fit in fits.values()}
    if len(cards) != 1:
        raise ValueError(f"fits on {len(cards)} cards ({', '.join(cards)}): one line needs one card, draw them apart")
    figure, axes = paper.axes("memory, MiB", "")
    start = np.zeros(len(fits))
    for part, color, hatch in zip(("weights", "kv", "activations"), COLORS, ("", "//", ".."), strict=False):
        sizes = np.array([getattr(fit, f"{part}_mib") for fit in fits.values()])
        word = {"kv": "KV cache"}.get(part, part)
        bars = axes.barh(range(len(fits)), sizes, left=start, color=color, hatch=hatch, edgecolor="white", label=word)
        start += sizes
    words = {True: "fits", False: "too large", None: "unknown"}
    totals = [f"{fit.total_mib:,.0f}, {words[fit.fits]}" for fit in fits.values()]
    axes.bar_label(bars, totals, padding=4, fontsize=paper.TEXT, bbox=ON_PAPER)
    axes.margins(x=0.6)
    paper.rows(axes, fits, width=14)
    (device,) = cards.values()
    draw_budget(axes, budget_of(device))
    paper.legend(axes)
    return figure


def published_checks(checks: Sequence[Check]) -> Figure:
    """Predicted over published for each check; the band is 10 % to either side of equal."""
    figure, axes = paper.axes("predicted / published", "")
    axes.axvspan(1 - CHECKED_WITHIN, 1 + CHECKED_WITHIN, color=COLORS[2], alpha=0.2, label="within 10 %")
    axes.axvline(1, color="0.4", linestyle=":")
    for y, check in enumerate(checks):
        ratio = check.predicted / check.published
        axes.plot(ratio, y, "o", color=COLORS[0])
        words = f"{digits(check.predicted)} of {digits(check.published)} {check.unit}"
        axes.annotate(words, (ratio, y), (0, 6), textcoords="offset points", ha="center", fontsize=paper.TEXT)
    axes.margins(x=0.35)
    paper.rows(axes, [check.name for check in checks], width=22)
    paper.legend(axes)
    return figure


def throttling(rows: Sequence[ThrottleRow]) -> Figure:
    """Tokens/s of one answer after the other on the same device, first = 1; the words are the device's own state.

    A device that stays in one state is a dashed line up to the last answer drawn, with its words and marker there.
    """
    figure, axes = paper.axes("answers in a row", "decode speed, first answer = 1")
    last = max(row.iteration for row in rows)
    for name, color, marker in paper.styled(dict.fromkeys(row.device for row in rows)):
        mine = sorted((row for row in rows if row.device == name), key=lambda row: row.iteration)
        x, y = [row.iteration for row in mine], [row.tokens_per_s / mine[0].tokens_per_s for row in mine]
        steady = len(mine) == 1
        if steady:
            axes.plot([*x, last], [*y, *y], "--", color=color, marker=marker, markevery=[-1], label=name)
        else:
            axes.plot(x, y, drawstyle="steps-post", color=color, marker=marker, label=name)
        for row, height in zip(mine, y, strict=True):
            axes.annotate(
                f"{row.tokens_per_s:.1f}/s {row.state}",
                (last if steady else row.iteration, height),
                (6, 6),
                textcoords="offset points",
                fontsize=paper.TEXT,
                ha="right" if steady else "left",
            )
    axes.set_ylim(0, 1.15)
    axes.margins(x=0.15)
    paper.legend(axes, columns=1)
    return figure


def energy(rows: Sequence[EnergyRow]) -> Figure:
    """Measured J per token and billion parameters; the dashed line is the paper's 0.1."""
    figure, axes = paper.axes("J per token and billion parameters", "")
    axes.plot([row.j_per_token_per_billion for row in rows], range(len(rows)), "o", color=COLORS[0], label="measured")
    axes.axvline(PAPER_J_PER_TOKEN_PER_BILLION, color=COLORS[1], linestyle="--", label="the paper's assumption")
    axes.set_xlim(left=0)
    paper.rows(axes, [row.name for row in rows])
    paper.legend(axes)
    return figure


def bandwidth(probes: Sequence[Probe]) -> Figure:
    """Memory bandwidth of this machine by working set, p10 to p90: a line for each kind of access, threads and bits."""
    figure, axes = paper.axes("working set, MiB", "GB/s")
    probes = sorted(probes, key=lambda probe: (probe.name != "read", probe.threads, -probe.bits))
    repeats = [
        (access(probe), probe.working_set_mib, gb_s)
        for probe in probes
        if probe.unit == "GB/s"
        for gb_s in (probe.p10, probe.median, probe.p90)
    ]
    if not repeats:
        raise ValueError(f"{len(probes)} probes, none of them in GB/s: measure with a plan that reads or copies")
    paper.lines(axes, pd.DataFrame(repeats, columns=["access", "mib", "gb_s"]), "mib", "gb_s", "access")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: digits(value)))
    axes.set_ylim(bottom=0)
    paper.legend(axes)
    return figure


def predicted_and_measured(frame: pd.DataFrame) -> Figure:
    """Measured against predicted tokens/s: on the line they agree, in the band within 25 %; bars from p10 to p90.

    Columns: name (a colour each), predicted, p10, p50, p90.
    """
    figure, axes = paper.axes("predicted tokens/s", "measured tokens/s")
    repeats = frame.melt(["name", "predicted"], ["p10", "p50", "p90"], value_name="measured")
    paper.lines(axes, repeats, "predicted", "measured", "name", err_style="bars", linestyle="none")
    values = frame[["predicted", "p10", "p90"]].to_numpy()
    ends = np.array([values.min() / 1.6, values.max() * 1.6])
    axes.plot(ends, ends, color="0.4", linestyle=":")
    axes.fill_between(
        ends, ends * (1 - PREDICTED_WITHIN), ends * (1 + PREDICTED_WITHIN), color="0.5", alpha=0.2, linewidth=0
    )
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: digits(value)))
        axis.set_minor_formatter(NullFormatter())
    paper.legend(axes, columns=3)
    return figure


def _heights(places: Sequence[float]) -> list[float]:
    """Where in the picture each label stands: neighbours on different lines."""
    rank = {place: number for number, place in enumerate(sorted(set(places)))}
    return [0.02 + 0.07 * (rank[place] % 3) for place in places]
