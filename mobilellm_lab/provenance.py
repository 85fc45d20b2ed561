"""Provenance of a number: command, commit, machine, versions, threads, date."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch


def provenance(command: str, **more: str) -> dict[str, str | int]:
    """Origin of a measurement: command, commit, machine, versions, threads, date."""
    return {
        "command": command,
        "commit": COMMIT,
        "machine": f"{processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy")},
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        **more,
    }


def _commit() -> str:
    """The checked-out commit, with a "+" where the package differs from it; "unknown" outside a checkout of ours.

    A package installed below another repository is no checkout of ours, since the project file of this course is not
    committed beside it. git's variables are left out, because `GIT_DIR` names a repository for every folder.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> subprocess.CompletedProcess:
        folder = Path(__file__).parent
        return subprocess.run(["git", *arguments], cwd=folder, env=variables, capture_output=True, text=True)

    try:
        if git("grep", "--quiet", "--fixed-strings", PROJECT, "HEAD", "--", "../pyproject.toml").returncode:
            return "unknown"
        head = git("rev-parse", "HEAD").stdout.strip()
        return head + ("+" if git("diff", "--quiet", "HEAD", "--", "*.py").returncode else "")
    except FileNotFoundError:  # no git
        return "unknown"


PROJECT = 'name = "mobilellm-lab"'  # the line of pyproject.toml that names this project
COMMIT = _commit()  # read with the code, not with the last row: a sweep outlives a commit


def processor() -> str:
    """The processor's model name, where the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
