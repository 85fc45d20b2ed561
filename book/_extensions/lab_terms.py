"""Sphinx extension: a link to the glossary shows the term's definition, under the pointer and in the keyboard's focus.

Bootstrap, which the theme brings, makes the box; without JavaScript the browser shows the same words as a title.
"""

import re
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

GLOSSARY = "book/glossary"
LINK = re.compile(r'(<a class="reference internal" href="[^"]*#(term-[^"]+)")(?=><span class="xref std std-term">)')


def definitions(glossary: nodes.document) -> dict[str, str]:
    """The first paragraph of each definition, by the ids of its terms."""
    found = {}
    for item in glossary.findall(nodes.definition_list_item):
        words = " ".join(next(item.findall(nodes.paragraph)).astext().split())
        found |= {id_: words for term in item.findall(nodes.term) for id_ in term["ids"]}
    return found


def explained(body: str, words: dict[str, str]) -> str:
    """HTML in which every link to a term carries its definition."""
    return LINK.sub(
        lambda link: (
            f'{link[1]} title="{escape(words[link[2]])}" data-bs-toggle="tooltip"' if link[2] in words else link[1]
        ),
        body,
    )


def _load(app: Sphinx, env: BuildEnvironment) -> None:
    env.lab_terms = definitions(env.get_doctree(GLOSSARY)) if GLOSSARY in env.found_docs else {}


def _explain(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    if "std-term" in context.get("body", ""):
        context["body"] = explained(context["body"], app.env.lab_terms)


def setup(app: Sphinx) -> dict:
    app.connect("env-check-consistency", _load)
    app.connect("html-page-context", _explain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
