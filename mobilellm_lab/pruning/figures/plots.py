"""Printed figures of chapter 4"""

import re
from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from mobilellm_lab.charts import paper
from mobilellm_lab.pruning.figures.replay import LEAST_INCREASE
from mobilellm_lab.pruning.figures.words import DATA_WORDS, GRANULARITY_WORDS, IMPORTANCE_WORDS, percent

INCREASE = "loss increase over dense (nats)"
ONCE = ("loss_increase_nats", "loss_increase_low_nats", "loss_increase_high_nats")  # of one run: its parts


def by_amount(frame: pd.DataFrame) -> Figure:
    """Loss increase by amount, a line per importance, or per granularity where there are several.

    `frame` is of one model: `study.evidence.runs(store, "grid")` with one comparison group, or of `"groups"`.
    """
    several = frame["granularity"].nunique() > 1
    words = frame["granularity"].map(GRANULARITY_WORDS) if several else frame["importance"].map(IMPORTANCE_WORDS)
    drawn = frame.assign(line=words)
    once = drawn.groupby(["line", "amount"])["amount"].transform("size") == 1
    parts = drawn.assign(once=once).melt(["line", "amount", "once"], list(ONCE), "part", "nats")
    parts = parts[parts["once"] | (parts["part"] == ONCE[0])]
    figure, axes = paper.axes("removed", INCREASE)
    paper.lines(axes, parts.assign(nats=parts["nats"].clip(lower=LEAST_INCREASE)), "amount", "nats", "line")
    axes.set_yscale("log")
    paper.plain(axes.yaxis)
    ticks = sorted(frame["amount"].unique())
    axes.set_xticks(ticks, [percent(tick) for tick in ticks])
    paper.legend(axes)
    return figure


def calibrated_on(frame: pd.DataFrame) -> Figure:
    """Loss increase by what was calibrated on, a dot for each seed and a bar at their median, row by row.

    `frame` is `study.evidence.runs(store, "data")` of one model.
    """
    figure, axes = paper.axes(INCREASE, "")
    rows = frame.assign(row=frame["importance"].map(IMPORTANCE_WORDS) + ": " + frame["data"].map(DATA_WORDS))
    paper.seeds(axes, rows, "loss_increase_nats", "row")
    axes.set_xlim(left=0)
    return figure


def zeros(shares: Mapping[str, float]) -> Figure:
    """Heat map of the share of zeros of every matrix of the blocks; `shares` is `PrunedModel.zeros_by_layer()`."""
    found = [(re.fullmatch(r"blocks\.(\d+)\.\w+\.(\w+)\.weight", name), share) for name, share in shares.items()]
    cells = pd.DataFrame(
        [(int(m[1]), m[2], 100 * share) for m, share in found if m], columns=["block", "part", "zeros"]
    )
    table = cells.pivot(index="part", columns="block", values="zeros").loc[cells["part"].unique()]
    return _heat_map(table, label="zeros (%)", vmin=0, vmax=100)


def sensitivity(frame: pd.DataFrame) -> Figure:
    """Heat map of the loss increase that each matrix alone costs, from the first block to the last, by amount.

    `frame` is `study.evidence.scans` of one model.
    """
    table = frame.pivot(index="amount", columns="layer", values="loss_increase_nats")[frame["layer"].unique()]
    figure = _heat_map(table.clip(lower=LEAST_INCREASE).rename(index=percent), label=INCREASE, norm=LogNorm())
    axes, bar = figure.axes
    paper.plain(bar.xaxis)
    firsts = {name.split(".")[1]: at for at, name in reversed(list(enumerate(table)))}
    axes.set_xticks(list(firsts.values()), list(firsts), rotation=0)
    axes.set(xlabel="block of the matrix", ylabel="removed")
    worst = frame.loc[frame["loss_increase_nats"].idxmax(), "layer"].removesuffix(".weight")
    axes.set_title(f"most sensitive: {worst}", fontsize=paper.TEXT)
    return figure


def recovered(frame: pd.DataFrame) -> Figure:
    """Loss above the dense model with the same training: single weights pruned, then fine-tuned, and small models.

    `frame` is `study.evidence_recovery.recoveries` of one model.
    """
    held = frame[(frame["granularity"] == "weight") & (frame["masks"] == "held") & (frame["amount"] > 0)]
    once = held[held["arm"] == "one-shot"]
    before = once.assign(damage_nats=once["damage_nats"] + once["start_nats"] + once["cost_nats"] - once["loss_nats"])
    twins = held[held["arm"] == "scratch: seconds"]
    gradual = held[held["arm"] == "gradual"]
    named = {"pruned": before, "fine-tuned": once, "gradually pruned": gradual, "small, from random weights": twins}
    drawn = pd.concat([own.assign(line=name) for name, own in named.items()])
    figure, axes = paper.axes("removed", "above the dense model with the same training (nats)")
    paper.lines(axes, drawn.assign(nats=drawn["damage_nats"].clip(lower=LEAST_INCREASE)), "amount", "nats", "line")
    axes.set_yscale("log")
    paper.plain(axes.yaxis)
    ticks = sorted(held["amount"].unique())
    axes.set_xticks(ticks, [percent(tick) for tick in ticks])
    paper.legend(axes)
    return figure


def _heat_map(table: pd.DataFrame, *, label: str, **colors: object) -> Figure:
    figure, axes = paper.axes("", "")
    sns.heatmap(table, cmap="flare", cbar_kws={"location": "top"}, ax=axes, **colors)
    (mesh,) = axes.collections
    mesh.set_edgecolor("face")  # no seams between the cells
    mesh.colorbar.set_label(label, fontsize=paper.TEXT)
    mesh.colorbar.ax.tick_params(labelsize=paper.TEXT)
    axes.tick_params("y", rotation=0)
    axes.set(ylabel="")
    return figure
