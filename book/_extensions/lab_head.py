"""Sphinx extension: what a search engine, a chat or a lost reader sees of a page.

A description and a title for previews on every page, and a page for addresses that do not exist. The canonical address,
the preview's picture and the sitemap need the address of the site: `baseurl` in `_config.yml`. Where it is empty, they
are left out.
"""

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx

LONGEST = 200  # letters of a description
PICTURE = "social.png"  # in _static
SIZE = (1200, 630)  # pixels, as previews show them
INK, FAINT, PAPER, DEEP, WIDE = "#1a1a1a", "#5a5a5a", "#ffffff", "#0072b2", "#c9c9c9"
LINES = (  # top, size, color and text
    (150, 84, INK, "MobileLLM Lab"),
    (300, 46, INK, "How do I make a language\nmodel fast on a phone?"),
    (470, 34, FAINT, "Answers first, each one measured."),
)
LOST = """<h1>There is no such page</h1>
<p>It may have moved. <a href="index.html">Begin at the start</a>, <a href="search.html">search</a>,
or choose a chapter in the list.</p>"""
PLAIN = "body { margin: 2rem; font-family: system-ui, sans-serif; line-height: 1.5; }"  # until a theme overrides it


def description(doctree: nodes.document) -> str:
    """The page's first two paragraphs, cut at a word: of a chapter its question and its answer's first line."""
    found = [text for paragraph in doctree.findall(nodes.paragraph) if (text := _words(paragraph))]
    text = " ".join(found[:2])
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rsplit(" ", 1)[0] + "…"


def _words(paragraph: nodes.paragraph) -> str:
    text = paragraph.astext().replace("\u2060", "")  # what keeps glued numbers whole
    return " ".join(text.split())


def tags(*, title: str, words: str, page: str, address: str) -> str:
    """The `meta` elements of a page; `address` is that of the site, or empty."""
    lines = [f'<meta name="description" content="{escape(words)}" />']
    pairs = {"og:type": "website", "og:site_name": "MobileLLM Lab", "og:title": title, "og:description": words}
    if address:
        pairs |= {"og:url": page, "og:image": f"{address.rstrip('/')}/_static/{PICTURE}"}
        lines.append('<meta name="twitter:card" content="summary_large_image" />')
    lines += [f'<meta property="{name}" content="{escape(text)}" />' for name, text in pairs.items()]
    return "\n".join(lines) + "\n"


def picture() -> Image.Image:
    """The preview: the course's name and question, and two models of as many parameters, deep and wide."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    for top, size, color, text in LINES:
        draw.multiline_text((80, top), text, fill=color, font=ImageFont.load_default(size), spacing=16)
    _stack(draw, left=800, layers=8, width=100, height=40)
    _stack(draw, left=940, layers=2, width=200, height=80, color=WIDE)
    return image


def _stack(draw: ImageDraw.ImageDraw, *, left: int, layers: int, width: int, height: int, color: str = DEEP) -> None:
    """Layers as rectangles on one ground line; layers times width times height is the model's parameters."""
    for layer in range(layers):
        top = 530 - (layer + 1) * (height + 8)
        draw.rounded_rectangle((left, top, left + width, top + height), radius=6, fill=color)


def sitemap(address: str, pages: Iterable[str]) -> str:
    """XML that lists the addresses of these pages."""
    root = escape(address.rstrip("/"))
    rows = "".join(f"<url><loc>{root}/{page}.html</loc></url>\n" for page in sorted(pages))
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    return f"{head}{rows}</urlset>\n"


def _lost(app: Sphinx) -> Iterator[tuple[str, dict, str]]:
    """The page for a wrong address, which is shown in any folder: styles and links start from the site's own path.

    Where the address is not known, they are found only from the site's first folder; elsewhere the page stays plain.
    """
    start = f"<style>{PLAIN}</style>"
    if address := app.config.html_baseurl:
        start = f'<base href="{escape(urlsplit(address).path.rstrip("/"))}/" />'
    tags = f'{start}\n<meta name="robots" content="noindex" />\n'
    yield "404", {"title": "There is no such page", "body": LOST, "metatags": tags}, "page.html"


def _describe(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    if doctree is None:
        return
    words = description(doctree)
    title, page = app.env.titles[pagename].astext(), context.get("pageurl") or ""
    context["metatags"] += tags(title=title, words=words, page=page, address=app.config.html_baseurl)


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html" or not app.config.html_baseurl:
        return
    out = Path(app.outdir)
    picture().save(out / "_static" / PICTURE, optimize=True)
    (out / "sitemap.xml").write_text(sitemap(app.config.html_baseurl, app.env.found_docs), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("html-collect-pages", _lost)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
