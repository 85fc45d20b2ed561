"""Labs that nbval ran are not run again by the website's build, which measures what it runs and says what it does."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import lab_progress
import nbformat
import pytest

from tests.site.conftest import complaint
from tests.site.timings import rows

ROOT = Path(__file__).parents[2]
EXTENSIONS = ROOT / "book" / "_extensions"
CONF = """
import sys
sys.path.insert(0, {extensions!r})
import lab_timing
lab_timing.LIMIT_MIB = 10
extensions = ["myst_nb", "lab_progress", "lab_execution", "lab_timing"]
root_doc = "index"
nb_execution_mode = "cache"
nb_execution_cache_path = {cache!r}
"""
INDEX = "# Book\n\n```{lab-timing}\n```\n\n```{toctree}\n:glob:\nlabs/*\n```\n"
COUNT = "with open('runs.txt', 'a') as file:\n    _ = file.write('{name} ')"
# Two processes of the kernel's tree hold memory for half a second: 40 MB in a child beside the kernel itself.
HOLD = """
import subprocess, sys
_ = subprocess.run([sys.executable, "-c", "import time; x = b'1' * 40_000_000; time.sleep(0.5)"])
"""
CELLS = {
    "good": ["print('printed ' * 2)", "40 + 2", "from IPython.display import HTML; HTML('<b id=shown>')", HOLD],
    "fails": ["1", "1 / 0"],
    "replaces": ["shown = display(1, display_id=True); shown.update(2)"],  # nbval drops what comes in its place
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command, what it said, and how it left the book."""

    code: int
    out: str
    errors: str
    runs: list[str]  # names of the labs that were run so far
    kept: dict[int, dict]  # measurements in the cache by the lab's number of cells
    table: dict[str, list[str]]  # rows of the timing page
    good: str  # page of the lab that works
    recorded: bool  # as a website that is whole

    def measured(self) -> tuple[float, float]:
        """Seconds and MiB of the good lab on the timing page."""
        seconds, peak_mib = self.table["labs/good.html"][2:]
        return float(seconds), float(peak_mib)


def write_book(folder: Path) -> None:
    """A book of three labs, each of which counts its runs."""
    labs = folder / "book" / "labs"
    labs.mkdir(parents=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, cells in CELLS.items():
        code = [nbformat.v4.new_code_cell(cell) for cell in [COUNT.format(name=name), *cells]]
        lab = nbformat.v4.new_notebook(metadata=kernel, cells=[nbformat.v4.new_markdown_cell(f"# {name}"), *code])
        nbformat.write(lab, labs / f"{name}.ipynb")
    (folder / "book" / "index.md").write_text(INDEX)
    conf = CONF.format(extensions=str(EXTENSIONS), cache=str(folder / "executed"))
    (folder / "book" / "conf.py").write_text(conf)


def run(folder: Path, *command: str) -> Step:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{EXTENSIONS}"}
    command = [sys.executable, "-m", *command]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    index, good = folder / "html" / "index.html", folder / "html" / "labs" / "good.html"
    return Step(
        code=done.returncode,
        out=done.stdout,
        errors=done.stderr,
        runs=(folder / "book" / "labs" / "runs.txt").read_text().split(),
        kept={one["cells"]: one for one in map(json.loads, (file.read_text() for file in measurements(folder)))},
        table=rows(index) if index.exists() else {},
        good=good.read_text(encoding="utf-8") if good.exists() else "",
        recorded=(folder / lab_progress.RECORD).exists(),
    )


def measurements(folder: Path) -> list[Path]:
    return list((folder / "executed" / "measured").glob("*.json"))


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> dict[str, Step]:
    """The story of a book: nbval, a build that fails, and, without what failed, two builds that must not warn."""
    folder = tmp_path_factory.mktemp("execution")
    labs = folder / "book" / "labs"
    nbval = ("pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env")
    nbval += ("-p", "lab_nbval", "--lab-cache", str(folder / "executed"))
    build = ("sphinx", "-q", "-E", str(folder / "book"), str(folder / "html"))
    strict = (*build, "-W", "--keep-going")
    write_book(folder)
    steps = {"tested": run(folder, *nbval, str(labs))}
    (file,) = measurements(folder)  # of the good lab
    steps["failed"] = run(folder, *build)
    steps["tested again"] = run(folder, *nbval, str(labs / "good.ipynb"))
    (labs / "fails.ipynb").unlink()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"seconds": 99.0}))
    steps["from the cache"] = run(folder, *strict)
    file.unlink()
    steps["measured again"] = run(folder, *strict)
    return steps


