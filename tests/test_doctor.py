"""The doctor: what it finds on a whole machine, on a poor one, and on one without any package."""

import json
import os
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
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (9, 0))
    for check in examine():
        assert check.remedy
        assert str(check).splitlines()[-1].strip() == (check.remedy if not check.ok else str(check))
    found = checks()
    assert not found["disk"].ok and not found["disk"].needed
    assert "install Python 9.0 or newer" in str(found["Python"]) and not healthy(list(found.values()))
    assert "cannot run here yet" in report(list(found.values()))


@pytest.mark.parametrize("extra, needed", [("lab", True), ("book", False), ("test", False)])
def test_a_missing_package_of_an_extra_is_named_with_the_command(monkeypatch, extra, needed):
    lines = ["torch>=2.9", f'nosuchpackage>=1; extra == "{extra}"', f"other[x]~=2.0 ; extra == '{extra}'"]
    monkeypatch.setattr(doctor, "requires", lambda name: lines)
    check = checks()[f"packages for {doctor.PURPOSE[extra]}"]
    assert check.found == "nosuchpackage, other missing" and check.needed == needed and not check.ok
    assert f"pip install 'mobilellm-lab[{extra}]'" in check.remedy
    assert checks()["packages of the course"].ok


def test_the_packages_are_those_of_the_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = checks()
    assert found["packages of the course"].found == f"all {len(project['dependencies'])}"
    assert found[f"packages for {doctor.PURPOSE['lab']}"].ok


def test_a_package_that_is_not_installed_at_all(monkeypatch):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", nothing)
    check = checks()["mobilellm-lab"]
    assert not check.ok and check.needed and "pip install -e" in check.remedy


def test_little_memory_and_many_neighbours(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 2**29, "total": 2**31}))
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 1.0, 1.0))
    found = checks()
    assert found["memory"].found == "0.5 GiB available of 2.0 (limit: the machine)"
    assert not found["memory"].ok and found["memory"].needed
    assert "close some of them" in str(found["cores and load"]) and not found["cores and load"].needed


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


def test_it_runs_where_no_package_is_installed():
    """-S leaves out site-packages: neither torch nor psutil can be imported."""
    code = (
        "import json, sys; from mobilellm_lab import doctor; json.dump([str(c) for c in doctor.examine()], sys.stdout)"
    )
    output = subprocess.check_output([sys.executable, "-S", "-c", code], text=True, cwd=ROOT)
    lines = json.loads(output)
    assert any(line.startswith("MISSING  mobilellm-lab: not installed") for line in lines)
    assert any(line.startswith("MISSING  memory: not known") for line in lines)


def test_its_exit_status_is_the_verdict(monkeypatch, capsys):
    assert doctor.main() == 0
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (9, 0))
    assert doctor.main() == 1
    assert "MISSING  Python" in capsys.readouterr().out
