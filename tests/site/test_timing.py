"""Every lab has its row on the timing page, measured by the run that made its page, and is within its limits."""

import json
import sys
from pathlib import Path

from tests.site.timings import rows

ROOT = Path(__file__).parents[2]
EXTENSIONS = ROOT / "book" / "_extensions"
sys.path.insert(0, str(EXTENSIONS))

import lab_timing  # noqa: E402

STOP_S = 10 * lab_timing.LIMIT_S  # a busy machine is slow, so that a bound in seconds only catches a hang


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
