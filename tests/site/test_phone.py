"""Every page on a narrow screen: whole, accessible, and its replays with their tables fit."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.site.pages import PAGES, PHONE
from tests.site.replays import CONTRAST
from tests.site.visits import Visit, visit_phone


@pytest.fixture(scope="module", params=PAGES)
def visit(request, browser: Browser, address: str, site: Path) -> Visit:
    return visit_phone(browser, address, site, request.param)


def test_page_is_whole(visit):
    assert not visit.troubles
    assert visit.width <= PHONE["width"]
    assert not visit.too_wide
    assert not visit.cut
    assert not visit.silent
    assert not visit.empty


def test_page_is_accessible(visit):
    assert not visit.faults


def test_replays_are_shown_whole(visit):
    assert len(visit.unfolded) == visit.replays
    for before, extent in visit.unfolded:
        assert extent["table"]
        assert extent["page"] == before  # the table scrolls in its own box
        assert all(0 <= left <= right <= PHONE["width"] for left, right in extent["parts"])
        assert extent["pictures"]
        assert all(right - left > 250 for left, right in extent["pictures"])  # and not a stamp


def test_text_of_replays_is_readable_in_both_themes(visit):
    assert len(visit.faintest) == 2 * visit.replays
    assert all(contrast >= CONTRAST for contrast in visit.faintest)
