"""Chapter 3's results in, matplotlib figures out."""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter
from torch import Tensor

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.paper import COLORS
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR, Grid, QTensor
from mobilellm_lab.quantization.histogram import histogram
from mobilellm_lab.quantization.study.evidence import ARMS, spread
from mobilellm_lab.quantization.study.recipe import FLOAT

LEAST_INCREASE = 1e-4  # nats; what is closer to float, or better, is drawn here
LEAST_QUOTIENT = 1e-3  # nats; two loss increases as small as this are not divided by each other
ARM_WORDS = dict(
    zip(
        ARMS,
        (
            "rounded to nearest",
            "GPTQ",
            "trained on, then rounded",
            "trained on, then GPTQ",
            "trained with the grid",
        ),
        strict=True,
    )
)


def weights_on_grid(w: Float[Tensor, "R C"], grid: Grid, *, name: str = "the matrix") -> Figure:
    """Histogram of a matrix before (up) and after rounding (down), and the values of its widest group as lines."""
    found = histogram(w, QTensor.of(w, grid))
    figure, axes = paper.axes(f"weights of {name}", "float up, rounded down\n(each to its own height)")
    edges = np.linspace(-found.end, found.end, len(found.before) + 1)
    for counts, sign, color, label in ((found.before, 1, COLORS[0], "float"), (found.after, -1, COLORS[1], "rounded")):
        heights = sign * np.array(counts) / max(counts)
        axes.bar(edges[:-1], heights, np.diff(edges), align="edge", color=color, label=label)
    for value in found.values if len(found.values) <= 32 else (found.values[0], found.values[-1]):
        axes.axvline(value, color="0.4", linewidth=0.8)
    axes.axhline(0, color="0.2", linewidth=0.8)
    scales = f"{found.groups:,} scale" + "s" * (found.groups > 1)
    axes.set_title(f"{grid.bits:g} bits, {scales}: error {100 * found.error:.3g} %", fontsize=10)
    axes.set_yticks([])
    axes.legend(frameon=False)
    return figure


def loss_increase_by_bits(lines: Mapping[str, pd.DataFrame]) -> Figure:
    """How much the loss rises over float by bits of a weight, logarithmic; one line with its band per entry.

    Each frame has the columns bits, median, min, max (see `quantization.evidence.spread`).
    """
    figure, axes = paper.axes("bits of a weight", "loss increase over float (nats)")
    for (name, frame), color, marker in paper.styled(lines.items()):
        _band(axes, frame.sort_values("bits"), "bits", name, color, marker)
    axes.set_yscale("log")
    _bits_axis(axes, [bits for frame in lines.values() for bits in frame["bits"]])
    axes.legend(frameon=False)
    return figure


def crossover(frame: pd.DataFrame, *, arms: tuple[str, ...] = ARMS) -> Figure:
    """Loss by bits for rounding after training and training with the grid, with the float model as a dotted line.

    `frame` is `quantization.evidence.crossover`; a line is the median over the seeds in a band from lowest to highest.
    """
    figure, axes = paper.axes("bits of a weight", "loss on test sequences (nats)")
    for arm, color, marker in paper.styled(arms):
        axes.plot(frame["bits"], frame[f"{arm} median"], color=color, marker=marker, label=ARM_WORDS[arm])
        axes.fill_between(frame["bits"], frame[f"{arm} min"], frame[f"{arm} max"], color=color, alpha=0.2, linewidth=0)
    axes.axhline(frame["float_nats"].iloc[0], color="0.4", linestyle=":", label="float")
    _bits_axis(axes, frame["bits"])
    axes.legend(frameon=False)
    return figure


def paretoq(frame: pd.DataFrame, *, column: str = "perplexity") -> Figure:
    """ParetoQ's published numbers by bits, a line per size of MobileLLM; `frame` is `quantization.evidence.paretoq`."""
    words = {"perplexity": "perplexity (WikiText), published", "accuracy": "accuracy, % (8 tasks), published"}
    if column not in words:
        raise ValueError(f"column={column!r}: choose one of {', '.join(words)}")
    figure, axes = paper.axes("bits of a weight", words[column])
    for (model, group), color, marker in paper.styled(frame.groupby("model", sort=False)):
        group = group.sort_values("bits")
        axes.plot(group["bits"], group[column], color=color, marker=marker, label=f"MobileLLM-{model}")
    _bits_axis(axes, frame["bits"])
    axes.legend(frameon=False)
    return figure


