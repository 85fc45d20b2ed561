"""Sphinx extension: below the title of a lab's page, the ways to run it.

Downloading the notebook always works. Binder and Colab need the repository's address; where nobody has said it, they
are not shown.
"""

from html import escape

from lab_site import branch, repository_url
from sphinx.application import Sphinx


def links(url: str, branch: str, name: str) -> dict[str, str]:
    """Binder's and Colab's addresses of a notebook; `name` is its path in the repository without ".ipynb"."""
    repository = url.removeprefix("https://github.com/")
    return {
        "Binder": f"https://mybinder.org/v2/gh/{repository}/{branch}?urlpath=lab/tree/{name}.ipynb",
        "Colab": f"https://colab.research.google.com/github/{repository}/blob/{branch}/{name}.ipynb",
    }


def colab_line(url: str, branch: str) -> str:
    """What a reader types first on Colab, which has torch and the widgets but not this package."""
    return f'%pip install -q "git+{url}@{branch}" vl-convert-python'


def bar(name: str, download: str, url: str | None, branch: str) -> str:
    """HTML of the bar for the lab `name`, whose notebook is at `download`."""
    ways, colab = [f'<a href="{escape(download)}" download>download the notebook</a>'], ""
    if url:
        ways = [f'<a href="{escape(href)}">{where}</a>' for where, href in links(url, branch, name).items()] + ways
        colab = (
            "<details><summary>On Colab, run this line first</summary>"
            f'<pre tabindex="0">{escape(colab_line(url, branch))}</pre></details>'
        )
    head = "<strong>Run this lab</strong> <span>on your machine: <code>make lab</code></span>"
    return f'<div class="lab-launch"><p>{head} {" ".join(ways)}</p>{colab}</div>'


def _add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    if not pagename.startswith("labs/") or "body" not in context:
        return
    download = context["pathto"](f"_sources/{pagename}.ipynb", 1)
    title, end, rest = context["body"].partition("</h1>")
    context["body"] = title + end + bar(pagename, download, repository_url(), branch()) + rest


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", _add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
