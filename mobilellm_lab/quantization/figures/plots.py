"""Printed figures of chapter 3"""

import itertools
from collections.abc import Iterable

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter
from torch import Tensor

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.paper import COLORS
from mobilellm_lab.quantization.figures.replay import LEAST_INCREASE
from mobilellm_lab.quantization.grid import Grid, QTensor
from mobilellm_lab.quantization.histogram import histogram
from mobilellm_lab.quantization.study.recipe import FLOAT

INCREASE = "loss increase over float (nats)"
KEYS = {
    "position": "keys per position",
    "delayed": "per position, newest in float",
    "channel": "per channel, newest in float",
}
ONCE = ("loss_increase_nats", "loss_increase_low_nats", "loss_increase_high_nats")  # of one run: its parts


def weights_on_grid(w: Float[Tensor, "R C"], grid: Grid, *, name: str = "the matrix") -> Figure:
    """Histogram of a matrix before (up) and after rounding (down), and the values of its widest group as lines."""
    found = histogram(w, QTensor.of(w, grid))
    figure, axes = paper.axes(f"weights of {name}", "float up, rounded down (each to its own height)")
    edges = np.linspace(-found.end, found.end, len(found.before) + 1)
    for counts, sign, color, label in ((found.before, 1, COLORS[0], "float"), (found.after, -1, COLORS[1], "rounded")):
        heights = sign * np.array(counts) / max(counts)
        sns.histplot(
            x=(edges[:-1] + edges[1:]) / 2,
            weights=heights,
            bins=edges.tolist(),
            color=color,
            alpha=1,
            label=label,
            ax=axes,
        )
    for value in found.values if len(found.values) <= 32 else (found.values[0], found.values[-1]):
        axes.axvline(value, color="0.4", linewidth=0.8)
    axes.axhline(0, color="0.2", linewidth=0.8)
    scales = f"{found.groups:,} scale" + "s" * (found.groups > 1)
    axes.set_title(f"{grid.bits:g} bits, {scales}: error {100 * found.error:.3g} %", fontsize=paper.TEXT)
    axes.set_yticks([])
    paper.legend(axes)
    return figure


def activations(frame: pd.DataFrame) -> Figure:
    """Loss increase by bits of the activations: dynamic, and static by how its range was chosen; weights in float.

    `frame` is `study.evidence.runs(store, "activations")` of one model.
    """
    plain = frame[frame["bits"] == FLOAT]
    names = plain["activation"].where(plain["activation"] == "dynamic", "static, " + plain["ranges"])
    figure, axes = paper.axes("bits of an activation", INCREASE)
    _bands(axes, plain.assign(line=names), "activation_bits")
    _log_axis(axes, plain["activation_bits"])
    return figure


def calibrated_on(frame: pd.DataFrame) -> Figure:
    """Loss increase by what was calibrated on, a dot for each seed and a bar at their median, row by row.

    `frame` is `study.evidence.runs(store, "data")` of one model.
    """
    what = frame["method"].str.upper().where(frame["bits"] != FLOAT, "static 8-bit activations")
    figure, axes = paper.axes(INCREASE, "")
    rows = frame.assign(row=what + ": " + frame["data"], what=what).sort_values("what", kind="stable")
    rows["nats"] = rows["loss_increase_nats"].clip(lower=LEAST_INCREASE)
    paper.seeds(axes, rows, "nats", "row")
    axes.set_xscale("log")
    paper.plain(axes.xaxis)
    return figure


