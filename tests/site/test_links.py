"""Links inside the website lead somewhere, and links to the repository exist only where its address is known."""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_extensions"))

import lab_site  # noqa: E402


class Anchors(HTMLParser):
    """What a page points to, and what in it can be pointed at."""

    def __init__(self, path: Path):
        super().__init__()
        self.targets: set[str] = set()
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.targets |= {attrs[key] for key in ("href", "src") if attrs.get(key)}


read = cache(Anchors)


def broken(page: Path, target: str) -> bool:
    """Whether a target inside the website does not exist; links to other places are not followed."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return False
    goal = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if goal.is_dir():
        goal = goal / "index.html"
    if not goal.is_file():
        return True
    fragment = unquote(parts.fragment)
    return bool(fragment) and goal.suffix == ".html" and fragment not in read(goal).ids


def test_every_link_leads_somewhere(site):
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) >= 4  # index, intro, search, genindex
    found = {(page.name, target) for page in pages for target in read(page).targets if broken(page, target)}
    assert not found


def test_the_rule_itself(tmp_path):
    (tmp_path / "a.html").write_text("<h1 id='top'>A</h1>")
    page = tmp_path / "b.html"
    page.write_text("")
    assert not broken(page, "a.html#top")
    assert not broken(page, "https://example.org/x")
    assert broken(page, "a.html#bottom")
    assert broken(page, "c.html")


def test_no_page_loads_anything_from_another_host(site):
    """The browser sees what runs; this sees also what would run later, on a click."""
    found = set()
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found |= {
            host for host in ("unpkg.com", "jsdelivr.net", "cdnjs.", "googleapis.com", "gstatic.com") if host in text
        }
    assert not found


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://github.com/someone/lab.git", "https://github.com/someone/lab"),
        ("git@github.com:someone/lab.git", "https://github.com/someone/lab"),
        ("/some/folder/lab.git", None),
        ("", None),
    ],
)
def test_repository_is_linked_only_where_its_address_is_known(monkeypatch, remote, url):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(lab_site, "_origin", lambda: remote)
    assert lab_site.repository_url() == url
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    assert lab_site.repository_url() == "https://github.com/someone/fork"


def test_executed_pages_are_kept_until_the_package_changes(tmp_path):
    package = tmp_path / "mobilellm_lab"
    (package / "__pycache__").mkdir(parents=True)
    for name in lab_site.INPUTS[1:]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (package / "model.py").write_text("x = 1")
    first = lab_site.fingerprint(tmp_path)
    (package / "__pycache__" / "model.pyc").write_text("compiled")
    assert lab_site.fingerprint(tmp_path) == first
    (package / "data.csv").write_text("1,2")
    assert lab_site.fingerprint(tmp_path) != first
