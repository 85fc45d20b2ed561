"""The doctor: what it finds on a whole machine, on a poor one, and on one without any package."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from mobilellm_lab import __version__, doctor
from mobilellm_lab.doctor import Check, examine, healthy, report

ROOT = Path(__file__).parents[1]


def checks() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_this_machine_can_run_the_course():
    found = examine()
    assert healthy(found)
    text = report(found)
    assert "The course can run here." in text and f"mobilellm-lab {__version__}" in text
    paste = text.split("```")[1]
    assert "Python 3." in paste and "torch 2." in paste and f"{os.cpu_count()} cores" in paste
    names = [check.name for check in found]
    assert len(set(names)) == len(names) and {"Python", "memory", "disk", "browser", "commit"} <= set(names)


def test_every_finding_that_is_not_ok_says_what_to_do(monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_DISK_GIB", 10**6)
    monkeypatch.setattr(doctor, "BEYOND_PYTHON", (3, 9))
    for check in examine():
        assert check.remedy
        assert str(check).splitlines()[-1].strip() == (check.remedy if not check.ok else str(check))
    found = checks()
    assert not found["disk"].ok and not found["disk"].needed
    assert "install Python 3.11 to 3.8, make" in str(found["Python"]) and not healthy(list(found.values()))
    assert "cannot run here yet" in report(list(found.values()))


@pytest.mark.parametrize("extra, needed", [("lab", True), ("book", False), ("test", False), ("hub", False)])
@pytest.mark.parametrize("checkout", [True, False])
def test_a_missing_package_of_an_extra_is_named_with_the_command(monkeypatch, tmp_path, checkout, extra, needed):
    if not checkout:
        monkeypatch.setattr(doctor, "CHECKOUT", tmp_path)
    lines = ["torch>=2.9", f'nosuchpackage>=1; extra == "{extra}"', f"other[x]~=2.0 ; extra == '{extra}'"]
    monkeypatch.setattr(doctor, "requires", lambda name: lines)
    check = checks()[f"packages for {doctor.PURPOSE[extra]}"]
    assert check.found == "nosuchpackage, other missing" and check.needed == needed and not check.ok
    wanted = "type `make lab` in" if checkout and extra != "hub" else f"pip install 'mobilellm-lab[{extra}]'"
    assert wanted in check.remedy  # the lock holds every extra but hub
    assert checks()["packages of the course"].ok


def test_the_packages_are_those_of_the_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = checks()
    assert found["packages of the course"].found == f"all {len(project['dependencies'])}"
    assert found[f"packages for {doctor.PURPOSE['lab']}"].ok


def test_a_package_that_is_not_installed_at_all(monkeypatch, tmp_path):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", nothing)
    check = checks()["mobilellm-lab"]
    assert not check.ok and check.needed and f"type `make lab` in {ROOT}" in check.remedy
    monkeypatch.setattr(doctor, "CHECKOUT", tmp_path)
    assert "pip install -e '.[lab]'" in checks()["mobilellm-lab"].remedy


def test_an_environment_that_is_ready_is_named_to_another_python(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "requires", lambda name: ["nosuchpackage"])
    monkeypatch.setattr(doctor, "CHECKOUT", tmp_path)
    (tmp_path / "Makefile").touch()
    (tmp_path / ".venv").mkdir()
    assert "type `make lab`" in checks()["packages of the course"].remedy  # a build that was interrupted
    (tmp_path / ".venv" / "ready").touch()
    python = tmp_path / ".venv" / "bin" / "python"
    assert f"{python} -m mobilellm_lab.doctor" in checks()["packages of the course"].remedy
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert "type `make lab`" in checks()["packages of the course"].remedy


def test_little_memory_and_many_neighbours(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 2**29, "total": 2**31}))
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 1.0, 1.0))
    found = checks()
    assert found["memory"].found == "0.5 GiB available of 2.0 (limit: the machine)"
    assert not found["memory"].ok and found["memory"].needed
    assert "close other programs" in str(found["cores and load"]) and not found["cores and load"].needed


def test_the_memory_of_a_notebook_server_is_its_limit(monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", "1M")
    check = checks()["memory"]
    assert check.found == "0.0 GiB available of 0.0 (limit: MEM_LIMIT)" and not check.ok
    monkeypatch.setenv("MEM_LIMIT", "much")
    check = checks()["memory"]
    assert not check.ok and "MEM_LIMIT='much': must be bytes" in check.remedy


@pytest.mark.parametrize(
    "readable, found, ok",
    [
        (None, "no counters", False),
        (False, "0 of 2 counters readable", False),
        (True, "2 of 2 counters readable", True),
    ],
)
def test_energy_counters(monkeypatch, tmp_path, readable, found, ok):
    if readable is not None:
        for number in range(2):
            (tmp_path / f"intel-rapl:{number}").mkdir()
            (tmp_path / f"intel-rapl:{number}" / "energy_uj").write_text("1\n")
    monkeypatch.setattr(doctor, "RAPL", tmp_path)
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: readable)  # root reads everything
    check = checks()["energy counters (RAPL)"]
    assert (check.found, check.ok, check.needed) == (found, ok, False)
    assert "energy is an estimate" in check.remedy


def test_no_browser_is_no_obstacle(monkeypatch):
    def none():
        raise doctor.webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(doctor.webbrowser, "get", none)
    check = checks()["browser"]
    assert (check.found, check.ok, check.needed) == ("none", False, False) and "--no-browser" in check.remedy


def test_it_runs_in_a_bare_clone(tmp_path):
    """-S leaves out site-packages: neither torch nor psutil can be imported."""
    modules = ("__init__", "doctor", "memory_limits", "provenance")
    for name in ("Makefile", *(f"mobilellm_lab/{module}.py" for module in modules)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-S", "-m", "mobilellm_lab.doctor"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and not done.stderr
    said = done.stdout
    for missing in ("MISSING  mobilellm-lab: not installed", "MISSING  memory: not known"):
        remedy = said.split(missing)[1].splitlines()[1]
        assert f"type `make lab` in {tmp_path}" in remedy


def test_an_older_python_can_be_told_that_it_is_too_old():
    """Syntax of 3.8, annotations that are not evaluated, and nothing that a newer dataclass brings."""
    source = Path(doctor.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    assert any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    assert not re.search(r"@dataclass\(.*(kw_only|slots)=", source)


def test_its_exit_status_is_the_verdict(monkeypatch, capsys):
    assert doctor.main() == 0
    monkeypatch.setattr(doctor, "BEYOND_PYTHON", (3, 9))
    assert doctor.main() == 1
    assert "MISSING  Python" in capsys.readouterr().out
