"""Charts on the website have a palette: light, and of the same colors."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mobilellm_lab.quantization.figures import plots as figures
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.reference import open_sweep

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_extensions"))
import lab_site  # noqa: E402


def test_charts_have_a_palette_and_keep_their_colours(site, tmp_path):
    charts = list((site / "_images").glob("*.png"))
    assert charts
    for path in charts:
        with Image.open(path) as image:
            assert image.mode == "P", path
    chart = tmp_path / "chart.png"
    store = open_sweep("quantization")
    figures.fragility(evidence.fragility(store)).savefig(chart)
    with Image.open(chart) as image:
        before, size = np.asarray(image.convert("RGB")).astype(int), chart.stat().st_size
    lab_site.lighten(tmp_path)
    with Image.open(chart) as image:
        after = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(after - before).max() < 20 and np.abs(after - before).mean() < 1
    assert chart.stat().st_size < size / 2
