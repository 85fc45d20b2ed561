"""Printed figures share one look, show every seed's range, and no more lines than can be told apart."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from charts.drawn import bands, dots, legend, lines, points, row_names
from matplotlib.colors import to_hex

from mobilellm_lab.charts import paper

SEEDS = pd.DataFrame({"depth": [1, 1, 1, 4, 4, 4], "score": [0.1, 0.3, 0.2, 0.9, 0.5, 0.6], "line": "60k"})


def test_axes_are_labelled_and_nothing_is_left_open():
    before = plt.get_fignums()
    figure, axes = paper.axes("bits", "loss")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("bits", "loss")
    assert tuple(figure.get_size_inches()) == paper.SIZE
    assert plt.get_fignums() == before


def test_lines_get_a_colour_and_a_marker_each():
    found = list(paper.styled(range(6)))
    assert [line for line, _, _ in found] == list(range(6))
    assert len({color for _, color, _ in found}) == len({marker for _, _, marker in found}) == 6
    with pytest.raises(ValueError, match="7 lines: at most 6 can be told apart, leave some out"):
        paper.styled(range(7))


def test_a_line_is_the_median_in_a_band_that_holds_every_seed():
    figure, axes = paper.axes("depth", "score")
    many = pd.concat([SEEDS.assign(line=str(number)) for number in range(6)])
    paper.lines(axes, many, "depth", "score", "line")
    assert [points(line) for line in lines(axes)] == [[(1, 0.2), (4, 0.6)]] * 6
    assert bands(axes) == [(0.1, 0.9)] * 6
    assert [to_hex(line.get_color()).upper() for line in lines(axes)] == list(paper.COLORS)
    assert len({line.get_marker() for line in lines(axes)}) == 6
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("depth", "score")
    axes.axhline(0, label="floor")
    paper.legend(axes)
    assert legend(figure) == [*"012345", "floor"] and axes.get_legend() is None
    with pytest.raises(ValueError, match="7 lines: at most 6"):
        paper.lines(axes, pd.concat([many, SEEDS.assign(line="more")]), "depth", "score", "line")


def test_rows_hold_a_dot_for_each_seed_and_a_bar_at_their_median():
    figure, axes = paper.axes("score", "")
    paper.seeds(axes, SEEDS.assign(row=SEEDS["depth"].map({1: "a row with a long name", 4: "b"})), "score", "row")
    assert row_names(axes) == ["a row with a long name", "b"]
    assert dots(axes) == [(0.1, 0), (0.3, 0), (0.2, 0), (0.9, 1), (0.5, 1), (0.6, 1)]
    assert [points(line) for line in lines(axes)] == [[(0.2, 0), (0.6, 1)]]


def test_rows_stay_apart():
    figure, axes = paper.axes("score", "")
    paper.rows(axes, [f"a name that takes more than one line, {number}" for number in range(9)])
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in zip(boxes, boxes[1:], strict=False))
