"""Provenance of a number: command, commit, machine, versions, threads, date."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch


def provenance(command: str, **more: str) -> dict[str, str | int]:
    """Where a measurement comes from: command, commit, machine, versions, threads, date."""
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
    """The checked-out commit, with a "+" where the package differs from it; "unknown" outside a checkout."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "*.py"], cwd=here)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.returncode else "")


COMMIT = _commit()  # read with the code, not with the last row: a sweep outlives a commit


def processor() -> str:
    """The processor as its maker calls it, where the system says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
