"""Can the course run here: what is there, what is missing, and how to get it."""

import os
import platform
import shutil
import sys
import webbrowser
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
import torch

from mobilellm_lab.provenance import COMMIT, processor

OLDEST_PYTHON = (3, 11)
LEAST_MEMORY_GIB, LEAST_DISK_GIB = 2.0, 2.0  # a lab may take 1 GiB; the environment and the website need the disk
RAPL = Path("/sys/class/powercap")
PURPOSE = {"lab": "the notebooks", "book": "the website", "test": "the tests", "hub": "data sets of Hugging Face"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    found: str
    ok: bool
    needed: bool  # False: something is left out without it, and the course runs
    remedy: str = ""  # what to do where it is not ok

    def __str__(self) -> str:
        mark = "ok" if self.ok else "MISSING" if self.needed else "without"
        line = f"{mark:<8} {self.name}: {self.found}"
        return line if self.ok else f"{line}\n{'':<9}{self.remedy}"


def examine() -> list[Check]:
    """Every check, in the order in which a reader would solve them."""
    return [
        _python(),
        *_packages(),
        _threads(),
        _memory(),
        _disk(),
        _browser(),
        _rapl(),
        _peak_counter(),
    ]


def healthy(checks: list[Check]) -> bool:
    """True where the course can run: whatever is needed is there."""
    return all(check.ok for check in checks if check.needed)


def report(checks: list[Check]) -> str:
    """What to read, then what to paste into a bug report."""
    verdict = "The course can run here." if healthy(checks) else "The course cannot run here yet: see MISSING."
    names = ("mobilellm-lab", "torch", "numpy", "jupyterlab", "altair", "ipywidgets")
    versions = ", ".join(f"{name} {_version(name) or 'none'}" for name in names)
    paste = [
        "For a bug report, paste from here:",
        "```",
        f"{platform.platform()}, {processor()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.1f} GiB; torch threads {torch.get_num_threads()}",
        f"Python {platform.python_version()} ({platform.python_implementation()}); {versions}",
        f"commit {COMMIT}",
        *(f"not ok: {check.name}: {check.found}" for check in checks if not check.ok),
        "```",
    ]
    return "\n".join([*map(str, checks), "", verdict, "", *paste])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _python() -> Check:
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return Check(
        name="Python",
        found=platform.python_version(),
        ok=sys.version_info >= OLDEST_PYTHON,
        needed=True,
        remedy=f"install Python {wanted} or newer, make a new environment with it",
    )


def _packages() -> list[Check]:
    """The package's own requirements, then those of each extra, as its metadata lists them."""
    listed: dict[str, list[str]] = {"": [], **{extra: [] for extra in PURPOSE}}
    for line in requires("mobilellm-lab") or []:
        requirement, _, marker = line.partition(";")
        extra = marker.partition("==")[2].strip().strip("\"'") if "extra" in marker else ""
        name = requirement.split("[")[0]
        for character in "<>=!~ ":
            name = name.split(character)[0]
        listed.setdefault(extra, []).append(name)
    checks = []
    for extra, names in listed.items():
        missing = [name for name in names if _version(name) is None]
        label = f"packages for {PURPOSE.get(extra, extra)}" if extra else "packages of the course"
        checks.append(
            Check(
                name=label,
                found=f"{', '.join(missing)} missing" if missing else f"all {len(names)}",
                ok=not missing,
                needed=extra in ("", "lab"),
                remedy=f"pip install 'mobilellm-lab[{extra}]', or pip install -e '.[{extra}]' in a checkout"
                if extra
                else "pip install mobilellm-lab, or pip install -e . in a checkout",
            )
        )
    return checks


def _threads() -> Check:
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return Check(
        name="cores and load",
        found=f"{cores} cores, {threads} torch threads by default, load {load:.1f}",
        ok=load < cores,
        needed=False,
        remedy="other programs keep all cores busy: times will be worse and spread more, so close some of them",
    )


def _memory() -> Check:
    memory = psutil.virtual_memory()
    return Check(
        name="memory",
        found=f"{memory.available / 2**30:.1f} GiB available of {memory.total / 2**30:.1f}",
        ok=memory.available >= LEAST_MEMORY_GIB * 2**30,
        needed=True,
        remedy=f"close other programs: a lab takes up to 1 GiB, so have {LEAST_MEMORY_GIB:.0f} GiB available",
    )


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return Check(
        name="disk",
        found=f"{free:.1f} GiB free here",
        ok=free >= LEAST_DISK_GIB,
        needed=False,
        remedy=f"free {LEAST_DISK_GIB:.0f} GiB before you build the website or keep checkpoints",
    )


def _browser() -> Check:
    try:
        found, ok = type(webbrowser.get()).__name__, True
    except webbrowser.Error:
        found, ok = "none", False
    return Check(
        name="browser",
        found=found,
        ok=ok,
        needed=False,
        remedy="start `jupyter lab --no-browser` and open the address that it prints in a browser of another machine",
    )


def _rapl() -> Check:
    counters = sorted(RAPL.glob("intel-rapl:*/energy_uj")) if RAPL.is_dir() else []
    readable = [counter for counter in counters if os.access(counter, os.R_OK)]
    if not counters:
        found, remedy = "no counters", "energy is an estimate here: RAPL needs Linux on a real Intel or AMD machine"
    else:
        found = f"{len(readable)} of {len(counters)} counters readable"
        remedy = f"sudo chmod a+r {RAPL}/intel-rapl:*/energy_uj, until the next start; without it energy is an estimate"
    return Check(
        name="energy counters (RAPL)",
        found=found,
        ok=bool(counters) and len(readable) == len(counters),
        needed=False,
        remedy=remedy,
    )


def _peak_counter() -> Check:
    """Peak memory is the system's own high-water mark on Linux, macOS and Windows."""
    known = sys.platform in ("linux", "darwin", "win32")
    return Check(
        name="peak memory of a process",
        found=platform.system(),
        ok=known,
        needed=False,
        remedy="peak_memory is tested on Linux, macOS and Windows: read its numbers with care here",
    )