def test_nbval_keeps_the_labs_that_it_ran_whole(steps):
    tested = steps["tested"]
    assert "1 failed" in tested.out and "ZeroDivisionError" in tested.out, tested.out + tested.errors
    assert sorted(tested.runs) == sorted(CELLS)
    assert list(tested.kept) == [5]  # cells of the good one
    assert tested.kept[5]["seconds"] > 0.5
    assert tested.kept[5]["peak_mib"] > 60  # the kernel's 50 and the child's 40, at least


def test_the_build_takes_what_nbval_ran_and_runs_the_rest(steps):
    built = steps["failed"]
    assert built.runs.count("good") == 1 and built.runs.count("replaces") == 2, built.out + built.errors
    assert "printed printed" in built.good and ">42" in built.good and "<b id=shown>" in built.good
    assert "CellExecutionError" in built.errors and "site: failed after" in built.out
    assert not built.recorded


def test_nbval_changes_nothing_that_the_website_shows(steps):
    again = steps["tested again"]
    assert again.runs.count("good") == 2 and "1 failed" not in again.out
    assert again.kept[5] == steps["tested"].kept[5]  # until the lab or the package changes


def test_a_build_says_what_it_does_and_how_long_the_last_one_took(steps):
    first, cached, again = steps["failed"], steps["from the cache"], steps["measured again"]
    said = first.out.splitlines()
    assert "site: 2 pages to execute" in said and "site: executing labs/replaces" in said, first.out + first.errors
    assert any(line.startswith("site: executed labs/replaces in ") and "left to execute" in line for line in said)
    assert "site: reading index, 3 left" in said and "site: reading labs/replaces, 0 left" in said
    assert cached.recorded and cached.out.splitlines()[-1].startswith("site: built in ")
    assert "last build" not in first.out + cached.out  # none was whole
    assert again.out.startswith("site: the last build read 3 pages in "), again.out + again.errors
    assert "encryption" not in first.errors + cached.errors + again.errors


def test_a_page_from_the_cache_keeps_its_numbers(steps):
    cached = steps["from the cache"]
    assert cached.code == 0 and "execut" not in cached.out, cached.out + cached.errors
    assert cached.table["labs/good.html"][:2] == ["good", "5"]
    seconds, peak_mib = cached.measured()
    assert seconds == 99.0 and peak_mib == round(steps["tested"].kept[5]["peak_mib"])
    assert peak_mib > 10  # a lab over its limits does not stop a build


def test_a_page_without_numbers_is_executed_again(steps):
    again = steps["measured again"]
    assert again.code == 0, again.out + again.errors
    assert "site: 1 pages to execute" in again.out and again.runs.count("good") == 3
    assert "site: executed labs/good in " in again.out and " 0 left to execute" in again.out
    seconds, peak_mib = again.measured()
    assert 0.5 < seconds < 99 and peak_mib > 60


def test_a_website_that_is_missing_or_stale_is_not_tested(tmp_path):
    assert "no website" in complaint(tmp_path, "now")
    record = tmp_path / lab_progress.RECORD
    record.write_text('{"sources": "before"}')
    assert "older than its sources" in complaint(tmp_path, "now")
    record.write_text('{"sources": "now"}')
    assert complaint(tmp_path, "now") is None
    assert lab_progress.sources() != lab_progress.sources(tmp_path)
