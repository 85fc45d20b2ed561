"""Sphinx extension: below the title of a chapter and of a lab, the ways to run the lab.

Downloading the notebook always works. Binder and Colab need the repository's address; where nobody has said it, they
are not shown.
"""

import re
from collections.abc import Sequence
from html import escape

from lab_site import branch, repository_url
from lab_timing import LIMIT_MIB, measured_pages
from sphinx.application import Sphinx
from sphinx.config import Config

OPENING = re.compile(r'</h1>(\s*<p class="lab-subtitle">.*?</p>)?', flags=re.DOTALL)
START = "starts in 1 to 2 minutes"


def binder(url: str, branch: str, path: str) -> str:
    """Binder's address of a file of the repository, opened in JupyterLab."""
    return f"https://mybinder.org/v2/gh/{url.removeprefix('https://github.com/')}/{branch}?urlpath=lab/tree/{path}"


def colab(url: str, branch: str, path: str) -> str:
    """Colab's address of a notebook of the repository."""
    return f"https://colab.research.google.com/github/{url.removeprefix('https://github.com/')}/blob/{branch}/{path}"


def colab_line(url: str, branch: str) -> str:
    """What a reader types first on Colab, which has torch and the widgets but not this package."""
    return f'%pip install -q "git+{url}@{branch}" vl-convert-python'


def bar(name: str, download: str, url: str | None, branch: str, *, chapter: str, memory: str) -> str:
    """HTML of the bar for the lab `name`, whose notebook is at `download` and whose page belongs to `chapter`."""
    ways, more = [f'<a href="{escape(download)}" download>download the notebook</a>'], ""
    ways.append(f'<a href="{escape(chapter)}">read the chapter</a>')
    if url:
        first = f'<a href="{escape(binder(url, branch, f"{name}.ipynb"))}">Binder</a> <span>({START}, {memory})</span>'
        ways = [first, f'<a href="{escape(colab(url, branch, f"{name}.ipynb"))}">Colab</a>', *ways]
        more = (
            "<details><summary>On Colab, run this line first</summary>"
            f'<pre tabindex="0">{escape(colab_line(url, branch))}</pre></details>'
        )
    head = "<strong>Run this lab</strong> <span>on your machine: <code>make lab</code></span>"
    return f'<div class="lab-launch"><p>{head} {" ".join(ways)}</p>{more}</div>'


def button(labs: Sequence[tuple[str, str, str, str]], url: str | None, branch: str) -> str:
    """HTML of a chapter's line: each of its labs as (title, name, address of its page, memory)."""
    parts = []
    for title, name, page, memory in labs:
        way = "<code>make lab</code>"
        if url:
            href = binder(url, branch, f"{name}.ipynb")
            way = f'<a href="{escape(href)}">run it on Binder</a> ({START}, {memory})'
        parts.append(f'<span><a href="{escape(page)}">{escape(title)}</a>: {way}</span>')
    return f'<p class="lab-line">{" ".join(parts)}</p>'


def _memory(app: Sphinx, lab: str) -> str:
    measured = measured_pages(app.env).get(lab)
    return f"takes {measured.peak_mib:.0f} MiB" if measured else f"takes at most {LIMIT_MIB:.0f} MiB"


def _add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    folder, _, stem = pagename.partition("/")
    if "body" not in context or not re.match(r"\d\d_", stem):
        return
    relative = context["pathto"]
    if folder == "labs":
        download = relative(f"_sources/{pagename}.ipynb", 1)
        chapter = relative(f"book/{stem.removesuffix('_more')}")
        line = bar(pagename, download, repository_url(), branch(), chapter=chapter, memory=_memory(app, pagename))
    else:
        labs = [name for name in (f"labs/{stem}", f"labs/{stem}_more") if name in app.env.found_docs]
        titles = (app.env.titles[name].astext().partition(" · ")[0] for name in labs)
        rows = [(title, name, relative(name), _memory(app, name)) for title, name in zip(titles, labs, strict=True)]
        line = button(rows, repository_url(), branch())
    context["body"] = OPENING.sub(lambda opening: opening[0] + line, context["body"], count=1)


def _name(app: Sphinx, config: Config) -> None:
    """A page's {{ binder }} leads to the list of the labs on Binder, where the repository's address is known."""
    url = repository_url()
    config.myst_substitutions["binder"] = f"[Binder]({binder(url, branch(), 'labs/README.md')})" if url else "Binder"


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", _name)
    app.connect("html-page-context", _add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
