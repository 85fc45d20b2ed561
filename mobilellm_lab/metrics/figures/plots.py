"""Chapter 7's printed figures"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.paper import COLORS
from mobilellm_lab.constraints import Budget
from mobilellm_lab.constraints.figures.budget import draw_budget
from mobilellm_lab.measuring import Comparison, InMemory, Interval, Latency, Measured, OnDisk, Theoretical, pareto

FAINT = "0.6"
PERCENTILES = {50: "o", 95: "s", 99: "^"}  # and their markers
MARKS = "circle p50, square p95, triangle p99,\ndashed the mean"
VERDICTS = {  # colour and marker of a comparison
    "a is faster": (COLORS[0], "o"),
    "b is faster": (COLORS[1], "s"),
    "not distinguishable": (FAINT, "D"),
}


def four_columns(rows: Mapping[str, Sequence]) -> Figure:
    """Bars of a picture per column, so that nobody reads across them.

    Args:
        rows: theoretical, on disk, in memory and measured of each model; None on disk where there is no file.

    Raises:
        ValueError: no rows, or a quantity that stands in another's column.
    """
    if not rows:
        raise ValueError("rows are empty: give at least one model")
    kinds = {"theoretical": Theoretical, "on disk": OnDisk, "in memory": InMemory, "measured": Measured}
    for name, row in rows.items():
        for found, (column, kind) in zip(row, kinds.items(), strict=True):
            if not isinstance(found, kind) and not (found is None and kind is OnDisk):
                raise ValueError(f"row {name!r}: {found} stands in the column {column!r}, put it into its own")
    figure, found = paper.panels(rows=2, columns=2, sharey=True, figsize=(paper.SIZE[0], 2 + 0.8 * len(rows)))
    for i, (axes, column, color) in enumerate(zip(found, kinds, COLORS, strict=False)):
        values = [row[i] for row in rows.values()]
        numbers = [0.0 if value is None else value.ms if isinstance(value, Measured) else value.mib for value in values]
        bars = axes.barh(list(rows), numbers, color=color)
        labels = ["no file" if value is None else _digits(n) for value, n in zip(values, numbers, strict=True)]
        axes.bar_label(bars, labels, padding=2, fontsize=paper.TEXT)
        axes.set(title=column, xlabel="ms" if column == "measured" else "MiB", xticks=[])
        axes.margins(x=0.6)
        axes.spines["bottom"].set_visible(False)
    found[0].invert_yaxis()
    return figure


def latency_distribution(latencies: Mapping[str, Latency], *, x_label: str = "ms") -> Figure:
    """The share of calls that took no longer, with p50, p95 and p99 marked and the mean as a dashed line."""
    figure, axes = paper.axes(x_label, "share of calls that took no longer")
    for (name, latency), color, _ in paper.styled(latencies.items()):
        label = ", ".join(f"p{percent} {_digits(latency.percentile_ms(percent))}" for percent in PERCENTILES)
        sns.ecdfplot(x=latency.samples_ms, color=color, label=f"{name}: {label}", ax=axes)
        for percent, marker in PERCENTILES.items():
            axes.plot(latency.percentile_ms(percent), percent / 100, marker, color=color)
        axes.axvline(latency.mean_ms, color=color, linestyle="--", linewidth=1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(0, 1.03)
    axes.set_xscale("log")
    _plain_ticks(axes)
    paper.legend(axes, columns=1, title=MARKS)
    return figure


def comparison_intervals(comparisons: Mapping[str, Comparison]) -> Figure:
    """One comparison per row: the ratio b / a with its interval, which tells a difference where it leaves out 1.

    Too few pairs have no interval: their line leaves the picture on both sides.
    """
    figure, axes = paper.axes("time of b / time of a", "")
    ends = pd.DataFrame({name: (c.ratio_low, c.ratio, c.ratio_high) for name, c in comparisons.items()})
    seen = [1.0, *ends.where((ends > 0) & (ends < np.inf)).stack()]
    left, right = min(seen) / 1.05, max(seen) * 1.05
    _intervals(axes, ends.clip(left / 2, 2 * right), {name: c.verdict for name, c in comparisons.items()}, VERDICTS)
    axes.axvline(1, color="0.4", linestyle=":")
    axes.set_xscale("log")
    axes.set_xlim(left, right)
    _plain_ticks(axes)
    paper.legend(axes, columns=3)
    return figure


def quality_intervals(intervals: Mapping[str, Interval], *, x_label: str) -> Figure:
    """One value per row with its interval, the numbers beside it."""
    figure, axes = paper.axes(x_label, "")
    ends = pd.DataFrame({name: (i.low, i.value, i.high) for name, i in intervals.items()})
    _intervals(axes, ends, dict.fromkeys(intervals, ""), {"": (COLORS[0], "o")})
    for y, (low, value, high) in enumerate(ends.to_numpy().T):
        words = f"{_digits(value)} ({_digits(low)} to {_digits(high)})"
        axes.annotate(words, (value, y), (0, 8), textcoords="offset points", ha="center", fontsize=paper.TEXT)
    axes.margins(x=0.25)  # room for the words
    return figure


def _intervals(axes: Axes, ends: pd.DataFrame, kinds: Mapping[str, str], looks: Mapping[str, tuple]) -> None:
    """A row for each column of `ends` (low, middle, high), in the colour and with the marker of its kind."""
    frame = ends.melt(var_name="name", value_name="end")
    colors, markers = zip(*looks.values(), strict=True)
    sns.pointplot(
        frame, x="end", y="name", hue=frame["name"].map(kinds), hue_order=list(looks), palette=colors,
        markers=list(markers), linestyle="none", legend=len(looks) > 1, ax=axes, **paper.SPREAD
    )  # fmt: skip
    paper.rows(axes, ends.columns)


def pareto_front(
    points: pd.DataFrame,
    better: Mapping[str, str],
    *,
    labels: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    read_bytes: int = 0,
) -> Figure:
    """Candidates by the two columns of `better`; those that no other beats are joined, the others are faint.

    Args:
        points: a row per candidate, its name in the index.
        better: the column of x and the column of y, each "lower" or "higher".
        labels: what the axes say, by column; a column's own name where it is left out.
        budget: draws a device's line across x: the MiB of one app, or with `read_bytes` the most tokens/s.

    Raises:
        ValueError: not two columns; and what `measuring.pareto` refuses.
    """
    if len(better) != 2:
        raise ValueError(f"better={dict(better)}: name two columns, the one of x and the one of y")
    x, y = better
    labels = {x: x, y: y} | dict(labels or {})
    front = pareto(points[[x, y]].to_dict("records"), better)
    arrows = {"lower": "lower is better", "higher": "higher is better"}
    figure, axes = paper.axes(f"{labels[x]} ({arrows[better[x]]})", f"{labels[y]} ({arrows[better[y]]})")
    best = points.iloc[front].sort_values([x, y])
    rest = points.drop(points.index[front])
    axes.plot(rest[x], rest[y], "x", color=FAINT, label="beaten by another")
    corner = "steps-post" if better[x] == "lower" else "steps-pre"  # between two points the worse of their y holds
    axes.plot(best[x], best[y], "o-", drawstyle=corner, color=COLORS[0], label="on the front")
    for name, row in points.iterrows():
        axes.annotate(str(name), (row[x], row[y]), xytext=(5, 5), textcoords="offset points", fontsize=paper.TEXT)
    if budget is not None:
        draw_budget(axes, budget, read_bytes=read_bytes)
    axes.margins(0.15)
    paper.legend(axes)
    return figure


def _plain_ticks(axes: Axes) -> None:
    """Plain numbers on a logarithmic axis, however little of it is seen."""
    low, high = axes.get_xlim()
    ticks = [m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    if len(ticks) < 3:  # less than a decade: as on a linear axis
        ticks = [tick for tick in MaxNLocator(6).tick_values(low, high) if low <= tick <= high]
    axes.set_xticks(ticks[:: -(-len(ticks) // 8)])
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _digits(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