def sensitivity(frame: pd.DataFrame) -> Figure:
    """Heat map of the loss increase that each matrix alone costs, from the first block to the last, by bits.

    `frame` is `study.evidence.sensitivity` of one model.
    """
    figure, axes = paper.axes("", "")
    table = frame.pivot(index="bits", columns="matrix", values="loss_increase_nats")[frame["matrix"].unique()]
    table = table.clip(lower=LEAST_INCREASE).rename(index="{:g}".format)
    sns.heatmap(table, norm=LogNorm(), cmap="flare", cbar_kws={"location": "top"}, ax=axes)
    (mesh,) = axes.collections
    mesh.set_edgecolor("face")  # no seams between the cells
    bar = mesh.colorbar
    bar.set_label("loss increase (nats)", fontsize=paper.TEXT)
    bar.ax.tick_params(labelsize=paper.TEXT)
    paper.plain(bar.ax.xaxis)
    firsts = {name.split(".")[1]: at for at, name in reversed(list(enumerate(table))) if name.startswith("blocks.")}
    axes.set_xticks(list(firsts.values()), list(firsts), rotation=0)
    axes.tick_params("y", rotation=0)
    axes.set(xlabel="block of the matrix; left of 0 the embedding", ylabel="bits of a weight")
    worst = frame.loc[frame["loss_increase_nats"].idxmax(), "matrix"].removesuffix(".weight")
    axes.set_title(f"most sensitive: {worst}", fontsize=paper.TEXT)
    return figure


def kv(frame: pd.DataFrame) -> Figure:
    """Loss increase by context, and the bytes of the cache; `frame` is `evidence.kv_by_context` of a model.

    A line per number of bits, or per kind of keys if there are several; the cache in float is in the lower panel.

    Raises:
        ValueError: several numbers of bits, and several kinds of keys.
    """
    figure, (above, below) = paper.panels(rows=2, sharex=True, figsize=(paper.SIZE[0], 1.6 * paper.SIZE[1]))
    whole, few = frame[frame["kv_bits"] == FLOAT], frame[frame["kv_bits"] != FLOAT]
    bits = few["kv_bits"].astype(str) + " bits"
    if few["keys"].nunique() > 1 and few["kv_bits"].nunique() > 1:
        raise ValueError(f"kv_bits={few['kv_bits'].unique()}, keys={few['keys'].unique()}: keep one of either")
    few = few.assign(kib=few["bytes"] / 1024, line=few["keys"].map(KEYS) if few["keys"].nunique() > 1 else bits)
    few["loss_increase_nats"] = few["loss_increase_nats"].clip(lower=LEAST_INCREASE)
    paper.lines(above, few, "context", "loss_increase_nats", "line")
    paper.lines(below, few, "context", "kib", "line")
    below.plot(whole["context"], whole["bytes"] / 1024, color="0.4", linestyle=":")
    below.annotate("float", (whole["context"].iloc[0], whole["bytes"].iloc[0] / 1024), (0, 9), fontsize=paper.TEXT,
                   textcoords="offset points", color="0.3")  # fmt: skip
    above.set_yscale("log")
    if few["loss_increase_nats"].max() < 10 * few["loss_increase_nats"].min():
        above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # else a single number would stand there
    paper.plain(above.yaxis)
    above.set(ylabel="loss increase in the\nsecond half (nats)")
    below.set(xlabel="context (tokens)", ylabel="KiB of the cache")
    _log_axis(below, frame["context"])
    below.set_yscale("log", base=2)
    below.yaxis.set_major_formatter(ScalarFormatter())
    above.get_legend().remove()
    paper.legend(below, columns=3)
    return figure


def _bands(axes: Axes, frame: pd.DataFrame, x: str) -> None:
    """For each `line` the median loss increase and its range over seeds, or over the parts of a test measured once."""
    once = frame.groupby(["line", x])[x].transform("size") == 1
    parts = frame.assign(once=once).melt(["line", x, "once"], [c for c in ONCE if c in frame], "part", "nats")
    parts = parts[parts["once"] | (parts["part"] == ONCE[0])]
    paper.lines(axes, parts.assign(nats=parts["nats"].clip(lower=LEAST_INCREASE)), x, "nats", "line")
    axes.set_yscale("log")
    paper.plain(axes.yaxis)
    paper.legend(axes)


def _log_axis(axes: Axes, values: Iterable) -> None:
    """Plain numbers where something was measured."""
    ticks = sorted({float(value) for value in values})
    least = (ticks[-1] / ticks[0]) ** 0.1  # between two labels that do not touch; a fraction gives way
    crowded = {tick for tick, after in itertools.pairwise(ticks) if after < least * tick and tick % 1}
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, ["" if tick in crowded else f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
