"""A website of a few pages with one of our extensions, built in a second."""

import subprocess
import sys
from pathlib import Path

from tests.site.pages import ROOT

CONF = """
import sys
sys.path.insert(0, {extensions!r})
extensions, html_baseurl, smartquotes = [{extension!r}], {address!r}, False
"""


def built(root: Path, extension: str, pages: dict[str, str], *, address: str = "") -> Path:
    """Folder of the website of these pages: reStructuredText by path; `index.rst` is its first."""
    conf = CONF.format(extensions=str(ROOT / "book" / "_extensions"), extension=extension, address=address)
    for name, text in {"conf.py": conf, **pages}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", root, root / "_out"]
    subprocess.run(command, check=True)
    return root / "_out"
