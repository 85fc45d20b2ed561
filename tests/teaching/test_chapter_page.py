"""A lab leads to its chapter's rendered page, wherever that is, and never to its source."""

import json
import re
from pathlib import Path

import pytest

from mobilellm_lab.teaching import chapter_page as module
from mobilellm_lab.teaching.chapter_page import chapter_page, website

ROOT = Path(__file__).parents[2]
STEM = "03_quantization"


def link(root: Path) -> str | None:
    found = re.search('href="([^"]+)"', chapter_page(STEM, root=root)._repr_html_())
    return found and found[1]


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository without a website's address and without a built copy, in the JupyterLab of `make lab`."""
    monkeypatch.setattr(module, "headless", lambda: False)
    monkeypatch.setenv(module.SERVED, "/static")
    (tmp_path / "_config.yml").write_text('html:\n  baseurl: ""  # such as https://someone.github.io/lab/\n')
    return tmp_path


def build(checkout: Path) -> Path:
    page = checkout / "_build/html/book" / f"{STEM}.html"
    page.parent.mkdir(parents=True)
    page.write_text("")
    return page


def test_without_a_page_the_command_that_builds_it(checkout):
    assert link(checkout) is None
    assert "make site" in chapter_page(STEM, root=checkout)


def test_the_built_copy_where_no_website_is_known(checkout):
    build(checkout)
    assert link(checkout) == f"/static/book/{STEM}.html"


def test_the_path_of_the_built_copy_where_nothing_serves_it(checkout, monkeypatch):
    page = build(checkout)
    monkeypatch.delenv(module.SERVED)
    assert link(checkout) is None
    assert f"<code>{page}</code>" in chapter_page(STEM, root=checkout)


@pytest.mark.parametrize("written", ['"https://someone.github.io/lab/"', "https://someone.github.io/lab"])
def test_the_website_where_its_address_is_known(checkout, written):
    (checkout / "_config.yml").write_text(f"html:\n  baseurl: {written}  # the one setting\n")
    assert website(checkout) == "https://someone.github.io/lab/"
    assert link(checkout) == f"https://someone.github.io/lab/book/{STEM}.html"


def test_on_the_website_the_page_beside_the_lab(checkout, monkeypatch):
    monkeypatch.setattr(module, "headless", lambda: True)
    assert link(checkout) == f"../book/{STEM}.html"


def test_an_installed_package_knows_no_website(tmp_path):
    assert website(tmp_path) is None


@pytest.mark.parametrize("lab", sorted((ROOT / "labs").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_lab_leads_to_its_own_chapter_and_to_no_source(lab):
    cells = json.loads(lab.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert code[0].splitlines()[-1] == f'chapter_page("{lab.stem.removesuffix("_more")}")'
    words = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert not re.findall(r"\]\([^)]*\.md\b", words)
