"""Every page of the website, wide and narrow, served and from a file: whole, light, accessible, its replays alive."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.site.pages import DESK, PAGES, PHONE, WRITTEN
from tests.site.visits import Visit, Visits

LIMIT_BYTES = 1_500_000  # of a first visit over the wire, when a server compresses what can be compressed
CONTRAST = 4.5  # of text against its background (WCAG AA)
# Replays on a page: at least one on the first page and on every page and lab of a chapter.
CHAPTERS = [name for name in PAGES if re.search(r"/\d\d_\w+(?<!_more)\.html", name)]
LEAST = dict.fromkeys(["book/intro.html", *CHAPTERS], 1) | {"book/02_deep_narrow.html": 2}


def each(names: list[str]) -> pytest.MarkDecorator:
    """A test for each of these pages; tests of one page run in one process, which visits it once for all of them."""
    return pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names])


@pytest.fixture(scope="module")
def visits(browser: Browser, address: str, site: Path) -> Visits:
    return Visits(browser, address, site)


@pytest.fixture(params=["desk", "phone"])
def visit(request, visits: Visits, name: str) -> Visit:
    """The page on a wide or on a narrow screen."""
    return getattr(visits, request.param)(name)


def replays(site: Path, name: str) -> int:
    """Number of replays that were built into a page."""
    return (site / name.split("?")[0]).read_text("utf-8").count('class="lab-replay"')


@each(PAGES)
def test_page_is_whole_on_a_phone(visits, name):
    visit = visits.phone(name)
    assert not visit.troubles
    assert visit.width <= PHONE["width"]
    assert not visit.too_wide
    assert not visit.silent
    assert not visit.empty


@each(PAGES)
def test_page_is_whole_on_a_desk(visits, name):
    visit = visits.desk(name)
    assert not visit.troubles
    assert visit.theme == "light"
    assert visit.width <= DESK["width"]
    assert visit.styled


@each([name for name in PAGES if "?" not in name])
def test_page_is_whole_when_opened_as_a_file(visits, name):
    """In the dark. There the search shows titles only, since a file may not read another."""
    visit = visits.file(name)
    assert not visit.troubles
    assert visit.theme == "dark"
    assert visit.width <= DESK["width"]
    assert visit.styled


@each([name for name in PAGES if name != "index.html"])  # which only leads to the first
def test_page_is_accessible(visit, name):
    assert not visit.faults


@each(WRITTEN)
def test_first_visit_is_light(visits, name):
    sizes = visits.desk(name).sizes
    biggest = sorted(((size, path) for path, size in sizes.items()), reverse=True)[:10]
    table = "\n".join(f"{size:>9,} {path}" for size, path in biggest)
    assert sum(sizes.values()) <= LIMIT_BYTES, f"{sum(sizes.values()):,} bytes\n{table}"


@each(WRITTEN)
def test_what_weighs_most_is_loaded_only_where_it_is_needed(visits, site, name):
    sizes, text = visits.desk(name).sizes, (site / name).read_text(encoding="utf-8")
    assert not any("awesome" in path for path in sizes)  # its icons are in lab-icons.css
    assert any("/mathjax/" in path for path in sizes) == ('class="math' in text)
    assert any("vega" in path for path in sizes) == ('class="lab-replay"' in text)


@each(["book/intro.html"])
def test_the_scale_itself(visits, site, name):
    """It sees the page and its styles, and what compresses counts as compressed."""
    sizes = visits.desk(name).sizes
    assert 0 < sizes[f"/{name}"] < (site / name).stat().st_size / 2
    assert "/_static/lab-icons.css" in sizes


@each(WRITTEN)
def test_replays_are_where_they_belong(site, name):
    assert replays(site, name) >= LEAST.get(name, 0)


@each(PAGES)
def test_scripts_are_only_where_a_replay_is(site, name):
    text = (site / name.split("?")[0]).read_text("utf-8")
    assert ("replay.js" in text) == ("replay.css" in text) == (replays(site, name) > 0)
    assert "lab-vega" not in text  # asked for by the script, when a replay comes near


@each(WRITTEN)
def test_each_value_of_each_slider_moves_picture_and_words(visits, site, name):
    swept = visits.desk(name).swept
    assert len(swept) == replays(site, name)
    for replay in swept:
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


@each(WRITTEN)
def test_text_of_replays_is_readable_in_both_themes(visit, site, name):
    assert len(visit.faintest) == 2 * replays(site, name)
    assert all(contrast >= CONTRAST for contrast in visit.faintest)


@each(WRITTEN)
def test_a_phone_shows_a_replay_whole(visits, site, name):
    unfolded = visits.phone(name).unfolded
    assert len(unfolded) == replays(site, name)
    for before, extent in unfolded:
        assert extent["table"]
        assert extent["page"] == before  # the table scrolls in its own box
        assert all(0 <= left <= right <= PHONE["width"] for left, right in extent["parts"])
        assert extent["pictures"]
        assert all(right - left > 250 for left, right in extent["pictures"])  # and not a stamp
