"""The duel's live picture: every pair is there, spikes at the edge; the verdict so far as colour, letter and word."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from mobilellm_lab.charts.svg import HEIGHT, WIDTH
from mobilellm_lab.measuring import compare_samples
from mobilellm_lab.metrics.duel import VERDICTS
from mobilellm_lab.metrics.figures.live import duel_svg, duels_svg

SVG = "{http://www.w3.org/2000/svg}"
TIE, A, B = "not distinguishable", "a is faster", "b is faster"
RATIOS = [1.06, 1.04, 15.0, 0.07, 1.05]
FUNNEL = [
    (1, 0.0, 1.06, math.inf),
    (2, 0.0, 1.05, math.inf),
    (3, 0.9, 1.06, 1.2),
    (4, 0.9, 1.05, 1.2),
    (5, 1.0, 1.05, 1.1),
]
JUDGED = [TIE, A, A, TIE, A]


def drawn(svg: str, tag: str, kind: str) -> list:
    return [part for part in ET.fromstring(svg).iter(f"{SVG}{tag}") if part.get("class") == kind]


def words(svg: str) -> list[str]:
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


def test_every_pair_is_drawn_and_spikes_lie_at_the_edge():
    svg = duel_svg(RATIOS, FUNNEL, JUDGED, truth=1.05, pairs=10)
    assert len(drawn(svg, "circle", "pair")) == 3
    assert len(drawn(svg, "path", "beyond")) == 2
    for circle in drawn(svg, "circle", "pair"):
        assert 0 < float(circle.get("cx")) < WIDTH and 0 < float(circle.get("cy")) < HEIGHT
    assert "truth 1.05" in words(svg)


def test_the_axis_follows_the_truth_and_not_the_spikes():
    """What is drawn does not move while pairs come in."""
    first = drawn(duel_svg(RATIOS[:1], FUNNEL[:1], JUDGED[:1], truth=1.05, pairs=10), "circle", "pair")[0]
    later = drawn(duel_svg(RATIOS, FUNNEL, JUDGED, truth=1.05, pairs=10), "circle", "pair")[0]
    assert first.attrib == later.attrib


@pytest.mark.parametrize("truth", [1.0, 1.01, 1.05, 1.1, 1.5, 2.0])
def test_one_and_the_truth_are_always_in_the_picture(truth):
    svg = duel_svg([truth, 1.0], [(2, 1.0, truth, truth)], [TIE, TIE], truth=truth, pairs=2)
    assert len(drawn(svg, "circle", "pair")) == 2


@pytest.mark.parametrize("pairs", [1, 3, 6, 10, 20, 40, 80, 200])
def test_the_last_tick_is_the_last_pair(pairs):
    ticks = [int(text) for text in words(duel_svg([], [], [], truth=1.05, pairs=pairs)) if text.isdigit()]
    assert max(ticks) == pairs and len(ticks) <= 8


def test_the_interval_is_shaded_and_stays_in_the_picture():
    (shade,) = drawn(duel_svg(RATIOS, FUNNEL, JUDGED, truth=1.05, pairs=10), "polygon", "interval")
    places = [tuple(map(float, pair.split(","))) for pair in shade.get("points").split()]
    assert len(places) == 2 * len(FUNNEL)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    heights = [places[-1 - i][1] - places[i][1] for i in range(len(FUNNEL))]
    assert heights[0] > heights[2] > heights[4] > 0  # it narrows


def test_the_strip_tells_when_the_verdict_changed():
    svg = duel_svg(RATIOS, FUNNEL, JUDGED, truth=1.05, pairs=5)
    bars = drawn(svg, "rect", "verdict")
    widths = [float(bar.get("width")) for bar in bars]
    assert [width / widths[0] for width in widths] == pytest.approx([1, 2, 1, 1], abs=0.01)
    assert len({bar.get("fill") for bar in bars}) == 2
    assert [text for text in words(svg) if text in ("a", "b", "?")] == ["?", "a", "?", "a"]
    said = re.search(r"<desc>(.*?)</desc>", svg)[1]
    assert "not distinguishable from pair 1 to 1; a is faster from pair 2 to 3" in said
    assert "median 1.05, interval 1 to 1.1" in said


def test_every_verdict_has_a_colour_of_its_own():
    bars = drawn(duel_svg([1.0] * 3, [], list(VERDICTS), truth=1.05, pairs=3), "rect", "verdict")
    assert len({bar.get("fill") for bar in bars}) == len(VERDICTS) == 3


def test_nothing_yet_is_a_picture_too():
    assert "no pairs yet" in words(duel_svg([], [], [], truth=1.0, pairs=20))
    assert "no duels yet" in words(duels_svg([], [], truth=1.0, duels=10))


def test_a_wrong_duel_is_a_square_and_a_right_one_a_circle():
    a = [10.0, 10.1, 9.9, 10.2, 9.8, 10.0, 10.1, 9.9]
    found = [compare_samples(a, [factor * ms for ms in a]) for factor in (1.05, 1.0, 30.0)]
    svg = duels_svg(found, ["right", "missed", "wrong winner"], truth=1.05, duels=10)
    assert len(drawn(svg, "circle", "duel")) == 1 and len(drawn(svg, "rect", "duel")) == 2
    for square in drawn(svg, "rect", "duel"):
        assert 0 < float(square.get("y")) < HEIGHT  # however far off
    assert "duel 1: 1.05, right; duel 2: 1, missed; duel 3: 30, wrong winner" in svg
