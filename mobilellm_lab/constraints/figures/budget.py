"""Budget lines of a device in a plot: an app's memory share, the bandwidth ceiling"""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mobilellm_lab.charts.report import digits
from mobilellm_lab.constraints import Budget


def draw_budget(axes: Axes, budget: Budget, *, axis: str = "x", read_bytes: int = 0, color: str = "0.3") -> Line2D:
    """The line, labelled for the legend; where the card does not know the number the label says so on an empty line.

    Args:
        axes: call its `legend` after this.
        budget: of `constraints.budget_of(device)`.
        axis: "x" or "y", the one on which the number lies.
        read_bytes: 0 draws the memory in MiB that one app may take; more draws the highest tokens/s of something that
            reads so many bytes for each token.

    Raises:
        ValueError: another axis, or negative bytes.
    """
    if axis not in ("x", "y"):
        raise ValueError(f"axis={axis!r}: choose x or y, the one on which the budget's number lies")
    if read_bytes < 0:
        raise ValueError(f"read_bytes={read_bytes}: give the bytes of one token, or 0 for the memory budget")
    if read_bytes:
        number, unit, what = budget.ceiling_tokens_per_s(read_bytes), "tokens/s", "at most"
    else:
        number, unit, what = budget.memory_mib, "MiB", "for one app"
    style = {"color": color, "linestyle": ":" if read_bytes else "--", "linewidth": 1.6}
    if number is None:
        (line,) = axes.plot([], [], **style, label=f"{budget.device}: {what} unknown")
        return line
    draw = axes.axvline if axis == "x" else axes.axhline
    return draw(number, **style, label=f"{budget.device}: {what} {digits(number)} {unit}")
