"""Labs are committed clean, in short cells, and each has its page in the book."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LABS = sorted((ROOT / "labs").glob("*.ipynb"))
MOST_LINES = 25  # of a code cell; aim at 15
NO_CHAPTER = {"book/intro", "book/make_it_fast", "book/glossary", "book/bibliography", "book/timing"}


def complaints(notebook: dict) -> list[str]:
    """What keeps a notebook from being committed."""
    found = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] != "code":
            continue
        if cell["outputs"] or cell["execution_count"] is not None:
            found.append(f"cell {number} carries outputs or an execution count")
        if (lines := len("".join(cell["source"]).splitlines())) > MOST_LINES:
            found.append(f"cell {number} has {lines} lines, more than {MOST_LINES}")
    if "widgets" in notebook["metadata"]:
        found.append("widget state is stored")
    return found


def test_labs_are_clean():
    found = {path.name: complaints(json.loads(path.read_text(encoding="utf-8"))) for path in LABS}
    assert not {name: complaint for name, complaint in found.items() if complaint}


def test_every_lab_ends_in_a_check_of_its_own_words():
    """Outputs are not stored, so nbval alone would pass a lab whose numbers say the opposite of its text."""
    for path in LABS:
        *cells, last = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert last["metadata"].get("tags") == ["lab-check"], f"{path.name} does not end in a cell tagged lab-check"
        asserted = [line for line in last["source"] if line.lstrip().startswith("assert ")]
        assert len(asserted) >= 3, f"{path.name} asserts {len(asserted)} things"
        assert not any("lab-check" in cell["metadata"].get("tags", ()) for cell in cells)


def test_the_rule_itself():
    clean = {"cell_type": "code", "source": ["1 + 1\n"] * MOST_LINES, "outputs": [], "execution_count": None}
    long = clean | {"source": ["1 + 1\n"] * (MOST_LINES + 1)}
    cells = [clean, clean | {"outputs": [{}]}, clean | {"execution_count": 1}, long]
    assert len(complaints({"cells": cells, "metadata": {}})) == 3


def test_every_page_has_its_lab_and_both_are_in_the_book():
    """One stem everywhere; a lab may have a second part, named STEM_more."""
    labs = {path.stem for path in LABS}
    pages = {path.stem for path in (ROOT / "book").glob("[0-9][0-9]_*.md")}
    assert {re.sub("_more$", "", stem) for stem in labs} == pages
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?:file|root):\s*(\S+)", toc))
    assert listed == NO_CHAPTER | {*(f"book/{stem}" for stem in pages), *(f"labs/{stem}" for stem in labs)}
