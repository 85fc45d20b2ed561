"""Chapter 3's live picture: bars up and down, the grid at its values."""

import re
import xml.etree.ElementTree as ET

import pytest
import torch

from mobilellm_lab.charts.svg import WIDTH
from mobilellm_lab.quantization.figures.live import MOST_LINES, histogram_svg
from mobilellm_lab.quantization.grid import TENSOR, Grid, QTensor
from mobilellm_lab.quantization.histogram import histogram

SVG = "{http://www.w3.org/2000/svg}"
W = torch.randn(8, 48, generator=torch.Generator().manual_seed(0))


def drawn(svg: str, tag: str, kind: str) -> list:
    return [part for part in ET.fromstring(svg).iter(f"{SVG}{tag}") if kind in (part.get("class") or "").split()]


def words(svg: str) -> list[str]:
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


def bars(svg: str, kind: str) -> list[tuple[float, float]]:
    """(width, height) of each bar; upwards is negative."""
    (path,) = drawn(svg, "path", kind)
    return [(float(w), float(h)) for w, h in re.findall(r"h([-\d.]+)v([-\d.]+)", path.get("d"))]


def lines(svg: str) -> list[float]:
    (path,) = drawn(svg, "path", "grid")
    return [float(x) for x in re.findall(r"M([-\d.]+) ", path.get("d"))]


@pytest.mark.parametrize("bits", [1, 1.58, 2, 3, 4, 5, 6, 7, 8])
def test_float_goes_up_rounded_down_and_the_grid_lies_between(bits):
    found = histogram(W, QTensor.of(W, Grid(bits=bits, group_size=TENSOR)))
    svg = histogram_svg(found, name="blocks.0.ffn.up")
    assert len(bars(svg, "float")) == sum(n > 0 for n in found.before)
    assert len(bars(svg, "rounded")) == sum(n > 0 for n in found.after)
    assert all(height < 0 for _, height in bars(svg, "float")) and all(height > 0 for _, height in bars(svg, "rounded"))
    shown = found.values if len(found.values) <= MOST_LINES else (found.values[0], found.values[-1])
    assert len(lines(svg)) == sum(abs(value) <= found.end for value in shown)
    assert all(0 < x < WIDTH for x in lines(svg))
    assert f"{len(found.values)} values, 1 scale" in words(svg)
    assert "weights of blocks.0.ffn.up" in words(svg)


def test_the_grid_is_where_the_rounded_weights_are():
    found = histogram(W, QTensor.of(W, Grid(bits=2, group_size=TENSOR)))
    svg = histogram_svg(found, name="w")
    (path,) = drawn(svg, "path", "rounded")
    starts = [float(x) for x in re.findall(r"M([-\d.]+) ", path.get("d"))]
    width = bars(svg, "rounded")[0][0]
    for start in starts:
        assert min(abs(start + width / 2 - line) for line in lines(svg)) <= width


def test_a_matrix_that_stays_float_is_its_own_mirror_image():
    svg = histogram_svg(histogram(W), name="w")
    assert [-height for _, height in bars(svg, "float")] == [height for _, height in bars(svg, "rounded")]
    assert "not rounded" in words(svg)
