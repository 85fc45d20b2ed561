"""Sphinx extension: the theme's pages made lighter, and readable to a screen reader.

It edits the finished HTML, because what it corrects stands in templates of the theme, of Sphinx and of docutils:

- FontAwesome, 0.7 MB of every first visit, is replaced by a stylesheet with the dozen icons that the pages show.
- MathJax, 0.3 MB, stays only where a page has a formula.
- An address that is shown may break behind a slash, so that a phone does not break it inside a word.
- The arrows that fold the table of contents get a name; lists of references lose roles that their content breaks.
"""

import hashlib
import html
import re
from pathlib import Path
from urllib.parse import quote

from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)

FONTAWESOME = re.compile(r'[ \t]*<script[^>]* src="([^"]*_static/)scripts/fontawesome\.js[^"]*"></script>\n?')
ICON = re.compile(r'class="([^"]*\b(?:fa-solid|fas|fa-brands|fab)\b[^"]*)"')
NO_ICON = {"fa-solid", "fa-brands", "fa-regular", "fa-lg", "fa-sm", "fa-fw"}  # a style or a size
MATHJAX = re.compile(
    r"[ \t]*<script[^>]*>window\.MathJax = .*?</script>\n?|[ \t]*<script[^>]*/mathjax/[^>]*></script>\n?"
)
FORMULA = re.compile(r'class="[^"]*\bmath\b')
ADDRESS = re.compile(r'(<a [^>]*href="https?://[^>]*>https?://)([^<]*)</a>')
FOLD = re.compile(r'(<a class="[^"]*reference internal" href="[^"]*">(.*?)</a><details[^>]*><summary)>')


def corrected(page: str, icons_version: str) -> str:
    """The page's HTML with every correction; correcting it again changes nothing."""
    link = rf'  <link rel="stylesheet" href="\1lab-icons.css?v={icons_version}" />\n'
    page = FONTAWESOME.sub(link, page)
    if not FORMULA.search(page):
        page = MATHJAX.sub("", page)
    page = FOLD.sub(_named_fold, page)
    page = ADDRESS.sub(lambda link: f"{link[1]}{re.sub('/(?=.)', '/<wbr>', link[2])}</a>", page)
    # docutils: the list contains links back, which a list must not; the role of its entries is deprecated.
    return page.replace('<div role="list" class="citation-list">', '<div class="citation-list">').replace(
        ' role="doc-biblioentry"', ""
    )


def _named_fold(found: re.Match) -> str:
    title = re.sub("<[^>]+>", "", found[2])
    return f'{found[1]} aria-label="Fold or unfold: {html.escape(html.unescape(title))}">'


def icons(page: str) -> set[str]:
    """Names of the icons that a page shows, without "fa-"."""
    classes = {name for found in ICON.findall(page) for name in found.split()}
    return {name.removeprefix("fa-") for name in classes - NO_ICON if name.startswith("fa-")}


def stylesheet(names: set[str], fontawesome: str) -> str:
    """CSS that draws these icons, with the outlines taken from FontAwesome's script.

    Raises:
        ValueError: the script has no icon of that name.
    """
    rules = [
        "/* Font Awesome Free icons, fontawesome.com, CC BY 4.0: those that these pages show. */",
        ":is(.fa-solid, .fas, .fa-brands, .fab)::before { content: '' !important; display: inline-block; height: 1em;"
        " vertical-align: -.125em; background-color: currentColor;"
        " -webkit-mask: var(--icon) center / contain no-repeat; mask: var(--icon) center / contain no-repeat; }",
        # a box without text loads its font all the same
        ":is(.fa-solid, .fas, .fa-brands, .fab) { font-family: inherit !important; }",
        "@media (forced-colors: active) { :is(.fa-solid, .fas, .fa-brands, .fab)::before"
        " { forced-color-adjust: none; background-color: ButtonText; } }",
        # the theme's other use of the font
        ".bd-sidebar-secondary.hide:not(:hover) .onthispage:after { content: '\\25BE'; font-family: inherit; }",
    ]
    for name in sorted(names):
        width, height, path = _outline(name, fontawesome)
        svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'><path d='{path}'/></svg>"
        rules.append(
            f'.fa-{name}::before {{ --icon: url("data:image/svg+xml,{quote(svg)}"); width: {width / height:g}em; }}'
        )
    return "\n".join(rules) + "\n"


def _outline(name: str, fontawesome: str) -> tuple[int, int, str]:
    """Width, height and path of an icon; of two styles the last, which is the solid one."""
    icon = r'\[(\d+),(\d+),\[([^\]]*)\],"[0-9a-f]+","([^"]+)"\]'
    found = re.findall(rf'[,{{]"?{re.escape(name)}"?:{icon}', fontawesome)
    if not found:
        found = [match for match in re.findall(icon, fontawesome) if f'"{name}"' in match[2]]
    if not found:
        raise ValueError(f"fa-{name}: FontAwesome has no icon of that name; choose one from fontawesome.com")
    width, height, _, path = found[-1]
    return int(width), int(height), path


def _finish(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    pages = [path for path in Path(app.outdir).rglob("*.html") if static not in path.parents]
    texts = {path: path.read_text(encoding="utf-8") for path in pages}
    fontawesome = (static / "scripts" / "fontawesome.js").read_text(encoding="utf-8")
    css = stylesheet(set().union(*map(icons, texts.values())), fontawesome)
    (static / "lab-icons.css").write_text(css, encoding="utf-8")
    version = hashlib.sha256(css.encode()).hexdigest()[:8]
    for path, text in texts.items():
        if (better := corrected(text, version)) != text:
            path.write_text(better, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
