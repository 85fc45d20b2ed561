"""README's pictures: each chapter's panel after a few runs in a real JupyterLab; `make pictures` takes them anew."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from browser import FLAGS, find_or_install
from labs.jupyterlab import ROOT, notebook, opened, served
from playwright.sync_api import sync_playwright

EACH = "for value in {values}:\n    panel.controls[{name!r}].value = value\n    panel.run()\n    panel.wait()"
RUNS = {  # lab -> a cell that sets its controls and runs
    "01_constraints": "panel.run()\npanel.wait()",
    "02_deep_narrow": EACH.format(name="depth", values=(2, 4, 8)),
    "03_quantization": EACH.format(name="bits", values=(8, 4, 3, 2)),
}
HEIGHT = 660  # pixels: controls, curve and numbers; three of them stand side by side
READY = "print('pictures:', 'ready')"


def take(folder: Path) -> None:
    """Writes a picture of each panel into `folder`."""
    labs = {stem: notebook(stem, runs, READY) for stem, runs in RUNS.items()}
    chromium = find_or_install()
    with TemporaryDirectory() as work, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        with served(Path(work), labs) as address:
            for stem in RUNS:
                page = opened(browser, address, stem, until=("text=pictures: ready",))
                page.wait_for_timeout(1000)  # the last picture of the last run
                box = page.locator(".mobilellm-live").first.bounding_box()
                page.screenshot(path=folder / f"{stem}.png", clip=box | {"height": HEIGHT})
                print(f"pictures: {stem}", flush=True)
                page.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "book" / "images")
