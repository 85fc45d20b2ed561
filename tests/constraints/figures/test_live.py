"""Chapter 1's live charts: what was given stands where it belongs, in the picture and in words."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from mobilellm_lab import zoo
from mobilellm_lab.constraints import DEVICES, Probe, Workload, find_device, fit
from mobilellm_lab.constraints.figures.live import access, decode_svg, fit_svg, probes_svg

SVG = "{http://www.w3.org/2000/svg}"


def probe(name: str, size_mib: float, median: float, *, threads: int = 1, bits: int = 32, unit: str = "GB/s") -> Probe:
    spread = dict(median=median, p10=0.9 * median, p90=1.1 * median, runs=5)
    return Probe(name=name, threads=threads, working_set_mib=size_mib, bits=bits, rows=1, unit=unit, **spread)


def words(svg: str) -> list[str]:
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


def described(svg: str) -> str:
    return ET.fromstring(svg).find(f"{SVG}desc").text


def curves(svg: str) -> list[list[tuple[float, float]]]:
    lines = [e for e in ET.fromstring(svg).iter(f"{SVG}polyline") if e.get("class") == "curve"]
    return [[tuple(map(float, pair.split(","))) for pair in line.get("points").split()] for line in lines]


def levels(svg: str) -> list[float]:
    """Height of each level line."""
    paths = [e.get("d") for e in ET.fromstring(svg).iter(f"{SVG}path") if e.get("class") == "level"]
    return [float(re.search(r" ([\d.]+)H", path)[1]) for path in paths]


def test_before_the_first_token_there_is_nothing_to_read_off():
    svg = decode_svg([], {}, x_max=32)
    assert "no tokens written" in words(svg)
    assert curves(svg) == []


def test_speed_and_predictions_share_one_logarithmic_axis():
    levels_per_s = {"100": 100.0, "predicted here": 1000.0, "iPhone 13": 10.0}
    svg = decode_svg([(1, 1000.0), (2, 1000.0)], levels_per_s, x_max=4)
    ((_, (_, newest)),) = curves(svg)
    hundred, predicted, phone = levels(svg)
    assert newest == pytest.approx(predicted, abs=0.2)
    assert phone - hundred == pytest.approx(hundred - predicted, abs=0.2)
    assert "predicted here 1,000/s" in words(svg) and "iPhone 13 10/s" in words(svg)
    assert described(svg).endswith("measured: 1,000 tokens/s after 2 tokens")


def test_a_level_that_is_unknown_leaves_the_others_their_colours():
    both = decode_svg([], {"predicted here": 100.0, "iPhone 13": 50.0}, x_max=4)
    one = decode_svg([], {"predicted here": None, "iPhone 13": 50.0}, x_max=4)
    strokes = [re.findall(r'stroke="(#\w+)"[^>]*class="level"', svg) for svg in (both, one)]
    assert strokes[0][1:] == strokes[1]
    assert len(levels(one)) == 1
    assert "predicted here" not in described(one)


def test_the_mean_is_of_times_not_of_speeds():
    """One step of 1 ms and one of 100 ms: that is 20 tokens/s, not 505."""
    svg = decode_svg([(1, 1000.0), (2, 10.0)], {"20": 2 / 0.101}, x_max=4)
    ((_, (_, newest)),) = curves(svg)
    assert newest == pytest.approx(levels(svg)[0], abs=3)


def test_labels_of_equal_predictions_do_not_cover_each_other():
    svg = decode_svg([(1, 99.0)], {"predicted here": 100.0, "iPhone 13": 101.0}, x_max=4)
    heights = [float(e.get("y")) for e in ET.fromstring(svg).iter(f"{SVG}text") if e.text.endswith("/s")][1:]
    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) >= 14


@pytest.mark.parametrize("speed", [0.003, 0.5, 1.0, 77.7, 1000.0, 1e6])
def test_any_speed_lies_within_the_axes(speed):
    svg = decode_svg([(1, speed)], {}, x_max=2)
    assert 30 <= curves(svg)[0][0][1] <= 235
    assert math.isfinite(curves(svg)[0][0][1])


def test_probes_are_a_line_for_each_access_in_order_of_size():
    probes = [probe("read", 64, 10.0), probe("read", 4, 30.0), probe("read", 64, 15.0, threads=2)]
    svg = probes_svg([*probes, probe("dispatch", 8, 2.0, unit="us")])
    one, two = curves(svg)
    assert one[0][0] < one[1][0] and one[0][1] < one[1][1]  # smaller is faster, so higher
    assert len(two) == 1
    assert described(svg) == "read, 1 thread: 30 at 4 MiB, 10 at 64 MiB; read, 2 threads: 15 at 64 MiB"
    assert "no probe yet" in words(probes_svg([]))
    assert "no probe yet" in words(probes_svg([probe("dispatch", 8, 2.0, unit="us")]))


def test_access_in_words():
    assert access(probe("copy", 8, 1.0)) == "copy, 1 thread"
    assert access(probe("read", 8, 1.0, threads=2, bits=16)) == "read, 2 threads, 16 bits"


@pytest.mark.parametrize("name", DEVICES)
def test_a_bar_of_three_parts_and_the_line_of_the_budget(name):
    load = Workload(config=zoo.SHAPES["MobileLLM-1B"].config, bits_per_weight=4)
    found = fit(find_device(name), load)
    svg = fit_svg(found)
    bars = [e for e in ET.fromstring(svg).iter(f"{SVG}rect") if e.get("height") == "56"]
    assert len(bars) == 3
    edges = [(float(bar.get("x")), float(bar.get("width"))) for bar in bars]
    assert edges[1][0] == pytest.approx(edges[0][0] + edges[0][1], abs=0.6)
    assert edges[0][1] / edges[1][1] == pytest.approx(found.weights_mib / found.kv_mib, rel=0.1)
    line = [e for e in ET.fromstring(svg).iter(f"{SVG}path") if e.get("class") == "budget"]
    assert len(line) == (found.budget_mib is not None)
    if found.budget_mib is None:
        assert "the device's memory is unknown" in described(svg)
    else:
        at = float(re.match(r"M([\d.]+)", line[0].get("d"))[1])
        end = edges[2][0] + edges[2][1]
        assert (end <= at + 1) == found.fits
