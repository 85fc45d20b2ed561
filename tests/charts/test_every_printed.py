"""Every printed figure of the chapters can be read on a phone: no word is small, cut, or on another."""

import itertools
import re
from importlib import import_module

import pytest
from matplotlib.text import Text

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.printed import POINTS, svg

CHAPTERS = ("constraints", "deep_narrow", "metrics", "pruning", "quantization")
FIGURES = {
    f"{chapter} {name}": draw
    for chapter in CHAPTERS
    for name, draw in import_module(f"{chapter}.figures.test_plots").ALL.items()
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_for_a_phone(name):
    figure = FIGURES[name]()
    text = svg(figure)
    assert figure.get_size_inches()[0] == paper.SIZE[0]
    assert min(map(float, re.findall(r"font-size: ([\d.]+)px", text))) >= paper.TEXT
    assert "<tspan" not in text  # an exponent


@pytest.mark.parametrize("name", FIGURES)
def test_no_word_is_cut_or_lies_on_another(name):
    figure = FIGURES[name]()
    figure.set_dpi(POINTS)
    svg(figure)  # lays it out
    words = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    boxes = {word: word.get_window_extent() for word in words if shown(word)}
    page = figure.bbox.padded(1)
    for word, box in boxes.items():
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1, word.get_text()
    for (word, box), (other, place) in itertools.combinations(boxes.items(), 2):
        assert not box.padded(-1).overlaps(place.padded(-1)), (word.get_text(), other.get_text())


def shown(word: Text) -> bool:
    """Whether it is drawn: a tick outside the limits of its axis is not."""
    for axis in (axis for axes in word.figure.axes for axis in (axes.xaxis, axes.yaxis)):
        for tick in (*axis.majorTicks, *axis.minorTicks):
            if word in (tick.label1, tick.label2):
                low, high = sorted(axis.get_view_interval())
                return low <= tick.get_loc() <= high
    return True
