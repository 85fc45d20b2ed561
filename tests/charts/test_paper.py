"""Printed figures share one look, and no more lines than can be told apart."""

import matplotlib.pyplot as plt
import pytest

from mobilellm_lab.charts import paper


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
