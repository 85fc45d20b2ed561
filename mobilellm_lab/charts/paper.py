"""Printed figures: one theme, lines in bands, dots in rows, and a legend above the picture."""

import itertools
import textwrap
from collections.abc import Iterable, Iterator

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from mobilellm_lab.charts.printed import Printed

# Okabe and Ito's palette: told apart by readers with any colour vision; markers and dashes repeat what colour says. The
# last two are darker than theirs, so that each has a contrast of 3 or more with white paper and with a dark page.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#BF8400", "#3E9BD1")
MARKERS = ("o", "s", "^", "D", "v", "P")
SIZE = (4.5, 3.9)  # inches, 324 points: narrower than a phone 390 px wide, where a point of text is at least a pixel
ROW = 0.24  # inches of a legend's row
TEXT = 11  # points of legends and words beside the data; no word is smaller
STYLE = {"axes.grid": True, "grid.color": "0.93", "axes.spines.top": False, "axes.spines.right": False}
SHOWN = {"FigureClass": Printed, "layout": "constrained", "figsize": SIZE}
SPREAD = {"estimator": "median", "errorbar": ("pi", 100)}  # from the lowest to the highest; seaborn's own is random


def panels(rows: int = 1, columns: int = 1, **options: object) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes, with a faint grid; closed, so that whoever returns it shows it once."""
    with sns.axes_style("ticks", STYLE), sns.plotting_context("notebook"):
        figure, drawn = plt.subplots(rows, columns, squeeze=False, **SHOWN | options)
    for axes in drawn.flat:
        axes.tick_params(labelsize=TEXT)  # also of ticks that are made later
    plt.close(figure)  # without this, notebooks would show it a second time
    return figure, list(drawn.flat)


def axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """A figure with a single picture."""
    figure, (drawn,) = panels()
    drawn.set(xlabel=_even(x_label, 36), ylabel=_even(y_label, 30))
    return figure, drawn


def _even(words: str, width: int) -> str:
    """In as few lines as `width` letters allow, all of about the same length."""
    fewest = len(textwrap.wrap(words, width))
    narrowest = next(width for width in range(1, width + 1) if len(textwrap.wrap(words, width)) <= fewest)
    return textwrap.fill(words, narrowest)


def plain(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis: exponents would be too small to read on a phone."""
    axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def styled(lines: Iterable) -> Iterator[tuple]:
    """Each line's data with its colour and marker.

    Raises:
        ValueError: more lines than there are colours.
    """
    lines = list(lines)
    if len(lines) > len(COLORS):
        raise ValueError(f"{len(lines)} lines: at most {len(COLORS)} can be told apart, leave some out")
    return zip(lines, COLORS, MARKERS, strict=False)


def lines(drawn: Axes, frame: pd.DataFrame, x: str, y: str, line: str, **options: object) -> None:
    """For each `line` the median of `y` over the rows that share an `x`, in a band from the lowest to the highest.

    Raises:
        ValueError: more lines than there are colours.
    """
    names, colors, markers = zip(*styled(frame[line].unique()), strict=True)
    sns.lineplot(
        frame, x=x, y=y, hue=line, style=line, hue_order=names, style_order=names, palette=colors, markers=markers,
        dashes=False, err_kws={"capsize": 3} if options.get("err_style") == "bars" else {"linewidth": 0},
        legend="full", markersize=7, ax=drawn, **SPREAD | options
    )  # fmt: skip


def seeds(drawn: Axes, frame: pd.DataFrame, x: str, row: str) -> None:
    """A row of dots for each `row`, one for each seed, and a bar at their median."""
    sns.stripplot(frame, x=x, y=row, color=COLORS[0], alpha=0.6, size=7, jitter=False, ax=drawn)
    bar = {"marker": "|", "markersize": 20, "markeredgewidth": 2.5, "linestyle": "none"}
    sns.pointplot(frame, x=x, y=row, color=COLORS[1], **SPREAD | {"errorbar": None}, **bar, ax=drawn)
    rows(drawn, frame[row].unique())


def rows(drawn: Axes, names: Iterable, width: int = 17) -> None:
    """Names at the left, the first on top, and as much height as they need with words above each row."""
    names = [textwrap.fill(str(name), width, break_long_words=False, break_on_hyphens=False) for name in names]
    drawn.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6), ylabel="")
    counts = [name.count("\n") + 1 for name in names]
    lines_a_row = max(2, *(sum(two) / 2 + 0.3 for two in itertools.pairwise(counts)), *counts[:1])
    drawn.figure.set_size_inches(SIZE[0], 1.4 + 0.2 * lines_a_row * len(names))


def legend(drawn: Axes, columns: int = 2, **options: object) -> None:
    """Above the picture, where no line can lie, in as many columns as fit."""
    if drawn.get_legend():
        drawn.get_legend().remove()  # seaborn's own
    handles, words = drawn.get_legend_handles_labels()
    style = {"loc": "outside upper left", "frameon": False, "fontsize": TEXT, "title_fontsize": TEXT}
    style |= {"handlelength": 1.5, "columnspacing": 1, "alignment": "left"}
    for number in range(columns, 0, -1):
        found = drawn.figure.legend(handles, words, ncols=number, **style | options)
        if number == 1 or found.get_window_extent().width <= drawn.figure.bbox.width:
            break
        found.remove()
    width, height = drawn.figure.get_size_inches()
    rows = -(-len(words) // number)
    drawn.figure.set_size_inches(width, height + ROW * max(0, rows - 2))  # the picture keeps its height