def activations(frame: pd.DataFrame) -> Figure:
    """Loss increase by bits of the activations: dynamic, and static by how its range was chosen; weights in float.

    `frame` is `quantization.evidence.runs(store, "activations")` of one model.
    """
    plain = frame[frame["bits"] == FLOAT]
    names = plain["activation"].where(plain["activation"] == "dynamic", "static, " + plain["ranges"])
    table = spread(plain.assign(line=names), ["line", "activation_bits"]).rename(columns={"activation_bits": "bits"})
    figure = loss_increase_by_bits(dict(list(table.groupby("line", sort=False))))
    figure.axes[0].set_xlabel("bits of an activation")
    return figure


def planted(frame: pd.DataFrame, *, kind: str) -> Figure:
    """Loss increase by how much larger the planted outliers are; one line per granularity, as it is and rotated.

    `frame` is `quantization.evidence.runs(store, "planted")` of one model; `kind` "weights" or "activations".
    """
    of_weights = frame["activation_bits"] == FLOAT
    chosen = frame[(of_weights if kind == "weights" else ~of_weights) & frame["planted"].isin([kind, "none"])]
    scale = chosen["group_size"].map({TENSOR: "a scale for the matrix", CHANNEL: "a scale for a row"})
    if kind == "activations":
        scale = chosen["activation"].map({"dynamic": "a scale for a token", "static": "a scale for all tokens"})
    names = scale + chosen["rotate"].map({False: "", True: ", rotated"})
    figure, axes = paper.axes("outliers are so many times larger", "loss increase over float (nats)")
    table = spread(chosen.assign(line=names), ["line", "factor"])
    for (name, group), color, marker in paper.styled(table.groupby("line", sort=False)):
        _band(axes, group.sort_values("factor"), "factor", name, color, marker)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    _ticks(axes, table["factor"])
    axes.legend(frameon=False)
    return figure


def calibrated_on(frame: pd.DataFrame) -> Figure:
    """Loss increase by what was calibrated on, a dot for each seed and a bar at their median, row by row.

    `frame` is `quantization.evidence.runs(store, "data")` of one model.
    """
    static = frame["bits"] == FLOAT
    what = frame["method"].str.upper().where(~static, "static 8-bit activations")
    figure, axes = paper.axes("loss increase over float (nats)", "")
    rows = frame.assign(row=what + ": " + frame["data"], what=what).sort_values("what", kind="stable")
    names = list(dict.fromkeys(rows["row"]))
    for y, name in enumerate(names):
        loss_increases = rows.loc[rows["row"] == name, "loss_increase_nats"].clip(lower=LEAST_INCREASE)
        axes.plot(loss_increases, [y] * len(loss_increases), "o", color=COLORS[0], alpha=0.6)
        axes.plot([loss_increases.median()] * 2, [y - 0.3, y + 0.3], color=COLORS[1], linewidth=2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    return figure


def sensitivity(frame: pd.DataFrame) -> Figure:
    """What each matrix alone costs, from the first block to the last, a panel for each number of bits.

    `frame` is `quantization.evidence.sensitivity` of one model.
    """
    order = list(dict.fromkeys(frame["matrix"]))
    figure, axes = paper.axes("matrix, from the embedding to the last block", "loss increase (nats)")
    for (bits, group), color, marker in paper.styled(frame.groupby("bits")):
        at = [order.index(matrix) for matrix in group["matrix"]]
        axes.plot(
            at,
            group["loss_increase_nats"].clip(lower=LEAST_INCREASE),
            marker,
            color=color,
            markersize=5,
            label=f"{bits:g} bits",
        )
    worst = frame.loc[frame["loss_increase_nats"].idxmax()]
    words = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
    axes.annotate(
        worst["matrix"].removesuffix(".weight"), (order.index(worst["matrix"]), worst["loss_increase_nats"]), **words
    )
    axes.set_yscale("log")
    axes.set_xticks([])
    axes.legend(frameon=False)
    return figure


def mixed(frame: pd.DataFrame) -> Figure:
    """Loss increase by bytes: all matrices with the same bits, or each with its own, the bytes being equal.

    `frame` is `quantization.evidence.mixed` of one model; bars span the four parts of the test sequences.
    """
    figure, axes = paper.axes("KiB of all matrices", "loss increase over float (nats)")
    for (kind, group), color, marker in paper.styled(frame.groupby("kind", sort=False)):
        group = group.sort_values("bytes")
        middle, low, high = (
            group[column].clip(lower=LEAST_INCREASE)
            for column in ("loss_increase_nats", "loss_increase_low_nats", "loss_increase_high_nats")
        )
        label = {"uniform": "the same bits everywhere", "mixed": "bits by matrix"}[kind]
        errors = [middle - low, high - middle]
        axes.errorbar(group["bytes"] / 1024, middle, errors, color=color, marker=marker, capsize=3, label=label)
    axes.set_yscale("log")
    axes.legend(frameon=False)
    return figure


def kv(frame: pd.DataFrame) -> Figure:
    """Loss increase by context, and the bytes of the cache; `frame` is `evidence.kv_by_context` of a model."""
    figure, (left, right) = plt.subplots(1, 2, figsize=paper.SIZE, layout="constrained")
    plt.close(figure)
    whole, few = frame[frame["kv_bits"] == FLOAT], frame[frame["kv_bits"] != FLOAT]
    right.plot(whole["context"], whole["bytes"] / 1024, color="0.4", linestyle=":", label="float")
    for ((bits, keys), group), color, marker in paper.styled(few.groupby(["kv_bits", "keys"], sort=False)):
        label = f"{bits} bits, keys {'delayed' if keys == 'delayed' else f'per {keys}'}"
        right.plot(group["context"], group["bytes"] / 1024, color=color, marker=marker, label=label)
        left.plot(group["context"], group["loss_increase_nats"], color=color, marker=marker)
    left.set(xlabel="context (tokens)", ylabel="loss increase in its second half (nats)")
    right.set(xlabel="context (tokens)", ylabel="KiB of the cache")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xscale("log", base=2)
        _ticks(axes, frame["context"])
    right.set_yscale("log", base=2)
    right.yaxis.set_major_formatter(ScalarFormatter())
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=3)  # lines may lie anywhere
    return figure


