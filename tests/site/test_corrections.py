"""What is corrected in the theme's pages: icons, formulas, names for screen readers."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_extensions"))

import lab_pages  # noqa: E402

SCRIPT = '  <script defer src="../_static/scripts/fontawesome.js?digest=55"></script>\n'
MATHJAX = (
    '<script>window.MathJax = {"options": {}}</script>\n<script defer src="../_static/mathjax/tex-chtml.js"></script>\n'
)
OUTLINES = (  # two styles, as the script has them; the solid one is the last
    'x={bars:[448,512,["navicon"],"f0c9","M0 96z"],file:[384,512,[],"f15b","thin"]};'
    'y={file:[384,512,[],"f15b","thick"]}'
)


def test_icons_come_from_a_stylesheet():
    once = lab_pages.corrected(SCRIPT, "12")
    assert once == '  <link rel="stylesheet" href="../_static/lab-icons.css?v=12" />\n'
    assert lab_pages.corrected(once, "12") == once


def test_mathjax_stays_with_formulas():
    assert lab_pages.corrected(f"{MATHJAX}<p>none</p>", "1") == "<p>none</p>"
    formula = f'{MATHJAX}<span class="math notranslate">x</span>'
    assert lab_pages.corrected(formula, "1") == formula


def test_what_folds_has_a_name():
    fold = '<a class="reference internal" href="#"><em>A</em> &amp; "B"</a><details><summary><span></span></summary>'
    once = lab_pages.corrected(fold, "1")
    assert '<summary aria-label="Fold or unfold: A &amp; &quot;B&quot;">' in once
    assert lab_pages.corrected(once, "1") == once


def test_an_address_may_break_behind_a_slash():
    link = '<a class="reference external" href="https://a.b/c/d/">https://a.b/c/d/</a> <a href="https://a.b/c">a/b</a>'
    once = lab_pages.corrected(link, "1")
    assert once == link.replace(">https://a.b/c/d/", ">https://a.b/<wbr>c/<wbr>d/")
    assert lab_pages.corrected(once, "1") == once


def test_icons_of_a_page_are_found_and_drawn_in_the_solid_style():
    page = '<i class="fas fa-file"></i><i class="theme-switch fa-solid fa-bars   fa-lg"></i><i class="fa-other"></i>'
    assert lab_pages.icons(page) == {"file", "bars"}
    css = lab_pages.stylesheet({"file", "navicon"}, OUTLINES)
    assert "thick" in css
    assert "thin" not in css
    assert ".fa-navicon::before" in css
    with pytest.raises(ValueError, match="fa-nosuch"):
        lab_pages.stylesheet({"nosuch"}, OUTLINES)


def test_every_icon_of_the_site_is_in_its_stylesheet(site):
    css = (site / "_static" / "lab-icons.css").read_text(encoding="utf-8")
    for path in site.rglob("*.html"):
        if "_static" not in path.parts:
            for name in lab_pages.icons(path.read_text(encoding="utf-8")):
                assert f".fa-{name}::before" in css, path.name
