"""The ways to run a lab, on its page and on its chapter's: Binder where the repository's address is known."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_extensions"))

import lab_launch  # noqa: E402
import lab_site  # noqa: E402

LAB = "labs/02_deep_narrow"
URL = "https://github.com/someone/lab"


CHAPTER = LAB.replace("labs", "book")
BINDER = f"https://mybinder.org/v2/gh/someone/lab/main?urlpath=lab/tree/{LAB}.ipynb"


def added(monkeypatch, *, url: str | None, name: str = LAB, body: str = "<h1>Title</h1><p>Text</p>") -> str:
    """The body of a page with this name, after the ways to run its lab are added."""
    monkeypatch.setattr(lab_launch, "repository_url", lambda: url)
    monkeypatch.setattr(lab_launch, "_memory", lambda app, lab: "takes 600 MiB")
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    titles = {LAB: nodes.title("", "Lab 2 · Deep and narrow")}
    app = SimpleNamespace(env=SimpleNamespace(found_docs=set(titles), titles=titles))
    context = {"body": body, "pathto": lambda path, kind=0: f"../{path}" + ".html" * (not kind)}
    lab_launch._add(app, name, "page.html", context, None)
    return context["body"]


def test_with_an_address_there_are_binder_colab_and_the_line_to_run_first(monkeypatch):
    body = added(monkeypatch, url=URL)
    assert body.startswith("<h1>Title</h1><div")
    assert re.findall('href="([^"]+)"', body) == [
        BINDER,
        f"https://colab.research.google.com/github/someone/lab/blob/main/{LAB}.ipynb",
        f"../_sources/{LAB}.ipynb",
        f"../{CHAPTER}.html",
    ]
    assert "starts in 1 to 2 minutes, takes 600 MiB" in body
    assert f"%pip install -q &quot;git+{URL}@main&quot;" in body
    assert (ROOT / f"{LAB}.ipynb").is_file()


def test_without_an_address_there_are_the_download_and_the_chapter(monkeypatch):
    body = added(monkeypatch, url=None)
    assert re.findall('href="([^"]+)"', body) == [f"../_sources/{LAB}.ipynb", f"../{CHAPTER}.html"]
    assert "Colab" not in body and "Binder" not in body


def test_a_chapter_opens_its_own_lab_on_binder(monkeypatch):
    title = '<h1>Title</h1>\n<p class="lab-subtitle">Question?</p>'
    body = added(monkeypatch, url=URL, name=CHAPTER, body=f"{title}<p>Text</p>")
    assert body.startswith(f"{title}<p") and body.endswith("<p>Text</p>")
    assert re.findall('href="([^"]+)"', body) == [f"../{LAB}.html", BINDER]
    assert ">Lab 2</a>" in body and "starts in 1 to 2 minutes, takes 600 MiB" in body


def test_without_an_address_a_chapter_leads_to_its_labs_page_alone(monkeypatch):
    body = added(monkeypatch, url=None, name=CHAPTER)
    assert re.findall('href="([^"]+)"', body) == [f"../{LAB}.html"] and "make lab" in body


@pytest.mark.parametrize("url", [None, URL])
def test_a_page_names_binder_with_the_list_of_the_labs(monkeypatch, url):
    monkeypatch.setattr(lab_launch, "repository_url", lambda: url)
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    config = SimpleNamespace(myst_substitutions={})
    lab_launch._name(None, config)
    start = "https://mybinder.org/v2/gh/someone/lab/main?urlpath=lab/tree/labs/README.md"
    assert config.myst_substitutions == {"binder": f"[Binder]({start})" if url else "Binder"}
    assert "{{ binder }}" in (ROOT / "book" / "intro.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["book/intro", "book/make_it_fast", "search"])
def test_other_pages_have_no_lab(monkeypatch, name):
    assert added(monkeypatch, url=URL, name=name) == "<h1>Title</h1><p>Text</p>"


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


@pytest.mark.parametrize("lab", sorted(path.stem for path in (ROOT / "labs").glob("*.ipynb")))
def test_every_chapter_leads_to_its_labs_and_back(site, lab):
    chapter = lab.removesuffix("_more")
    page = (site / "book" / f"{chapter}.html").read_text(encoding="utf-8")
    (line,) = re.findall('<p class="lab-line">.*?</p>', page)
    assert f'href="../labs/{lab}.html"' in line
    back = (site / "labs" / f"{lab}.html").read_text(encoding="utf-8")
    assert back.count(f'<a href="../book/{chapter}.html">') >= 2  # the bar, and what the first cell gave
