"""How printed figures look: one size, one palette, axes without a frame."""

from collections.abc import Iterable, Iterator

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by readers with any colour vision; markers and dashes repeat what colour says.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
SIZE = (6.4, 3.6)  # inches; readable at the width of a phone


def axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """An empty figure and its axes, with a faint grid; closed, so that whoever returns it shows it once."""
    figure, drawn = plt.subplots(figsize=SIZE, layout="constrained")
    drawn.set(xlabel=x_label, ylabel=y_label)
    drawn.grid(alpha=0.3)
    drawn.spines[["top", "right"]].set_visible(False)
    plt.close(figure)  # without this, notebooks would show it a second time
    return figure, drawn


def styled(lines: Iterable) -> Iterator[tuple]:
    """Each line's data with its colour and marker.

    Raises:
        ValueError: more lines than there are colours.
    """
    lines = list(lines)
    if len(lines) > len(COLORS):
        raise ValueError(f"{len(lines)} lines: at most {len(COLORS)} can be told apart, leave some out")
    return zip(lines, COLORS, MARKERS, strict=False)
