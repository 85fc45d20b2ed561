"""Chapter 3's results in, printed figures out."""

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter
from torch import Tensor

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.paper import COLORS
from mobilellm_lab.quantization.figures.replay import ARM_WORDS, LEAST_INCREASE
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR, Grid, QTensor
from mobilellm_lab.quantization.histogram import histogram
from mobilellm_lab.quantization.study.evidence import ARMS
from mobilellm_lab.quantization.study.recipe import FLOAT

LEAST_QUOTIENT = 1e-3  # nats; two loss increases as small as this are not divided by each other
INCREASE = "loss increase over float (nats)"
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


def loss_increase_by_bits(lines: Mapping[str, pd.DataFrame]) -> Figure:
    """How much the loss rises over float by bits of a weight, logarithmic; one line with its band per entry.

    Each frame holds runs as in `study.evidence.runs`.
    """
    figure, axes = paper.axes("bits of a weight", INCREASE)
    frame = pd.concat(lines, names=["line"]).reset_index("line")
    _bands(axes, frame, "bits")
    _log_axis(axes, frame["bits"])
    return figure


def crossover(frame: pd.DataFrame, *, arms: tuple[str, ...] = ARMS) -> Figure:
    """Loss by bits for rounding after training and QAT, with the float model as a dotted line.

    `frame` is `study.evidence.crossover`; a line is the median over the seeds in a band from lowest to highest.
    """
    figure, axes = paper.axes("bits of a weight", "loss on test sequences (nats)")
    ends = frame.melt("bits", [f"{arm} {what}" for arm in arms for what in ("median", "min", "max")], value_name="loss")
    ends["arm"] = ends["variable"].str.rpartition(" ")[0].map(ARM_WORDS)
    paper.lines(axes, ends, "bits", "loss", "arm")
    axes.axhline(frame["float_nats"].iloc[0], color="0.4", linestyle=":", label="float")
    _log_axis(axes, frame["bits"])
    paper.legend(axes)
    return figure


def paretoq(frame: pd.DataFrame, *, column: str = "perplexity") -> Figure:
    """ParetoQ's published numbers by bits, a line per size of MobileLLM; `frame` is `study.evidence.paretoq`."""
    words = {"perplexity": "perplexity (WikiText), published", "accuracy": "accuracy, % (8 tasks), published"}
    if column not in words:
        raise ValueError(f"column={column!r}: choose one of {', '.join(words)}")
    figure, axes = paper.axes("bits of a weight", words[column])
    paper.lines(axes, frame.assign(line="MobileLLM-" + frame["model"]), "bits", column, "line")
    _log_axis(axes, frame["bits"])
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


def planted(frame: pd.DataFrame, *, kind: str) -> Figure:
    """Loss increase by how much larger the planted outliers are; one line per granularity, as it is and rotated.

    `frame` is `study.evidence.runs(store, "planted")` of one model; `kind` "weights" or "activations".
    """
    of_weights = frame["activation_bits"] == FLOAT
    chosen = frame[(of_weights if kind == "weights" else ~of_weights) & frame["planted"].isin([kind, "none"])]
    scale = chosen["group_size"].map({TENSOR: "a scale for the matrix", CHANNEL: "a scale for a row"})
    if kind == "activations":
        scale = chosen["activation"].map({"dynamic": "a scale for a token", "static": "a scale for all tokens"})
    names = scale + chosen["rotate"].map({False: "", True: ", rotated"})
    figure, axes = paper.axes("outliers are so many times larger", INCREASE)
    _bands(axes, chosen.assign(line=names), "factor")
    _log_axis(axes, chosen["factor"])
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


def mixed(frame: pd.DataFrame) -> Figure:
    """Loss increase by bytes: all matrices with the same bits, or each with its own, the bytes being equal.

    `frame` is `study.evidence.mixed` of one model; bars span the four parts of the test sequences.
    """
    figure, axes = paper.axes("KiB of all matrices", INCREASE)
    names = frame["kind"].map({"uniform": "the same bits everywhere", "mixed": "bits by matrix"})
    _bands(axes, frame.assign(line=names, kib=frame["bytes"] / 1024), "kib", err_style="bars")
    return figure


def kv(frame: pd.DataFrame) -> Figure:
    """Loss increase by context, and the bytes of the cache; `frame` is `evidence.kv_by_context` of a model."""
    figure, (above, below) = paper.panels(rows=2, sharex=True, figsize=(paper.SIZE[0], 1.6 * paper.SIZE[1]))
    whole, few = frame[frame["kv_bits"] == FLOAT], frame[frame["kv_bits"] != FLOAT]
    keys = ("per " + few["keys"]).replace("per delayed", "delayed")
    few = few.assign(kib=few["bytes"] / 1024, line=few["kv_bits"].astype(str) + " bits, keys " + keys)
    paper.lines(above, few, "context", "loss_increase_nats", "line")
    paper.lines(below, few, "context", "kib", "line")
    below.plot(whole["context"], whole["bytes"] / 1024, color="0.4", linestyle=":", label="float")
    above.set(ylabel="loss increase in the\nsecond half (nats)")
    below.set(xlabel="context (tokens)", ylabel="KiB of the cache")
    _log_axis(below, frame["context"])
    below.set_yscale("log", base=2)
    below.yaxis.set_major_formatter(ScalarFormatter())
    above.get_legend().remove()
    paper.legend(below)
    return figure


def deep_and_wide(frame: pd.DataFrame) -> Figure:
    """How many times the loss of the deep model rises for once of the wide one, by bits; equal where the line is.

    `frame` is `study.evidence.deep_and_wide` of one method and group size; a line per task. Where a loss hardly
    rises, its quotient means nothing, and is left out.
    """
    figure, axes = paper.axes("bits of a weight", "loss increase of deep / of wide")
    frame = frame[frame[["deep", "wide"]].min(axis=1) >= LEAST_QUOTIENT]
    paper.lines(axes, frame, "bits", "ratio", "task")
    axes.axhline(1, color="0.4", linestyle=":")
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(ScalarFormatter())
    _log_axis(axes, frame["bits"])
    paper.legend(axes)
    return figure


def fragility(frame: pd.DataFrame, *, group_size: int = 32) -> Figure:
    """Loss increase by depth at equal parameters, a line for each number of bits: median and range of the seeds.

    `frame` is `study.evidence.fragility`.
    """
    figure, axes = paper.axes("layers (equal parameters along a line)", INCREASE)
    frame = frame[frame["group_size"] == group_size].sort_values("bits")
    _bands(axes, frame.assign(line=frame["bits"].map("{:g} bits".format)), "depth")
    _log_axis(axes, frame["depth"])
    return figure


def _bands(axes: Axes, frame: pd.DataFrame, x: str, **options: object) -> None:
    """For each `line` the median loss increase and its range over seeds, or over the parts of a test measured once."""
    once = frame.groupby(["line", x])[x].transform("size") == 1
    parts = frame.assign(once=once).melt(["line", x, "once"], [c for c in ONCE if c in frame], "part", "nats")
    parts = parts[parts["once"] | (parts["part"] == ONCE[0])]
    paper.lines(axes, parts.assign(nats=parts["nats"].clip(lower=LEAST_INCREASE)), x, "nats", "line", **options)
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
