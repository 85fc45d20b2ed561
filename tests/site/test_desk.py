"""Every page on a wide screen: whole, light on the wire, accessible, and every value of every slider answers."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.site.pages import DESK, PAGES
from tests.site.replays import CONTRAST
from tests.site.visits import Visit, visit_desk

LIMIT_BYTES = 1_500_000  # of a first visit over the wire, when a server compresses what can be compressed
# Replays on a page: at least one on the first page and on every page and lab of a chapter.
CHAPTERS = [name for name in PAGES if re.search(r"/\d\d_\w+(?<!_more)\.html", name)]
LEAST = dict.fromkeys(["book/intro.html", *CHAPTERS], 1) | {"book/02_deep_narrow.html": 2}


@pytest.fixture(scope="module", params=PAGES)
def visit(request, browser: Browser, address: str, site: Path) -> Visit:
    return visit_desk(browser, address, site, request.param)


def test_page_is_whole(visit):
    assert not visit.troubles
    assert visit.theme == "light"
    assert visit.width <= DESK["width"]
    assert visit.styled


def test_page_is_accessible(visit):
    assert not visit.faults


def test_first_visit_is_light(visit):
    biggest = sorted(((size, path) for path, size in visit.sizes.items()), reverse=True)[:10]
    total, table = sum(visit.sizes.values()), "\n".join(f"{size:>9,} {path}" for size, path in biggest)
    assert total <= LIMIT_BYTES, f"{total:,} bytes\n{table}"


def test_the_scale_itself(visit):
    """It sees the page and its styles, and what compresses counts as compressed."""
    assert 0 < visit.sizes[f"/{visit.name.split('?')[0]}"] < len(visit.html.encode()) / 2
    assert "/_static/lab-icons.css" in visit.sizes


def test_what_weighs_most_is_loaded_only_where_it_is_needed(visit):
    assert not any("awesome" in path for path in visit.sizes)  # its icons are in lab-icons.css
    assert any("/mathjax/" in path for path in visit.sizes) == ('class="math' in visit.html)
    assert any("vega" in path for path in visit.sizes) == (visit.replays > 0)


def test_replays_are_where_they_belong_and_scripts_only_there(visit):
    assert visit.replays >= LEAST.get(visit.name, 0)
    assert ("replay.js" in visit.html) == ("replay.css" in visit.html) == (visit.replays > 0)
    assert "lab-vega" not in visit.html  # asked for by the script, when a replay comes near


def test_each_value_of_each_slider_moves_picture_and_words(visit):
    assert len(visit.swept) == visit.replays
    for replay in visit.swept:
        sliders, words = replay["sliders"], [slider["words"] for slider in replay["data"]["sliders"]]
        for which, slider in enumerate(sliders):
            values = slider["values"]
            assert [value["heard"] for value in values] == [value["shown"] for value in values] == words[which]
            for before, now in zip(values, values[1:], strict=False):
                assert now["picture"] != before["picture"]
                assert now["sentence"] != before["sentence"]
            for index, value in enumerate(values):
                setting = 0
                for other, choices in enumerate(words):
                    setting = setting * len(choices) + (index if other == which else sliders[other]["start"])
                assert value["sentence"] == replay["data"]["readouts"][setting]


def test_text_of_replays_is_readable_in_both_themes(visit):
    assert len(visit.faintest) == 2 * visit.replays
    assert all(contrast >= CONTRAST for contrast in visit.faintest)