def deep_and_wide(frame: pd.DataFrame) -> Figure:
    """How many times the loss of the deep model rises for once of the wide one, by bits; equal where the line is.

    `frame` is `quantization.evidence.deep_and_wide` of one method and group size; a line per task. Where a loss hardly
    rises, its quotient means nothing, and is left out.
    """
    figure, axes = paper.axes("bits of a weight", "loss increase of deep / of wide")
    frame = frame[frame[["deep", "wide"]].min(axis=1) >= LEAST_QUOTIENT]
    for (task, group), color, marker in paper.styled(frame.groupby("task", sort=False)):
        table = spread(group, ["bits"], "ratio")
        _band(axes, table.sort_values("bits"), "bits", task, color, marker)
    axes.axhline(1, color="0.4", linestyle=":")
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(ScalarFormatter())
    _bits_axis(axes, frame["bits"])
    axes.legend(frameon=False)
    return figure


def fragility(frame: pd.DataFrame, *, group_size: int = 32) -> Figure:
    """Loss increase by depth at equal parameters, a line for each number of bits: median and range of the seeds.

    `frame` is `quantization.evidence.fragility`.
    """
    figure, axes = paper.axes("layers (same number of parameters along a line)", "loss increase over float (nats)")
    table = spread(frame[frame["group_size"] == group_size], ["bits", "depth"])
    for (bits, group), color, marker in paper.styled(table.groupby("bits")):
        _band(axes, group.sort_values("depth"), "depth", f"{bits:g} bits", color, marker)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    _ticks(axes, table["depth"])
    axes.legend(frameon=False)
    return figure


def _band(axes: Axes, table: pd.DataFrame, x: str, name: str, color: str, marker: str) -> None:
    """The median as a line in a band from lowest to highest."""
    middle, low, high = (table[column].clip(lower=LEAST_INCREASE) for column in ("median", "min", "max"))
    axes.plot(table[x], middle, color=color, marker=marker, label=name)
    axes.fill_between(table[x], low, high, color=color, alpha=0.2, linewidth=0)


def _bits_axis(axes: Axes, bits: Iterable) -> None:
    axes.set_xscale("log", base=2)
    _ticks(axes, bits)


def _ticks(axes: Axes, values: Iterable) -> None:
    """Plain numbers where something was measured."""
    ticks = sorted({float(value) for value in values})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
