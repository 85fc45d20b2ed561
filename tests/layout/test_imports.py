"""Imports point one way, the heavy libraries stay where they belong, and the package starts fast."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "mobilellm_lab"
FLOORS = {
    1: {
        "model",
        "decoding",
        "stored",
        "sweeps",
        "arms",
        "provenance",
        "checkpoints",
        "pretrained",
        "footprint",
        "zoo",
        "tasks",
        "training",
        "doctor",
    },
    2: {"constraints", "deep_narrow", "quantization", "pruning", "distillation", "runtimes", "metrics"},
    3: {"reference", "figures", "exercises"},
    4: {"panels", "cli"},
}
# A chapter that is not listed yet stands with the others.
FLOORS[2] |= {path.parent.name for path in (ROOT / PACKAGE / "exercises").glob("*/__init__.py")}
FLOOR = {part: floor for floor, parts in FLOORS.items() for part in parts}
# Between the chapters, which share a floor: who may use whom.
CHAPTERS = {
    part: {"metrics"} | {"pruning": {"quantization"}, "distillation": {"quantization", "pruning"}}.get(part, set())
    for part in FLOORS[2]
}
ONLY_IN = {  # library: the parts of the package that may import it
    **{name: {"panels"} for name in ("ipywidgets", "IPython", "ipykernel")},
    **{name: {"figures", "panels"} for name in ("matplotlib", "seaborn", "altair", "vl_convert")},
    **{name: set() for name in ("transformers", "pytest", "scipy")},
    "datasets": {"tasks"},
}


def imported(source: str, module: str) -> set[str]:
    """Absolute dotted names that a module imports anywhere in its source, `from a import b` as a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative: module is the importing package's own dotted name
                base = ".".join([*module.split(".")[: len(module.split(".")) - node.level + 1], *filter(None, [base])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def complaints(part: str, names: set[str]) -> list[str]:
    """What is wrong with these imports in this part of the package (`model`, `figures`, ...)."""
    found = []
    for name in sorted(names):
        library, *rest = name.split(".")
        if library != PACKAGE:
            if part not in ONLY_IN.get(library, {part}):
                found.append(f"imports {name}; allowed only in {sorted(ONLY_IN[library]) or 'tests and benchmarks'}")
        elif rest and rest[0] in FLOOR and rest[0] != part:
            if FLOOR[rest[0]] > FLOOR[part]:
                found.append(f"imports {name}, {FLOOR[rest[0]] - FLOOR[part]} floor(s) up")
            elif FLOOR[part] == 2 == FLOOR[rest[0]] and rest[0] not in CHAPTERS[part]:
                found.append(f"imports {name}, another chapter")
    return found


def modules() -> list[Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_one_way(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    package = ".".join(parts[:-1])
    names = imported(path.read_text(encoding="utf-8"), package)
    if parts[1:] == ("__init__",):
        assert not {name for name in names if name.split(".")[0] != "importlib"}, "the package's front door is light"
        return
    assert parts[1] in FLOOR, f"{parts[1]} is on no floor: add it to FLOORS here"
    assert not complaints(parts[1], names)


@pytest.mark.parametrize(
    ("part", "source", "wrong"),
    [
        ("model", "import torch", 0),
        ("model", "from mobilellm_lab.figures import live", 1),
        ("model", "def f():\n    import mobilellm_lab.metrics.latency", 1),
        ("tasks", "from ..metrics import latency", 1),
        ("tasks", "from .shells import Shells", 0),
        ("deep_narrow", "from mobilellm_lab.metrics import latency", 0),
        ("deep_narrow", "from mobilellm_lab import pruning", 1),
        ("distillation", "from mobilellm_lab.pruning import prune", 0),
        ("metrics", "from mobilellm_lab.deep_narrow import run", 1),
        ("panels", "import ipywidgets, matplotlib.pyplot", 0),
        ("figures", "from IPython.display import display", 1),
        ("metrics", "import altair", 1),
        ("figures", "import transformers", 1),
    ],
)
def test_the_rule_itself(part, source, wrong):
    assert len(complaints(part, imported(source, f"{PACKAGE}.{part}"))) == wrong


def test_the_package_starts_fast_and_brings_no_runtime():
    """The package and its model: under 2 s of processor time, and no library that the model does not need."""
    code = f"""
import importlib, json, sys, time
start = time.process_time()
import {PACKAGE}
importlib.import_module("{PACKAGE}.model")
print(json.dumps([time.process_time() - start, sorted({{name.split(".")[0] for name in sys.modules}})]))
"""
    run = [sys.executable, "-c", code]
    seconds, names = zip(
        *(json.loads(subprocess.check_output(run, text=True, cwd=ROOT)) for _ in range(2)), strict=True
    )
    assert not set(ONLY_IN) & set(names[0])
    assert min(seconds) < 2.0, f"{min(seconds):.2f} s"  # the faster of two: the first may read a cold disk
