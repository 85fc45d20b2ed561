"""A real JupyterLab on notebooks of a test's own, driven by keyboard and mouse."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
HANG_S = 60  # bounds every wait; the figures themselves are recorded, and depend on what else the machine does

OTHER = "count = globals().get('count', 0) + 1\nprint('answer', count)"
POINTS = "(document.querySelector('.mobilellm-live polyline.curve')?.getAttribute('points') ?? '').split(' ').length"
STOPPED = "() => document.querySelector('.live-status').innerText.startsWith('stopped')"


def panel_cells(stem: str) -> list[dict]:
    """The cell of a committed lab that shows its live panel; the other cells are run by nbval."""
    lab = json.loads((ROOT / "labs" / f"{stem}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in lab["cells"] if cell["cell_type"] == "code" and "_panel(" in "".join(cell["source"])]


def long_run(stem: str) -> str:
    """What makes the panel's Run last until it is stopped, as the panel's cell says in its metadata."""
    return "\n".join(cell["metadata"].get("long_run", "") for cell in panel_cells(stem))


def notebook(stem: str, *extra: str) -> dict:
    """The lab's panel, then cells that only a test needs."""
    lab = json.loads((ROOT / "labs" / f"{stem}.ipynb").read_text(encoding="utf-8"))
    more = [
        {
            "cell_type": "code",
            "id": f"extra-{i}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": text,
        }
        for i, text in enumerate(extra)
    ]
    panel = panel_cells(stem)
    assert panel, f"the lab {stem} has no live panel"
    return lab | {"cells": panel + more}


@contextmanager
def served(root: Path, notebooks: Mapping[str, dict], *, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Address of a JupyterLab on a folder of its own that holds these notebooks and `more` files, by path.

    It has the settings of `make lab`.
    """
    files = {f"{name}.ipynb": json.dumps(content) for name, content in notebooks.items()} | dict(more or {})
    for name, text in files.items():
        path = root / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_DATA_DIR": str(root / "data"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "MOBILELLM_LAB_PROGRESS": str(root / "progress.json"),
        "MOBILELLM_LAB_MODELS": str(root / "models"),
        "MOBILELLM_LAB_SITE": "/static",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    settings = {
        "LabApp.app_settings_dir": ROOT / "binder",  # where overrides.json lies
        "LabApp.expose_app_in_browser": True,
        "ServerApp.token": "",
        "ServerApp.password": "",
        "ServerApp.root_dir": root / "work",
        "ServerApp.extra_static_paths": root / "work" / "_build" / "html",
    }
    command += [f"--{name}={value}" for name, value in settings.items()]
    with (root / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status", process, root / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    start = time.monotonic()
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() - start < 120, log.read_text()[-4000:]
            time.sleep(0.2)


def opened(browser: Browser, server: str, name: str, *, until: Sequence[str]) -> Page:
    """The notebook, run from top to bottom until all these selectors are there."""
    page = browser.new_page(viewport={"width": 1400, "height": 1800})
    page.goto(f"{server}/lab/tree/{name}.ipynb?reset")
    idle = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(idle, timeout=120_000)
    command(page, "notebook:run-all-cells")
    for selector in until:
        page.wait_for_selector(selector, timeout=120_000)
    return page


def command(page: Page, name: str) -> None:
    page.evaluate("name => window.jupyterapp.commands.execute(name)", name)


def run_cell(page: Page, index: int) -> None:
    page.evaluate("index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index }", index)
    command(page, "notebook:run-cell")


def seconds_until(page: Page, script: str) -> float:
    """Seconds until the page says so."""
    start = time.monotonic()
    page.wait_for_function(script, timeout=1000 * HANG_S, polling=20)
    return time.monotonic() - start
