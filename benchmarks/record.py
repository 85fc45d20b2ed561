"""Rows of a benchmark as a table on the screen and a file with its provenance."""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from mobilellm_lab.provenance import COMMIT, processor

RESULTS = Path(__file__).with_name("results")
PACKAGES = ("torch", "transformers", "numpy", "mobilellm-lab")


def provenance(name: str) -> dict:
    """Where numbers come from: command, commit, machine, versions, threads, date."""
    return {
        "command": f"python -m benchmarks {name}",
        "commit": COMMIT,
        "machine": {
            "cpu": processor(),
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "system": f"{platform.system()} {platform.machine()}",
            "load_average": [round(load, 1) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        },
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(rows: list[dict]) -> str:
    """The rows as lines of aligned columns."""
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def mark(value: float, must: float, aim: float) -> str:
    """What a ratio (higher is better) means for the goals."""
    return "aim reached" if value >= aim else "must reached" if value >= must else "BELOW MUST"


def finish(name: str, rows: list[dict], **details: object) -> None:
    """Prints the rows; writes them, with `details` too long for the table, to results/<name>.json."""
    print(table(rows), end="\n\n")
    RESULTS.mkdir(exist_ok=True)
    content = {"provenance": provenance(name), "rows": rows, **details}
    part = RESULTS / f"{name}.json.part"
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(RESULTS / f"{name}.json")
    sys.stdout.flush()
