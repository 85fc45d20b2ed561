"""What a printed figure shows, whichever library drew it"""

from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D


def legend(figure: Figure) -> list[str]:
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def row_names(axes: Axes) -> list[str]:
    """From top to bottom, however they are wrapped."""
    low, high = axes.get_ylim()
    assert low > high, "the first row is not on top"
    return [" ".join(label.get_text().split()) for label in axes.get_yticklabels()]


def lines(axes: Axes) -> list[Line2D]:
    """Those with points: a legend's handles are lines as well."""
    return [line for line in axes.lines if points(line)]


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in line.get_xydata() if isfinite(x) and isfinite(y)]


def dots(axes: Axes) -> list[tuple[float, float]]:
    """Of scattered points, in the order in which they were drawn."""
    return [(float(x), float(y)) for cloud in axes.collections for x, y in cloud.get_offsets()]


def bands(axes: Axes) -> list[tuple[float, float]]:
    """Lowest and highest point of each filled band."""
    paths = [collection.get_paths()[0].vertices[:, 1] for collection in axes.collections]
    return [(float(y.min()), float(y.max())) for y in paths]


def bars(axes: Axes) -> list[list[tuple[float, float]]]:
    """Ends of the error bars of each line."""
    found = [container.lines[2][0].get_segments() for container in axes.containers]
    return [[(float(low), float(high)) for (_, low), (_, high) in segments] for segments in found]
