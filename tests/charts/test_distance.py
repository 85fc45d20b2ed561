"""Distance to the float model: runs at their bytes and loss increase, over the stored ones."""

import re
import xml.etree.ElementTree as ET

import pytest

from mobilellm_lab.charts.distance import LEAST_INCREASE, distance_svg
from mobilellm_lab.charts.svg import BOTTOM, HEIGHT, TOP, WIDTH

SVG = "{http://www.w3.org/2000/svg}"


def circles(svg: str, kind: str) -> list:
    return [part for part in ET.fromstring(svg).iter(f"{SVG}circle") if kind in part.get("class").split()]


def words(svg: str) -> list[str]:
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


def test_every_run_and_every_stored_row_is_in_the_picture():
    points = [(600_000, 0.002, "1. four bits"), (430_000, -0.001, "2. three bits")]
    svg = distance_svg(points, [(330_000, 0.5), (5_000_000, 1e-7)], float_bytes=4_400_000)
    found = circles(svg, "point") + circles(svg, "stored")
    assert len(found) == 4
    for circle in found:
        assert 0 < float(circle.get("cx")) < WIDTH and TOP <= float(circle.get("cy")) <= HEIGHT - BOTTOM
    (latest,) = circles(svg, "latest")
    assert float(latest.get("cy")) == HEIGHT - BOTTOM  # better than float: on the lower edge
    assert "2. three bits" in words(svg) and "1. four bits" not in words(svg)
    assert "run 1. four bits: 586 KiB, +0.002 nats" in re.search(r"<desc>(.*?)</desc>", svg)[1]


def test_an_increase_ten_times_as_large_is_one_decade_higher():
    svg = distance_svg([(1e6, 0.001, "a"), (1e6, 0.01, "b"), (1e6, 0.1, "c")], float_bytes=4e6)
    a, b, c = (float(circle.get("cy")) for circle in circles(svg, "point"))
    assert a - b == pytest.approx(b - c, abs=0.2) and a > b


def test_before_the_first_run_there_is_only_float():
    svg = distance_svg([], float_bytes=4_400_000)
    assert "no runs yet" in words(svg) and "float" in words(svg)
    assert f"{LEAST_INCREASE:g}" in words(svg)
