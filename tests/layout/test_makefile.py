"""What `make` says before it spends minutes: a Python without packages, and packages that do not fit together."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A bare clone, as far as the environment is concerned."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def make(folder: Path, *arguments: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout


def python(folder: Path, minor: int) -> Path:
    """A Python 3 that says to be of this minor version, and makes no environment."""
    body = f"""case "$1" in --version) echo Python 3.{minor}.2; exit;; -m) echo begins; exit 3;; esac
exec {sys.executable} -c 'import sys; sys.version_info = (3, {minor}, 2); exec(sys.argv[1])' "$2" """
    return program(folder / "python3", body)


@pytest.mark.parametrize("minor", [10, 15])
def test_a_python_without_packages_is_told_which_ones_have_them(folder, minor):
    code, said = make(folder, f"PYTHON={python(folder, minor)}", ".venv/bin/python")
    assert code and f"Python 3.{minor}.2 cannot run the course: its packages are there for Python 3.11 to 3.14." in said
    assert "make PYTHON=python3.14" in said and "begins" not in said


@pytest.mark.parametrize("minor", [11, 14])
def test_the_oldest_and_the_newest_begin(folder, minor):
    _, said = make(folder, f"PYTHON={python(folder, minor)}", ".venv/bin/python")
    assert "cannot run" not in said and "begins" in said


def test_no_python_at_all_is_told_what_to_install(folder):
    code, said = make(folder, "PYTHON=no-such-python", ".venv/bin/python")
    assert code and "There is no no-such-python here. Install Python 3.11 to 3.14, or name one" in said


def test_what_pip_check_found_is_shown(folder):
    finding = "torch 2.13.0 requires sympy, which is not installed."
    program(folder / ".venv/bin/python", f'case "$*" in *check*) echo "{finding}"; exit 1;; esac')
    code, said = make(folder, ".venv/ready")
    assert code and f"do not fit together:\n{finding}\nType make clean" in said
    assert not (folder / ".venv/ready").exists()


def test_nothing_is_said_where_all_fits(folder):
    program(folder / ".venv/bin/python", 'case "$*" in *check*) echo "No broken requirements found.";; esac')
    program(folder / ".venv/bin/jupyter", "")
    code, said = make(folder, ".venv/ready")
    assert code == 0 and "requirements found" not in said and (folder / ".venv/ready").exists()
