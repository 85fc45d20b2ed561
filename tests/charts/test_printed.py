"""Printed figures as SVG: readable on a phone, in the colours of the page, and the same each time."""

import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from mobilellm_lab.charts import paper
from mobilellm_lab.charts.printed import OPENING, svg

PHONE_PX = 330  # of a figure at the least, on a screen of 390
GROUNDS = {"white": "#ffffff", "the site's dark": "#121212", "JupyterLab's dark": "#111111"}
FRAME = pd.DataFrame({"bits": [2, 4, 8], "nats": [1.0, 0.01, 0.0001], "line": "one"})


def drawn():
    figure, axes = paper.axes("bits of a weight", "a label so long that it does not fit into a single line")
    paper.lines(axes, FRAME, "bits", "nats", "line")
    axes.set_yscale("log")
    paper.plain(axes.yaxis)
    axes.axhline(0.1, color="0.6")
    axes.fill_between([2, 4], 0.5, 1, facecolor="white", label="ground")
    paper.legend(axes)
    return figure


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
@pytest.mark.parametrize("color", paper.COLORS)
def test_a_series_is_seen_on_each_ground(color, ground):
    pale, dark = sorted((luminance(color), luminance(ground)), reverse=True)
    assert (pale + 0.05) / (dark + 0.05) >= 3


def test_words_are_text_of_at_least_eleven_points_in_the_pages_font():
    text = svg(drawn())
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", text)]
    assert len(sizes) == text.count("<text") > 10
    assert min(sizes) >= 11
    assert "<tspan" not in text  # exponents
    assert text.count("font-family") == 1 and "system-ui" in text


def test_a_unit_is_no_smaller_than_a_pixel_on_a_phone():
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg(drawn()))[1])
    assert width == 72 * paper.SIZE[0] <= PHONE_PX


def test_black_grey_and_white_are_the_pages_own():
    text = svg(drawn())
    colors = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", text))
    assert colors == {paper.COLORS[0].lower()}
    assert 'fill="currentColor"' in text and "stroke-opacity: 0.47" in text  # 0.6 of white
    assert "--pst-color-background" in text and "--jp-layout-color0" in text


def test_nothing_holds_outside_the_figure():
    text = svg(drawn())
    assert "<style" not in text and "<metadata" not in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)) and set(ids) == set(re.findall(r'(?:url\(|href=")#([\w-]+)', text))
    other = drawn()
    other.axes[0].set_xlabel("other")
    assert not set(ids) & set(re.findall(r' id="([^"]+)"', svg(other)))


def test_the_same_figure_gives_the_same_text_and_is_left_as_it_was():
    figure = drawn()
    assert svg(figure) == svg(figure) == svg(drawn()) == figure._repr_html_()
    assert svg(figure).startswith(OPENING)
    assert figure.get_facecolor() == (1, 1, 1, 1)  # also for a PNG


def test_the_lines_of_a_label_are_aligned_in_any_font():
    figure, axes = paper.axes("a label of the axis below that needs two lines", "")
    paper.rows(axes, ["a row that needs a second line", "short"])
    lines = {line.text: line for line in ElementTree.fromstring(svg(figure)).iter("text")}
    first, second = lines["a row that needs"], lines["a second line"]
    places = [re.findall(r"[\d.]+", line.get("transform")) for line in (first, second)]
    assert {line.get("text-anchor") for line in (first, second)} == {"end"}
    assert places[0][0] == places[1][0] and float(places[0][1]) < float(places[1][1])
    (x, _), (other, _) = (
        re.findall(r"[\d.]+", line.get("transform"))
        for name, line in lines.items()
        if name in "a label of the axis below that needs two lines" and len(name) > 5
    )
    assert x == other
