"""A wheel holds what the package reads: every chapter's quiz opens from one, far from the repository."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPEN = """
import importlib, json, sys
from pathlib import Path

here = Path.cwd()
sys.path[:] = [str(here), *(path for path in sys.path if path and Path(path).resolve() != Path(sys.argv[1]))]
found = {}
for path in sorted(Path("mobilellm_lab").rglob("quiz.md")):
    chapter = importlib.import_module(".".join(path.parent.parts))
    assert Path(chapter.__file__).is_relative_to(here), chapter.__file__
    found[chapter.QUIZ.name] = len(chapter.QUIZ.questions)
print(json.dumps(found))
"""


def test_every_quiz_opens_from_a_wheel(tmp_path):
    source, empty = tmp_path / "source", tmp_path / "empty"
    source.mkdir()
    for path in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / path, source)  # a build writes beside its sources
    shutil.copytree(ROOT / "mobilellm_lab", source / "mobilellm_lab", ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "-w", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(empty)
    opened = subprocess.check_output([sys.executable, "-c", OPEN, ROOT], cwd=empty, text=True)
    written = {path.parts[-3] for path in (ROOT / "mobilellm_lab").rglob("quiz.md")}
    assert written and json.loads(opened).keys() == written
    assert min(json.loads(opened).values()) >= 5
