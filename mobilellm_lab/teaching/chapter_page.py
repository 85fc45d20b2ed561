"""Link from a lab to its chapter's rendered page"""

import os
import re
from html import escape
from pathlib import Path

from mobilellm_lab.charts.viewer import headless

ROOT = Path(__file__).parents[2]
SERVED = "MOBILELLM_LAB_SITE"  # where the running JupyterLab serves _build/html, such as /static


class Link(str):
    """HTML that is shown where it is the last value of a cell."""

    def _repr_html_(self) -> str:
        return str(self)


def website(root: Path = ROOT) -> str | None:
    """Address of the published website with a slash at its end: `baseurl` in `_config.yml`. None while it is empty."""
    config = root / "_config.yml"
    text = config.read_text(encoding="utf-8") if config.exists() else ""  # an installed wheel has none
    found = re.search(r"""^ +baseurl: *["']?(https?://[^\s"'#]+)""", text, flags=re.MULTILINE)
    return f"{found[1].rstrip('/')}/" if found else None


def chapter_page(stem: str, *, root: Path = ROOT) -> Link:
    """Where to read the chapter of this stem ("03_quantization"): on the website, else in the copy built here.

    Where there is neither, the command that builds it. In the website's own labs it is the page beside them. JupyterLab
    shows no page of a folder as it is; the one that `make lab` starts serves the copy, and says where in `SERVED`.
    """
    page, number, served = f"book/{stem}.html", int(stem[:2]), os.environ.get(SERVED)
    built = root / "_build" / "html" / page
    if headless():
        return _link(f"../{page}", number)
    if address := website(root):
        return _link(f"{address}{page}", number)
    if not built.exists():
        where = f"<code>make site</code> in the course's folder builds <code>_build/html/{escape(page)}</code>"
    elif served:
        return _link(f"{served}/{page}", number)
    else:
        where = f"open <code>{escape(str(built))}</code> in a browser"
    return Link(f"<p>The chapter has the reasoning and the full sweeps: {where}.</p>")


def _link(href: str, number: int) -> Link:
    words = f"Read chapter {number}</a>, which has the reasoning and the full sweeps."
    return Link(f'<p class="lab-chapter"><a href="{escape(href)}">{words}</p>')
