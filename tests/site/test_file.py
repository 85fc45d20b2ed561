"""Every page opened with a double click, in the dark: whole."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.site.pages import DESK, PAGES
from tests.site.visits import Visit, visit_file


@pytest.fixture(scope="module", params=[name for name in PAGES if "?" not in name])
def visit(request, browser: Browser, site: Path) -> Visit:
    return visit_file(browser, site, request.param)


def test_page_is_whole(visit):
    assert not visit.troubles
    assert visit.theme == "dark"
    assert visit.width <= DESK["width"]
    assert visit.styled
