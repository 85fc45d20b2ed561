"""Labs that nbval ran are not run again by the website's build; a build says what it does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import lab_progress
import nbformat
import pytest

from tests.site.conftest import complaint

ROOT = Path(__file__).parents[2]
EXTENSIONS = ROOT / "book" / "_extensions"
CONF = """
import sys
sys.path.insert(0, {extensions!r})
extensions = ["myst_nb", "lab_progress", "lab_execution"]
root_doc = "index"
nb_execution_mode = "cache"
nb_execution_cache_path = {cache!r}
"""
COUNT = "with open('runs.txt', 'a') as file:\n    _ = file.write('{name} ')"
CELLS = {
    "good": ["print('printed ' * 2)", "40 + 2", "from IPython.display import HTML; HTML('<b id=shown>')"],
    "fails": ["1", "1 / 0"],
    "replaces": ["shown = display(1, display_id=True); shown.update(2)"],  # nbval drops what comes in its place
}


@pytest.fixture
def book(tmp_path) -> Path:
    """A book of three labs, each of which counts its runs."""
    labs = tmp_path / "book" / "labs"
    labs.mkdir(parents=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for name, cells in CELLS.items():
        code = [nbformat.v4.new_code_cell(cell) for cell in [COUNT.format(name=name), *cells]]
        lab = nbformat.v4.new_notebook(metadata=kernel, cells=[nbformat.v4.new_markdown_cell(f"# {name}"), *code])
        nbformat.write(lab, labs / f"{name}.ipynb")
    (tmp_path / "book" / "index.md").write_text("# Book\n\n```{toctree}\n:glob:\nlabs/*\n```\n")
    conf = CONF.format(extensions=str(EXTENSIONS), cache=str(tmp_path / "executed"))
    (tmp_path / "book" / "conf.py").write_text(conf)
    return tmp_path / "book"


def run(*command: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{EXTENSIONS}"}
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, env=environment, cwd=ROOT)


def test_the_build_takes_what_nbval_ran_and_runs_the_rest(book, tmp_path):
    nbval = ("--nbval-lax", "--nbval-current-env", "-p", "lab_nbval", "--lab-cache", str(tmp_path / "executed"))
    tested = run("pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *nbval, str(book))
    assert "1 failed" in tested.stdout and "ZeroDivisionError" in tested.stdout, tested.stdout + tested.stderr
    assert len(list((tmp_path / "executed" / "measured").glob("*.json"))) == 1  # the good one

    built = run("sphinx", "-q", str(book), str(tmp_path / "html"))
    runs = (book / "labs" / "runs.txt").read_text().split()
    assert runs.count("good") == 1 and runs.count("replaces") == 2, built.stdout + built.stderr
    page = (tmp_path / "html" / "labs" / "good.html").read_text(encoding="utf-8")
    assert "printed printed" in page and ">42" in page and "<b id=shown>" in page
    assert "CellExecutionError" in built.stderr and "site: failed after" in built.stdout
    assert not (tmp_path / "built.json").exists()
    (file,) = (file for file in (tmp_path / "executed" / "measured").glob("*.json") if '"cells": 4' in file.read_text())
    kept = json.loads(file.read_text())
    assert kept["seconds"] > 0.1 and kept["peak_mib"] > 20

    run("pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *nbval, str(book))
    assert json.loads(file.read_text()) == kept  # what the website shows, until the lab or the package changes


def test_a_website_that_is_missing_or_stale_is_not_tested(tmp_path):
    assert "no website" in complaint(tmp_path, "now")
    record = tmp_path / lab_progress.RECORD
    record.write_text('{"sources": "before"}')
    assert "older than its sources" in complaint(tmp_path, "now")
    record.write_text('{"sources": "now"}')
    assert complaint(tmp_path, "now") is None
    assert lab_progress.sources() != lab_progress.sources(tmp_path)


def test_a_build_says_what_it_does_and_how_long_the_last_one_took(book, tmp_path):
    (book / "labs" / "fails.ipynb").unlink()
    first = run("sphinx", "-q", str(book), str(tmp_path / "html"))
    said = first.stdout.splitlines()
    assert "site: 2 pages to execute" in said and "site: executing labs/good" in said, first.stdout + first.stderr
    assert any(line.startswith("site: executed labs/good in ") and line.endswith(" left to execute") for line in said)
    assert "site: reading index, 2 left" in said and "site: reading labs/replaces, 0 left" in said
    assert said[-1].startswith("site: built in ")
    again = run("sphinx", "-q", str(book), str(tmp_path / "html"))
    assert again.stdout.startswith("site: the last build read 3 pages in "), again.stdout + again.stderr
    assert "executing" not in again.stdout and "encryption" not in first.stderr + again.stderr
