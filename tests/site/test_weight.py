"""The first visit of a page, with nothing cached, stays light on a mobile connection."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from mobilellm_lab.quantization.figures import plots as figures
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.reference import open_sweep
from tests.site.test_pages import DESK, PAGES, visit

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_extensions"))
import lab_site  # noqa: E402

LIMIT_BYTES = 1_500_000  # over the wire, when a server compresses what can be compressed
PACKED = (".png", ".jpg", ".webp", ".woff", ".woff2")  # compressed already


def weigh(browser: Browser, url: str) -> dict[str, int]:
    """Bytes of each response of a first visit that scrolls to the end, compressed as a server would."""
    context = browser.new_context(viewport=DESK)  # its own, empty cache
    page, responses = context.new_page(), []
    page.on("response", lambda response: responses.append(response))
    visit(page, url)
    sizes = {}
    for response in responses:
        if response.status == 200:
            body, path = response.body(), response.url.split("?")[0]
            sizes[path] = len(body) if path.endswith(PACKED) else len(gzip.compress(body, 6))
    context.close()
    return sizes


@pytest.fixture(scope="module")
def first_visits(browser, address) -> dict[str, dict[str, int]]:
    """What each chapter, lab and other written page weighs, by the path of what it loads."""
    names = [name for name in PAGES if name.startswith(("book/", "labs/"))]
    sizes = {name: weigh(browser, f"{address}/{name}") for name in names}
    return {name: {url.removeprefix(address): size for url, size in all.items()} for name, all in sizes.items()}


def test_first_visit_is_light(first_visits):
    for name, sizes in first_visits.items():
        biggest = sorted(((size, path) for path, size in sizes.items()), reverse=True)[:10]
        table = "\n".join(f"{size:>9,} {path}" for size, path in biggest)
        assert sum(sizes.values()) <= LIMIT_BYTES, f"{name}: {sum(sizes.values()):,} bytes\n{table}"


def test_what_weighs_most_is_loaded_only_where_it_is_needed(first_visits, site):
    for name, sizes in first_visits.items():
        text = (site / name).read_text(encoding="utf-8")
        assert not any("awesome" in path for path in sizes), name  # its icons are in lab-icons.css
        assert any("/mathjax/" in path for path in sizes) == ('class="math' in text), name
        assert any("vega" in path for path in sizes) == ('class="lab-replay"' in text), name


def test_the_scale_itself(first_visits, site):
    """It sees the page and its styles, and what compresses counts as compressed."""
    sizes = first_visits["book/intro.html"]
    assert 0 < sizes["/book/intro.html"] < (site / "book" / "intro.html").stat().st_size / 2
    assert "/_static/lab-icons.css" in sizes


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
