"""Chapter 2's results in, matplotlib figures out."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.paper import COLORS


def _depth_axis(axes: Axes, depths: list[int]) -> None:
    axes.set_xscale("log", base=2)
    ticks = [min(depths)]
    for depth in sorted(set(depths)):
        if depth >= 1.25 * ticks[-1]:  # closer ones would print over each other
            ticks.append(depth)
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def quality_by_depth(spreads: Mapping[str, pd.DataFrame], *, y_label: str, floor: float | None = None) -> Figure:
    """Median over the seeds as a line, lowest to highest as a band; one line per entry of `spreads`.

    Each frame has the columns depth, median, min, max (see `deep_narrow.study.evidence.spread`).
    """
    figure, axes = paper.axes("layers (same number of parameters along a line)", y_label)
    for (name, frame), color, marker in paper.styled(spreads.items()):
        axes.plot(frame["depth"], frame["median"], color=color, marker=marker, label=name)
        axes.fill_between(frame["depth"], frame["min"], frame["max"], color=color, alpha=0.2, linewidth=0)
    if floor is not None:
        axes.axhline(floor, color="0.4", linestyle=":", label="guessing")
    _depth_axis(axes, [depth for frame in spreads.values() for depth in frame["depth"]])
    axes.legend(frameon=False)
    return figure


def learning_curves(frame: pd.DataFrame, *, y_label: str) -> Figure:
    """Score against training step for each depth: median over the seeds, lowest to highest as a band."""
    figure, axes = paper.axes("training steps", y_label)
    for (depth, group), color, marker in paper.styled(frame.groupby("depth")):
        by_step = group.groupby("step")["score"].agg(["median", "min", "max"])
        label = f"{depth} layer" + "s" * (depth > 1)
        axes.plot(by_step.index, by_step["median"], color=color, marker=marker, markersize=4, label=label)
        axes.fill_between(by_step.index, by_step["min"], by_step["max"], color=color, alpha=0.2, linewidth=0)
    axes.legend(frameon=False)
    return figure


def decode_cost(frame: pd.DataFrame) -> Figure:
    """Decode speed by depth relative to the shallowest shape of the same budget; bars span p10 to p90.

    Columns: budget, depth, p10, p50, p90 (tokens/s).
    """
    figure, axes = paper.axes("layers (same number of parameters along a line)", "decode speed,\nshallowest shape = 1")
    for (budget, group), color, marker in paper.styled(frame.groupby("budget")):
        group = group.sort_values("depth")
        best = group["p50"].iloc[0]
        errors = [(group["p50"] - group["p10"]) / best, (group["p90"] - group["p50"]) / best]
        label = f"{budget / 1e6:g}M parameters" if budget >= 1e6 else f"{budget / 1e3:g}k parameters"
        axes.errorbar(group["depth"], group["p50"] / best, errors, color=color, marker=marker, label=label, capsize=3)
    axes.set_ylim(bottom=0)
    _depth_axis(axes, list(frame["depth"]))
    axes.legend(frameon=False)
    return figure


def ladder(frame: pd.DataFrame, *, x_label: str) -> Figure:
    """One row per step of a roadmap, top to bottom: a dot per seed and a bar at their median.

    Columns: step (name), score.
    """
    figure, axes = paper.axes(x_label, "")
    names = list(dict.fromkeys(frame["step"]))
    for y, name in enumerate(names):
        scores = frame.loc[frame["step"] == name, "score"]
        axes.plot(scores, [y] * len(scores), "o", color=COLORS[0], alpha=0.6)
        axes.plot([scores.median()] * 2, [y - 0.3, y + 0.3], color=COLORS[1], linewidth=2)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    return figure


def kv_per_token(rows: Mapping[str, float]) -> Figure:
    """KV cache in KiB per token of each model, 16-bit values."""
    figure, axes = paper.axes("KV cache, KiB per token", "")
    bars = axes.barh(list(rows), list(rows.values()), color=COLORS[0])
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.invert_yaxis()
    return figure
