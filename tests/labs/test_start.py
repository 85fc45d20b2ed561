"""JupyterLab opens on a rendered list of the labs, which leads to them; a lab leads to its rendered chapter."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from labs.jupyterlab import ROOT, opened, served
from playwright.sync_api import Browser

from mobilellm_lab.teaching.chapter_page import SERVED

START = (ROOT / "labs" / "README.md").read_text(encoding="utf-8")
STEM = "01_constraints"
CODE = "from pathlib import Path\nfrom mobilellm_lab.teaching.chapter_page import chapter_page\n"
PAGE = """<html><link rel="stylesheet" href="../_static/style.css"><body><h1>Rendered</h1>
<script>
localStorage.setItem("theme", "kept");
document.querySelector("h1").innerText = localStorage.getItem("theme");
</script>
</body></html>"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """A JupyterLab on a repository with the start page, one lab of one cell, and a built chapter."""
    root: Path = tmp_path_factory.mktemp("start")
    cell = {"cell_type": "code", "id": "link", "metadata": {}, "outputs": [], "execution_count": None}
    lab = json.loads((ROOT / "labs" / f"{STEM}.ipynb").read_text(encoding="utf-8"))
    lab["cells"] = [cell | {"source": f'{CODE}chapter_page("{STEM}", root=Path({str(root / "work")!r}))'}]
    files = {"labs/README.md": START, f"_build/html/book/{STEM}.html": PAGE}
    files["_build/html/_static/style.css"] = "h1 { color: rgb(1, 2, 3) }"
    with served(root, {f"labs/{STEM}": lab}, more=files) as address:
        yield address


def test_the_start_page_lists_every_lab_by_its_title():
    labs = {}
    for path in sorted((ROOT / "labs").glob("*.ipynb")):
        title = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"][0]
        labs[path.name] = title.removeprefix("# ").strip()
    assert [(name, title) for title, name in re.findall(r"\[(.*?)\]\((\S+\.ipynb)\)", START)] == list(labs.items())


def test_make_lab_opens_it_with_these_settings():
    makefile, binder = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "binder/postBuild"))
    assert "--LabApp.default_url=/lab/tree/labs/README.md" in makefile
    assert '--ServerApp.extra_static_paths="$(CURDIR)/_build/html"' in makefile
    assert f"{SERVED}=/static" in makefile
    assert "cp binder/overrides.json" in makefile and "cp binder/overrides.json" in binder


def test_the_start_page_is_shown_rendered_and_opens_a_lab(server, browser: Browser):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{server}/lab/tree/labs/README.md?reset")
    shown = page.locator(".jp-MarkdownViewer")
    shown.locator("h2", has_text="How a lab works").wait_for(timeout=120_000)
    shown.locator(f"a[href*='{STEM}.ipynb']").click()
    page.locator(".jp-NotebookPanel").wait_for(timeout=60_000)
    page.close()


def test_a_lab_opens_its_built_chapter_as_it_is(server, browser: Browser):
    """With its style sheet, its scripts and the reader's settings, in a tab of its own."""
    page = opened(browser, server, f"labs/{STEM}", until=("text=Read chapter 1",))
    with page.expect_popup() as popup:
        page.locator(".jp-OutputArea a", has_text="Read chapter 1").click()
    popup.value.locator("h1", has_text="kept").wait_for(timeout=60_000)
    assert popup.value.locator("h1").evaluate("e => getComputedStyle(e).color") == "rgb(1, 2, 3)"
    popup.value.close()
    page.close()
