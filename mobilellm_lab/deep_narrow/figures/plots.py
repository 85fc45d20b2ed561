"""Chapter 2's results in, printed figures out."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.paper import COLORS
from mobilellm_lab.deep_narrow.figures.replay import short

DEPTH = "layers (equal parameters along a line)"


def _depth_axis(axes: Axes, depths: pd.Series) -> None:
    axes.set_xscale("log", base=2)
    ticks = [depths.min()]
    for depth in sorted(set(depths)):
        if depth >= 1.25 * ticks[-1]:  # closer ones would print over each other
            ticks.append(depth)
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def quality_by_depth(frame: pd.DataFrame, *, y_label: str, floor: float | None = None) -> Figure:
    """Score by depth: the median over the seeds as a line, lowest to highest as a band, a line per budget.

    `frame` is `deep_narrow.study.evidence.reported` of one task.
    """
    figure, axes = paper.axes(DEPTH, y_label)
    paper.lines(axes, frame.assign(line=frame["budget"].map(short) + " parameters"), "depth", "score", "line")
    if floor is not None:
        axes.axhline(floor, color="0.4", linestyle=":", label="guessing")
    _depth_axis(axes, frame["depth"])
    paper.legend(axes)
    return figure


def learning_curves(frame: pd.DataFrame, *, y_label: str) -> Figure:
    """Score against training step for each depth: median over the seeds, lowest to highest as a band."""
    figure, axes = paper.axes("training steps", y_label)
    names = frame["depth"].map(lambda depth: f"{depth} layer" + "s" * (depth > 1))
    paper.lines(axes, frame.assign(line=names).sort_values("depth"), "step", "score", "line")
    paper.legend(axes, columns=3)
    return figure


def decode_cost(frame: pd.DataFrame) -> Figure:
    """Decode speed by depth relative to the shallowest shape of the same budget; bars span p10 to p90.

    Columns: budget, depth, p10, p50, p90 (tokens/s).
    """
    figure, axes = paper.axes(DEPTH, "decode speed, shallowest shape = 1")
    frame = frame.sort_values(["budget", "depth"])
    frame = frame.assign(
        line=frame["budget"].map(short) + " parameters", best=frame.groupby("budget")["p50"].transform("first")
    )
    repeats = frame.melt(["line", "depth", "best"], ["p10", "p50", "p90"], value_name="speed")
    repeats["speed"] /= repeats["best"]
    paper.lines(axes, repeats, "depth", "speed", "line", err_style="bars")
    axes.set_ylim(bottom=0)
    _depth_axis(axes, frame["depth"])
    paper.legend(axes)
    return figure


def ladder(frame: pd.DataFrame, *, x_label: str) -> Figure:
    """One row per step of a roadmap, top to bottom: a dot per seed and a bar at their median.

    Columns: step (name), score.
    """
    figure, axes = paper.axes(x_label, "")
    paper.seeds(axes, frame, "score", "step")
    return figure


def kv_per_token(rows: Mapping[str, float]) -> Figure:
    """KV cache in KiB per token of each model, 16-bit values."""
    figure, axes = paper.axes("KV cache, KiB per token", "")
    bars = axes.barh(range(len(rows)), list(rows.values()), color=COLORS[0])
    axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=paper.TEXT)
    axes.margins(x=0.15)
    paper.rows(axes, rows)
    return figure
