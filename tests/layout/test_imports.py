"""The law of imports: a chapter imports the ground, the shared floors, and chapters with a smaller number."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "mobilellm_lab"
SHARED = {  # folder -> the shared folders below it, which it may import beside the ground
    "measuring": (),
    "reference": ("measuring",),
    "charts": ("measuring", "reference"),
    "teaching": ("measuring", "reference", "charts"),
    "live": ("measuring", "reference", "charts", "teaching"),
}
GROUND = {path.stem for path in (ROOT / PACKAGE).glob("*.py")} - {"__init__", "cli"} | {"tasks"}
CHAPTERS = {path.stem[3:]: int(path.stem[:2]) for path in (ROOT / "book").glob("[0-9][0-9]_*.md")}
DRAWN, PRESENTED = ("figures", "panel"), ("figures", "panel", "exercises", "claims")  # subfolders of a chapter
ONLY_IN = {  # library -> the folders that may import it, anywhere in their path
    **{name: ("panel", "live") for name in ("ipywidgets", "IPython", "ipykernel")},
    **{name: (*DRAWN, "charts", "live") for name in ("matplotlib", "seaborn", "altair", "vl_convert")},
    **{name: () for name in ("transformers", "pytest", "scipy")},
    "datasets": ("tasks",),
}


def imported(source: str) -> set[str]:
    """Absolute dotted names that a module imports anywhere in its source, `from a import b` as a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute, so that a search finds them"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def allowed(place: tuple[str, ...]) -> set[str]:
    """Parts of the package that a module may import; `place` is its path below the package, () for the command line."""
    if not place:
        return GROUND | set(SHARED) | set(CHAPTERS)
    part, *below = place
    if part in GROUND:
        return GROUND
    if part in SHARED:
        return GROUND | set(SHARED[part]) | {part}
    smaller = {stem for stem, number in CHAPTERS.items() if number <= CHAPTERS[part]}
    presents = bool(below) and below[0] in PRESENTED
    return GROUND | smaller | {"measuring", "reference"} | (set(SHARED) if presents else set())


def complaints(place: tuple[str, ...], names: set[str]) -> list[str]:
    """What the law has against these imports at this place, for example ("quantization", "figures")."""
    found = []
    for library, *rest in (name.split(".") for name in sorted(names)):
        if library in ONLY_IN and not set(place) & set(ONLY_IN[library]):
            found.append(f"{library}, which is for {ONLY_IN[library] or 'tests and benchmarks'}")
        elif library == PACKAGE and rest and rest[0] != "__version__" and rest[0] not in allowed(place):
            found.append(f"{'.'.join(rest)}, which is above it")
        elif library == PACKAGE and rest and rest[0] in CHAPTERS and len(rest) > 1 and rest[1] in PRESENTED:
            if not (len(place) > 1 and place[1] in PRESENTED):
                found.append(f"{'.'.join(rest)}, which presents a chapter")
    return found


MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))


def test_there_is_something_to_judge():
    assert {"deep_narrow", "quantization"} <= set(CHAPTERS) and {"model", "training", "tasks"} <= GROUND
    assert len(MODULES) > 200
    parts = {path.relative_to(ROOT / PACKAGE).parts[0] for path in MODULES if path.parent != ROOT / PACKAGE}
    assert parts - GROUND == set(SHARED) | set(CHAPTERS), "a folder that is neither ground, shared, nor a chapter"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_imports_up(path):
    place = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    if place[0] == "cli":
        place = ()
    assert not complaints(place, imported(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("place", "source", "wrong"),
    [
        (("model",), "import torch", 0),
        (("model",), "from mobilellm_lab.charts import live", 1),
        (("tasks", "text"), "def f():\n    import mobilellm_lab.metrics.duel", 1),
        (("measuring", "bench"), "from mobilellm_lab.reference import open_sweep", 1),
        (("reference", "rows"), "from mobilellm_lab import quantization", 1),
        (("deep_narrow", "recipe"), "from mobilellm_lab.measuring import latency", 0),
        (("deep_narrow", "recipe"), "from mobilellm_lab import quantization", 1),
        (("quantization", "grid"), "from mobilellm_lab.deep_narrow.recipe import Run", 0),
        (("quantization", "grid"), "from mobilellm_lab.charts import paper", 1),
        (("quantization", "study", "run"), "from mobilellm_lab.deep_narrow.figures import plots", 1),
        (("quantization", "panel", "jobs"), "import ipywidgets, matplotlib.pyplot", 0),
        (("quantization", "figures", "plots"), "from IPython.display import display", 1),
        (("metrics", "duel"), "import altair", 1),
        (("charts", "paper"), "import transformers", 1),
    ],
)
def test_the_law_itself(place, source, wrong):
    assert len(complaints(place, imported(source))) == wrong


def loaded_by(module: str) -> tuple[float, set[str]]:
    """Seconds of processor time that importing a module takes in a fresh process, and all modules it brings."""
    code = f"""
import importlib, json, sys, time
start = time.process_time()
importlib.import_module("{module}")
print(json.dumps([time.process_time() - start, sorted(sys.modules)]))
"""
    seconds, names = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT))
    return seconds, set(names)


def test_the_package_starts_fast_and_brings_no_runtime():
    """The package and its model: under 2 s of processor time, and no library that the model does not need."""
    runs = [loaded_by(f"{PACKAGE}.model") for _ in range(2)]
    assert not set(ONLY_IN) & {name.split(".")[0] for name in runs[0][1]}
    assert min(seconds for seconds, _ in runs) < 2.0  # the faster of two: the first may read a cold disk


def test_a_technique_brings_little():
    """One technique loads its own few modules: no plotting, no widgets, no other chapter."""
    names = loaded_by(f"{PACKAGE}.quantization.gptq")[1]
    ours = {name for name in names if name.split(".")[0] == PACKAGE}
    assert len(ours) <= 15, sorted(ours)
    assert not set(ONLY_IN) & {name.split(".")[0] for name in names}
    assert {name.split(".")[1] for name in ours if "." in name} & set(CHAPTERS) == {"quantization"}
