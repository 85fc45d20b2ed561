"""Sphinx extension: a printed figure stands in the page as SVG, described by the `alt` of its cell.

A notebook gives the figure as HTML and as PNG. Of these the page keeps the HTML, which follows its theme; the words for
readers who do not see it come from the cell's metadata (`mystnb: image: alt`), as for any picture.
"""

from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)

OPENING = '<svg class="lab-figure"'  # of mobilellm_lab/charts/printed.py


def described(svg: str, alt: str) -> str:
    """The figure as one picture with these words."""
    return svg.replace(OPENING, f'{OPENING} role="img" aria-label="{escape(alt)}"', 1)


class Describe(SphinxTransform):
    """Before Sphinx collects the pictures of a page."""

    default_priority = 500

    def apply(self, **options: object) -> None:
        for bundle in list(self.document.findall(nodes.container)):
            if bundle.get("nb_element") != "mime_bundle":
                continue
            for figure in bundle.findall(
                lambda node: isinstance(node, nodes.raw) and node.astext().startswith(OPENING)
            ):
                alt = _alt(bundle)
                if not alt:
                    logger.warning(
                        "a printed figure without words: give its cell `mystnb: image: alt`", location=bundle
                    )
                kept = nodes.raw("", described(figure.astext(), alt), format="html", classes=figure["classes"])
                bundle.children = [nodes.container("", kept, mime_type="text/html")]
                break


def _alt(node: nodes.Node) -> str:
    """What the metadata of the cell around this output say."""
    while node is not None and node.get("nb_element") != "cell_code":
        node = node.parent
    return node["cell_metadata"].get("mystnb", {}).get("image", {}).get("alt", "") if node is not None else ""


def setup(app: Sphinx) -> dict:
    app.add_transform(Describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
