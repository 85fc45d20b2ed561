"""axe finds no serious fault on any page, wide and narrow, light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.site.test_pages import DESK, PAGES, PHONE, visit, watched

GRAVE = ("serious", "critical")
COLOURS = ("color-contrast", "link-in-text-block")  # the rules that look at them


def faults(page: Page, only: tuple[str, ...] = ()) -> list[str]:
    """The serious and critical violations of a loaded page, one line for each element."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(only)} if only else {})
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:200]}"
        for violation in found
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", [name for name in PAGES if name != "index.html"])  # which only leads to the first
def test_page_is_accessible(browser, address, name, screen):
    page, _ = watched(browser, address, screen)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")  # no colour is caught half way to another
    visit(page, f"{address}/{name}")
    assert not faults(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert not faults(page, only=COLOURS)  # nothing else differs
    page.close()


def test_the_check_itself(browser, address):
    page, _ = watched(browser, address, DESK)
    page.goto(f"{address}/book/intro.html")
    page.set_content("<main><button></button><p style='color: #ccc; background: #fff'>pale</p></main>")
    assert {fault.split()[0] for fault in faults(page)} >= {"button-name", "color-contrast"}
    page.close()
