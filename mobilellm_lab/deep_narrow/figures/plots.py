"""Printed figures of chapter 2: score by depth, learning curves, roadmap, KV cache"""

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


def quality_by_depth(frame: pd.DataFrame, *, y_label: str) -> Figure:
    """Score by depth: the median over the seeds as a line, lowest to highest as a band, a line per budget.

    `frame` is `deep_narrow.study.evidence.reported` of one task.
    """
    figure, axes = paper.axes(DEPTH, y_label)
    paper.lines(axes, frame.assign(line=frame["budget"].map(short) + " parameters"), "depth", "score", "line")
    _depth_axis(axes, frame["depth"])
    paper.legend(axes)
    return figure


def learning_curves(frame: pd.DataFrame, *, y_label: str, guessing: float) -> Figure:
    """Score against training step for each depth: median over the seeds, lowest to highest as a band."""
    figure, axes = paper.axes("training steps", y_label)
    names = frame["depth"].map(lambda depth: f"{depth} layer" + "s" * (depth > 1))
    paper.lines(axes, frame.assign(line=names).sort_values("depth"), "step", "score", "line")
    axes.axhline(guessing, color="0.4", linestyle=":", label="guessing")
    axes.set_ylim(bottom=0)
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
