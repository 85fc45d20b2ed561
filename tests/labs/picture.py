"""README's picture of the live lab: `PYTHONPATH=tests python -m labs.picture` trains two depths in a JupyterLab"""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from browser import FLAGS, find_or_install
from labs.jupyterlab import ROOT, command, opened, served
from playwright.sync_api import Page, sync_playwright

STEM = "02_deep_narrow"
TARGET = ROOT / "book/images/live-lab.png"
DONE_MS = 600_000


def panel_and_words_above() -> dict:
    """The lab's panel with the text before it."""
    lab = json.loads((ROOT / "labs" / f"{STEM}.ipynb").read_text(encoding="utf-8"))
    (place,) = (i for i, cell in enumerate(lab["cells"]) if "_panel(" in "".join(cell["source"]))
    return lab | {"cells": lab["cells"][place - 1 : place + 1]}


def set_depth(page: Page, depth: int) -> None:
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("Home")
    for _ in range(depth - 1):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(f".live-preview >> text={depth} layers")


def main() -> None:
    with TemporaryDirectory() as root, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_or_install(), args=FLAGS)
        with served(Path(root), {STEM: panel_and_words_above()}) as server:
            page = opened(browser, server, STEM, until=(".mobilellm-live",))
            page.set_viewport_size({"width": 1400, "height": 1240})
            command(page, "application:toggle-left-area")
            run = page.locator(".mobilellm-live button", has_text=re.compile("^Run$"))
            set_depth(page, 2)
            run.click()
            page.wait_for_selector(".live-status >> text=/^done ·/", timeout=DONE_MS)
            set_depth(page, 8)
            run.click()
            page.wait_for_selector(".live-status >> text=/^step 3.. of/", timeout=DONE_MS)
            page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
            page.screenshot(path=TARGET)
    print(TARGET.relative_to(ROOT))


if __name__ == "__main__":
    main()
