"""Serious and critical faults that axe finds on a loaded page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")
COLORS = ("color-contrast", "link-in-text-block")  # the rules that look at them


def faults(page: Page, *, only: tuple[str, ...] = (), skip: tuple[str, ...] = (), outside: str = "") -> list[str]:
    """The serious and critical violations of a loaded page, one line for each element.

    Args:
        page: that is loaded.
        only: rules to run; all where there are none.
        skip: rules to leave out.
        outside: selector of the part of the page to leave out.
    """
    options = {"resultTypes": ["violations"], "selectors": False}  # which axe would find for everything that passes
    options |= {"rules": {rule: {"enabled": False} for rule in skip}}
    options |= {"runOnly": list(only)} if only else {}
    context = {"exclude": [[outside]]} if outside else None
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:200]}"
        for violation in Axe().run(page, context, options).response["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
