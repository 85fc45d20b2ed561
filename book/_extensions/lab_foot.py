"""Sphinx extension: below each page, when its numbers were measured, and where to report a wrong one."""

import re
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from lab_site import ROOT, repository_url
from lab_timing import measured_pages
from sphinx.application import Sphinx

ROWS = ROOT / "mobilellm_lab" / "reference"
ALL = ("book/intro", "book/make_it_fast")  # pages that show numbers of every chapter
DATE = re.compile(r'"date": "(\d{4}-\d\d-\d\d)')


def newest(stem: str = "", folder: Path = ROWS) -> str | None:
    """Date of the newest stored measurement of a chapter, such as "quantization"; of all for ""."""
    files = folder.glob(f"{stem}*.json*")
    return max((date for file in files for date in DATE.findall(file.read_text(encoding="utf-8"))), default=None)


def report(url: str, title: str, page: str) -> str:
    """Address of a new issue on GitHub that already names the page."""
    body = f"Page: {page}\n\nThe number, and where it stands:\n\nWhat it should be, and why:\n"
    return f"{url}/issues/new?{urlencode({'title': f'Wrong number: {title}', 'body': body})}"


def foot(*, date: str | None, link: str | None) -> str:
    """HTML of the line; empty where there is nothing to say."""
    parts = [f"Last measurement: <time>{date}</time>"] if date else []
    if link:
        parts.append(f'<a href="{escape(link)}">Report a wrong number</a>')
    return f'<p class="lab-foot">{" · ".join(parts)}</p>' if parts else ""


def _date(app: Sphinx, name: str) -> str | None:
    if name in ALL:
        return newest()
    if chapter := re.fullmatch(r"book/\d\d_(\w+)", name):
        return newest(chapter[1])
    return measured.date if (measured := measured_pages(app.env).get(name)) else None


def _add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    if doctree is None:
        return
    url = repository_url()
    link = report(url, app.env.titles[pagename].astext(), f"{pagename}.html") if url else None
    context["body"] += foot(date=_date(app, pagename), link=link)


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", _add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
