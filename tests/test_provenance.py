"""A number says where it comes from."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

import mobilellm_lab.provenance as original
from mobilellm_lab.provenance import provenance


def test_provenance_says_where_a_number_comes_from():
    found = provenance("mobilellm-lab sweep squares", corpus_sha256="abc")
    assert list(found) == [
        "command",
        "commit",
        "machine",
        "python",
        "torch",
        "numpy",
        "threads",
        "date",
        "corpus_sha256",
    ]
    assert found["command"] == "mobilellm-lab sweep squares" and found["corpus_sha256"] == "abc"
    assert re.fullmatch(r"[0-9a-f]{40}\+?|unknown", found["commit"])
    assert f"{os.cpu_count()} cores" in found["machine"]
    assert found["torch"] == torch.__version__ and found["threads"] == torch.get_num_threads()
    assert datetime.strptime(found["date"], "%Y-%m-%d").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert json.loads(json.dumps(found)) == found


OURS = '[project]\nname = "mobilellm-lab"\n'


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(repository), *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.check_output(command, env=clean, text=True).strip()


def repository(folder: Path, project: str) -> Path:
    """A repository with one commit, of a project file and a package folder with provenance.py."""
    (folder / "mobilellm_lab").mkdir(parents=True)
    shutil.copy(original.__file__, folder / "mobilellm_lab")
    (folder / "pyproject.toml").write_text(project)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def commit_read_by(package: Path) -> str:
    """COMMIT of the copy of provenance.py in this package folder."""
    spec = importlib.util.spec_from_file_location("provenance_copy", package / "provenance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.COMMIT


def test_a_checkout_says_its_commit_and_whether_it_was_changed(tmp_path):
    ours = repository(tmp_path / "ours", OURS)
    head = git(ours, "rev-parse", "HEAD")
    assert commit_read_by(ours / "mobilellm_lab") == head
    (ours / "pyproject.toml").write_text(OURS + "# changed\n")
    assert commit_read_by(ours / "mobilellm_lab") == head
    with (ours / "mobilellm_lab" / "provenance.py").open("a") as file:
        file.write("# changed\n")
    assert commit_read_by(ours / "mobilellm_lab") == head + "+"


@pytest.mark.parametrize("project", [OURS, '[project]\nname = "mine"\n'])
@pytest.mark.parametrize("place", [".venv/lib/python3/site-packages/mobilellm_lab", "vendored/mobilellm_lab"])
def test_an_installed_package_does_not_say_the_commit_of_the_repository_around_it(tmp_path, project, place):
    around = repository(tmp_path / "around", project)
    installed = around / place
    installed.mkdir(parents=True)
    shutil.copy(original.__file__, installed)
    assert commit_read_by(installed) == "unknown"
    git(around, "add", ".")
    git(around, "commit", "--quiet", "-m", "second")  # committed there, too
    assert commit_read_by(installed) == "unknown"


def test_a_package_of_another_project_and_of_none_is_unknown(tmp_path, monkeypatch):
    other = repository(tmp_path / "other", '[project]\nname = "mine"\n')
    assert commit_read_by(other / "mobilellm_lab") == "unknown"
    ours = repository(tmp_path / "ours", OURS)
    shutil.rmtree(ours / ".git")
    assert commit_read_by(ours / "mobilellm_lab") == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    assert commit_read_by(other / "mobilellm_lab") == "unknown"


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_gits_variables_change_nothing(tmp_path, monkeypatch, variable):
    ours, other = repository(tmp_path / "ours", OURS), repository(tmp_path / "other", OURS + "# another\n")
    head = git(ours, "rev-parse", "HEAD")
    value = {"GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / ".git/index", "GIT_OBJECT_DIRECTORY": other / "none"}
    monkeypatch.setenv(variable, str(value.get(variable, other / ".git")))
    assert commit_read_by(ours / "mobilellm_lab") == head
    shutil.rmtree(ours / ".git")
    assert commit_read_by(ours / "mobilellm_lab") == "unknown"
