"""Serious and critical faults that axe finds on a loaded page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")
COLORS = ("color-contrast", "link-in-text-block")  # the rules that look at them


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
