"""The ways to run a lab: Binder and Colab where the repository's address is known, the download always."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_extensions"))

import lab_launch  # noqa: E402
import lab_site  # noqa: E402

LAB = "labs/02_deep_narrow"
URL = "https://github.com/someone/lab"


def added(monkeypatch, *, url: str | None, name: str = LAB) -> str:
    """The body of a page with this name, after the bar is added."""
    monkeypatch.setattr(lab_launch, "repository_url", lambda: url)
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    context = {"body": "<h1>Title</h1><p>Text</p>", "pathto": lambda path, kind: f"../{path}"}
    lab_launch._add(None, name, "page.html", context, None)
    return context["body"]


def test_with_an_address_there_are_binder_colab_and_the_line_to_run_first(monkeypatch):
    body = added(monkeypatch, url=URL)
    assert body.startswith("<h1>Title</h1><div")
    assert re.findall('href="([^"]+)"', body) == [
        f"https://mybinder.org/v2/gh/someone/lab/main?urlpath=lab/tree/{LAB}.ipynb",
        f"https://colab.research.google.com/github/someone/lab/blob/main/{LAB}.ipynb",
        f"../_sources/{LAB}.ipynb",
    ]
    assert f"%pip install -q &quot;git+{URL}@main&quot;" in body
    assert (ROOT / f"{LAB}.ipynb").is_file()


def test_without_an_address_there_is_the_download_alone(monkeypatch):
    body = added(monkeypatch, url=None)
    assert re.findall('href="([^"]+)"', body) == [f"../_sources/{LAB}.ipynb"]
    assert "Colab" not in body


def test_only_labs_have_the_bar(monkeypatch):
    assert added(monkeypatch, url=URL, name="book/intro") == "<h1>Title</h1><p>Text</p>"


def test_the_address_is_that_of_this_checkout_and_of_no_other_repository(monkeypatch, tmp_path):
    inside, other = tmp_path / "inside", tmp_path / "other"
    inside.mkdir()
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(lab_site, "ROOT", inside)
    for folder, name in ((tmp_path, "around"), (other, "other")):
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        subprocess.run(["git", "-C", folder, "remote", "add", "origin", f"{URL}-{name}"], check=True)
    assert lab_site.repository_url() is None
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert lab_site.repository_url() is None
    monkeypatch.setattr(lab_site, "ROOT", tmp_path)
    assert lab_site.repository_url() == f"{URL}-around"


@pytest.mark.parametrize("lab", sorted(path.stem for path in (ROOT / "labs").glob("*.ipynb")))
def test_every_lab_can_be_downloaded_from_its_page(site, lab):
    page = (site / "labs" / f"{lab}.html").read_text(encoding="utf-8")
    assert f'href="../_sources/labs/{lab}.ipynb" download' in page
    assert (site / "_sources" / "labs" / f"{lab}.ipynb").read_bytes() == (ROOT / "labs" / f"{lab}.ipynb").read_bytes()
    assert ("mybinder.org" in page) == (lab_site.repository_url() is not None)
