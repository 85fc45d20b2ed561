"""What previews, search engines and lost readers see: description, address, picture, and a page for wrong addresses."""

import re
import sys
from pathlib import Path

import pytest
from docutils import nodes
from PIL import Image

from tests.site.pages import PAGES, ROOT
from tests.site.small import built

sys.path.insert(0, str(ROOT / "book" / "_extensions"))
import lab_head  # noqa: E402

ADDRESS = "https://someone.github.io/lab"
META = re.compile(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"')


def document(*paragraphs: str) -> nodes.document:
    page = nodes.document(None, None)
    page += [nodes.paragraph("", text) for text in paragraphs]
    return page


def test_a_page_is_described_by_its_question_and_its_answers_first_line():
    page = document("How few bits\nwill do?", "", "Four\u2060.", "More.")
    assert lab_head.description(page) == "How few bits will do? Four."


def test_a_long_description_ends_at_a_word():
    words = lab_head.description(document("word " * 100))
    assert 150 < len(words) <= lab_head.LONGEST and words.endswith("word…")


@pytest.fixture(scope="module", params=["", ADDRESS, f"{ADDRESS}/"])
def small(request, tmp_path_factory) -> tuple[str, Path]:
    """Address and folder of a site of two pages."""
    pages = {
        "index.rst": "First\n=====\n\nIts *words* & more.\n\n.. toctree::\n\n   folder/second\n",
        "folder/second.rst": 'Second "page"\n=============\n\nOther words.\n',
    }
    return request.param, built(tmp_path_factory.mktemp("small"), "lab_head", pages, address=request.param)


def test_every_page_says_what_it_is(small):
    _, out = small
    text = (out / "folder" / "second.html").read_text(encoding="utf-8")
    found = dict(META.findall(text))
    assert found["description"] == found["og:description"] == "Other words."
    assert found["og:title"] == "Second &quot;page&quot;"
    first = dict(META.findall((out / "index.html").read_text(encoding="utf-8")))
    assert first["description"].startswith("Its words &amp; more.")


def test_address_picture_and_sitemap_are_there_where_the_address_is_known(small):
    address, out = small
    page, lost = ((out / name).read_text(encoding="utf-8") for name in ("folder/second.html", "404.html"))
    assert 'content="noindex"' in lost and "There is no such page" in lost
    if not address:
        assert not any(name in page for name in ("canonical", "og:url", "og:image", "twitter:card"))
        assert "<base" not in lost and lost.index(f"<style>{lab_head.PLAIN}</style>") < lost.index('rel="stylesheet"')
        assert not (out / "sitemap.xml").exists() and not (out / "_static" / lab_head.PICTURE).exists()
        return
    found = dict(META.findall(page))
    assert f'<link rel="canonical" href="{ADDRESS}/folder/second.html"' in page
    assert found["og:url"] == f"{ADDRESS}/folder/second.html"
    assert (out / found["og:image"].removeprefix(f"{ADDRESS}/")).is_file()
    assert lost.index('<base href="/lab/" />') < lost.index('rel="stylesheet"')  # it is shown in any folder
    listed = re.findall("<loc>(.*?)</loc>", (out / "sitemap.xml").read_text(encoding="utf-8"))
    assert listed == [f"{ADDRESS}/folder/second.html", f"{ADDRESS}/index.html"]


def test_the_picture_has_the_size_of_a_preview_and_is_drawn_the_same_twice(tmp_path):
    for name in ("a", "b"):
        lab_head.picture().save(tmp_path / f"{name}.png", optimize=True)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1200, 630)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").stat().st_size < 100_000


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith(("book/", "labs/"))])
def test_every_page_of_the_site_has_a_title_a_description_and_an_icon(site, name):
    text = (site / name).read_text(encoding="utf-8")
    found = META.findall(text)
    assert [key for key, _ in found].count("description") == 1
    assert all(20 < len(words) for key, words in found if key in ("description", "og:description"))
    (icon,) = re.findall('<link rel="icon" href="([^"]+)"', text)
    assert ((site / name).parent / icon).resolve().is_file()
