"""Link from a lab to its chapter's rendered page"""

import re
from html import escape
from pathlib import Path

from mobilellm_lab.charts.viewer import headless

ROOT = Path(__file__).parents[2]


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

    Where there is neither, the command that builds it. In the website's own labs it is the page beside them.
    """
    page, number = f"book/{stem}.html", int(stem[:2])
    if headless():
        href = f"../{page}"
    elif address := website(root):
        href = f"{address}{page}"
    elif (root / "_build" / "html" / page).exists():
        href = f"../_build/html/{page}"
    else:
        return Link(
            f"<p>Chapter {number} has the reasoning and the full sweeps. <code>make site</code> builds it as "
            f"<code>_build/html/{escape(page)}</code>; run this cell again afterwards, for the link.</p>"
        )
    words = f"Read chapter {number}</a>, which has the reasoning and the full sweeps."
    return Link(f'<p><a href="{escape(href)}">{words}</p>')
