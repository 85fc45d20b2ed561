"""Seconds and memory on the timing page are measured by the run that made the pages, and kept with them."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTENSIONS = ROOT / "book" / "_extensions"
sys.path.insert(0, str(EXTENSIONS))

import lab_timing  # noqa: E402

STOP_S = 10 * lab_timing.LIMIT_S  # a busy machine is slow, so that a bound in seconds only catches a hang

CONF = """
import sys
sys.path.insert(0, {extensions!r})
import lab_timing
lab_timing.LIMIT_MIB = {limit_mib}
extensions = ["myst_nb", "lab_execution", "lab_timing"]
root_doc = "labs/01_small"
nb_execution_mode = "cache"
nb_execution_cache_path = {cache!r}
"""
# Two processes of the kernel's tree hold memory for half a second: 40 MB in a child beside the kernel itself.
CELL = """
import subprocess, sys
_ = subprocess.run([sys.executable, "-c", "import time; x = b'1' * 40_000_000; time.sleep(0.5)"])
"""


def rows(page: Path) -> dict[str, list[str]]:
    """Cells of the table by the target of the link in its first column."""
    found = {}
    for row in re.findall("<tr.*?</tr>", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        if link := re.search('href="([^"]+)"', row):
            cells = re.findall("<td>(.*?)</td>", row, flags=re.DOTALL)
            found[link[1]] = [html.unescape(re.sub("<[^>]+>", "", cell)).strip() for cell in cells]
    return found


def test_every_lab_has_its_measured_row(site):
    shown = rows(site / "book" / "timing.html")
    kept = [json.loads(file.read_text()) for file in (site.parent / "executed").glob("*/measured/*.json")]
    measured = {(str(one["cells"]), f"{one['seconds']:.1f}", f"{one['peak_mib']:.0f}") for one in kept}
    labs = {f"../labs/{path.stem}.html" for path in (ROOT / "labs").glob("*.ipynb")}
    assert labs <= set(shown)
    assert {"intro.html", "02_deep_narrow.html"} <= set(shown)
    for target, cells in shown.items():
        assert tuple(cells[1:]) in measured, target
    text = (site / "book" / "timing.html").read_text(encoding="utf-8")
    assert any(one["machine"] in text and one["commit"][:7] in text and one["date"] in text for one in kept)


def test_every_lab_is_within_its_limits(site):
    labs = {page: row for page, row in rows(site / "book" / "timing.html").items() if page.startswith("../labs/")}
    assert labs
    for page, (_, _, seconds, peak_mib) in labs.items():
        assert float(peak_mib) <= lab_timing.LIMIT_MIB, f"{page}: make its models smaller"
        assert float(seconds) <= STOP_S, f"{page}: train fewer steps"


@pytest.fixture
def small(tmp_path):
    """Builds a site of one lab and the timing page; returns its table, and what the build said."""
    book = tmp_path / "book"
    (book / "labs").mkdir(parents=True)
    head = "---\nfile_format: mystnb\nkernelspec: {name: python3, display_name: Python 3}\n---\n"
    lab = f"{head}# Small\n\n```{{code-cell}} python\n{CELL}```\n"
    (book / "labs" / "01_small.md").write_text(lab)
    (book / "timing.md").write_text("---\norphan: true\n---\n# Timing\n\n```{lab-timing}\n```\n")

    def build(*, limit_mib: float = 1024) -> tuple[list[str], str]:
        conf = CONF.format(extensions=str(EXTENSIONS), limit_mib=limit_mib, cache=str(tmp_path / "executed"))
        (book / "conf.py").write_text(conf)
        command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", str(book), str(tmp_path / "html")]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert "without encryption" not in done.stderr
        return rows(tmp_path / "html" / "timing.html")["labs/01_small.html"], done.stdout

    return build


def test_a_page_from_the_cache_keeps_its_numbers_and_one_without_numbers_is_executed_again(small, tmp_path):
    first, said = small()
    assert "executing labs/01_small" in said and "0 left to execute" in said
    assert first[:2] == ["Lab 01: Small", "1"]
    assert float(first[2]) > 0.5
    assert float(first[3]) > 60  # the kernel's 50 and the child's 40, at least
    (file,) = (tmp_path / "executed" / "measured").glob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": 99.0}))
    again, said = small()
    assert again == [*first[:2], "99.0", first[3]] and "executing" not in said
    file.unlink()
    third, _ = small()
    assert 0.5 < float(third[2]) < 99


def test_a_lab_over_its_limits_does_not_stop_a_build(small):
    row, _ = small(limit_mib=10)
    assert float(row[3]) > 10  # and `small` has seen that no warning, which would be an error here, came of it
