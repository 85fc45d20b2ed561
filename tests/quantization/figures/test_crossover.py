"""The flip panel's live pictures: pairs that come in, and their place among the sizes before the stored rows."""

import math
import xml.etree.ElementTree as ET

import pytest

from mobilellm_lab.charts.svg import HEIGHT, WIDTH
from mobilellm_lab.quantization.figures.crossover import crossover_svg, pairs_svg

SVG = "{http://www.w3.org/2000/svg}"
FUNNEL = [(1, 0.0, 1.6, math.inf), (2, 0.0, 1.7, math.inf), (3, 1.2, 1.8, 2.4), (4, 1.6, 1.8, 2.0)]
STORED = [(0.06, 0.3, 0.35, 0.4), (1, 0.5, 0.55, 0.6), (25, 1.7, 1.8, 1.9)]


def drawn(svg: str, tag: str, kind: str) -> list:
    return [part for part in ET.fromstring(svg).iter(f"{SVG}{tag}") if part.get("class") == kind]


def words(svg: str) -> list[str]:
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


def places(part: ET.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in part.get("points").split()]


def test_every_pair_is_drawn_and_the_interval_narrows_inside_the_picture():
    svg = pairs_svg([1.6, 1.8, 900.0, 1e-9], FUNNEL, pairs=10)
    circles = drawn(svg, "circle", "pair")
    assert len(circles) == 4
    for circle in circles:
        assert 0 < float(circle.get("cx")) < WIDTH and 0 < float(circle.get("cy")) < HEIGHT
    (curve,), (shade,) = drawn(svg, "polyline", "curve"), drawn(svg, "polygon", "interval")
    assert len(places(curve)) == len(FUNNEL)
    edge = places(shade)
    heights = [edge[-1 - i][1] - edge[i][1] for i in range(len(FUNNEL))]
    assert heights[0] == heights[1] > heights[2] > heights[3] > 0
    assert "× 1.80" in words(svg) and "4 of 10 pairs, 1.8, interval 1.6 to 2" in svg


def test_a_backend_that_is_far_slower_gets_an_axis_that_reaches_it():
    """And a moderate one keeps its own while pairs come in."""
    ticks = {middle: words(pairs_svg([middle], [(1, 0.0, middle, math.inf)], pairs=6)) for middle in (2.0, 0.5, 0.06)}
    assert "0.25" in ticks[2.0] and "0.125" not in ticks[2.0]
    assert "0.125" not in ticks[0.5] and "0.03125" in ticks[0.06]


def test_no_pair_yet_is_a_picture_too():
    svg = pairs_svg([], [], pairs=20)
    assert "no pairs yet" in words(svg) and not drawn(svg, "polyline", "curve")
    assert "not measured here yet" in words(crossover_svg([], STORED))


def test_the_stored_rows_are_a_line_with_a_band_and_the_others_faint():
    svg = crossover_svg([], STORED, {"float32": [(0.06, 0.9, 1.0, 1.1), (1, 0.9, 1.0, 1.1)]})
    (line,), (band,), (other,) = (
        drawn(svg, *kind) for kind in (("polyline", "stored"), ("polygon", "band"), ("polyline", "other"))
    )
    assert len(places(line)) == 3 and len(places(band)) == 6 and len(places(other)) == 2
    across = [x for x, _ in places(line)]
    assert across == sorted(across)
    assert places(line)[0][1] > places(line)[-1][1]  # faster is higher
    assert "stored: 0.35 at 0.06, 0.55 at 1, 1.8 at 25" in svg and "float32: 1 at 0.06" in svg


def test_the_newest_point_is_named_and_a_line_joins_the_newest_of_each_size():
    here = [(1, 0.4, 0.5, 0.6), (25, 1.5, 1.9, 2.3), (1, 0.5, 0.6, math.inf)]
    svg = crossover_svg(here, STORED)
    assert len(drawn(svg, "circle", "point")) == 2 and len(drawn(svg, "circle", "point newest")) == 1
    assert "× 0.60" in words(svg) and "× 0.50" not in words(svg)
    (curve,) = drawn(svg, "polyline", "curve")
    newest = drawn(svg, "circle", "point newest")[0]
    assert places(curve)[0] == (float(newest.get("cx")), float(newest.get("cy")))
    assert len(places(curve)) == 2
    assert not drawn(crossover_svg(here[:1], STORED), "polyline", "curve")  # one size is no line


@pytest.mark.parametrize("value", [1e-6, 0.0, 1e6, math.inf])
def test_what_lies_beyond_the_axis_is_drawn_at_its_edge(value):
    svg = crossover_svg([(25, min(value, 1.0), 1.0, max(value, 1.0))])
    assert "nan" not in svg and "inf" not in svg.replace("infinite", "")
    (point,) = drawn(svg, "circle", "point newest")
    assert 0 < float(point.get("cy")) < HEIGHT
