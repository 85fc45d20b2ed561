"""Rows of the timing page."""

import html
import re
from pathlib import Path


def rows(page: Path) -> dict[str, list[str]]:
    """Cells of the table by the target of the link in its first column."""
    found = {}
    for row in re.findall("<tr.*?</tr>", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        if link := re.search('href="([^"]+)"', row):
            cells = re.findall("<td>(.*?)</td>", row, flags=re.DOTALL)
            found[link[1]] = [html.unescape(re.sub("<[^>]+>", "", cell)).strip() for cell in cells]
    return found
