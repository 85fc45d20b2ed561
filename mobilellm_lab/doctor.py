"""Environment check: packages, memory, cores and counters, with remedies.
s nothing but Python 3.8: `python -m mobilellm_lab.doctor` works where the packages of the course are missing.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import sys
import webbrowser
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import ModuleType

from mobilellm_lab import __version__

OLDEST_PYTHON, BEYOND_PYTHON = (3, 11), (3, 15)  # pyproject.toml's requires-python
CHECKOUT = Path(__file__).resolve().parents[1]
LEAST_MEMORY_GIB, LEAST_DISK_GIB = 1.0, 2.0  # a lab may take so much; the environment and the website need the disk
RAPL = Path("/sys/class/powercap")
PURPOSE = {"lab": "the notebooks", "book": "the website", "test": "the tests", "hub": "data sets of Hugging Face"}


@dataclass(frozen=True)  # not kw_only: an older Python must be able to say that it is too old
class Check:
    """Result of one check."""

    name: str
    found: str
    ok: bool
    needed: bool  # False: the course runs without it, with something left out
    remedy: str = ""  # for the case that it is not ok

    def __str__(self) -> str:
        mark = "ok" if self.ok else "MISSING" if self.needed else "without"
        line = f"{mark:<8} {self.name}: {self.found}"
        return line if self.ok else f"{line}\n{'':<9}{self.remedy}"


def examine() -> list[Check]:
    """All checks, in the order in which to solve them."""
    return [
        _python(),
        *_packages(),
        _commit(),
        _threads(),
        _memory(),
        _disk(),
        _browser(),
        _rapl(),
        _peak_counter(),
    ]


def healthy(checks: list[Check]) -> bool:
    """True if all needed checks are ok, so that the course can run."""
    return all(check.ok for check in checks if check.needed)


def report(checks: list[Check]) -> str:
    """Text of the checks, then a block to paste into a bug report."""
    verdict = "The course can run here." if healthy(checks) else "The course cannot run here yet: see MISSING."
    names = ("torch", "numpy", "jupyterlab", "altair", "ipywidgets")
    versions = ", ".join([f"mobilellm-lab {__version__}", *(f"{name} {_version(name) or 'none'}" for name in names)])
    paste = [
        "For a bug report, paste from here:",
        "```",
        f"{platform.platform()}, {_processor()}",
        f"Python {platform.python_version()} ({platform.python_implementation()}); {versions}",
        *(f"{check.name}: {check.found}" for check in checks if check.ok),
        *(f"not ok: {check.name}: {check.found}" for check in checks if not check.ok),
        "```",
    ]
    return "\n".join([*map(str, checks), "", verdict, "", *paste])


def _module(name: str) -> ModuleType | None:
    """A module, or None where it is missing, which its own check reports."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _processor() -> str:
    provenance = _module("mobilellm_lab.provenance")
    return f"{provenance.processor() if provenance else platform.machine()}, {os.cpu_count()} cores"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _python() -> Check:
    (major, oldest), (_, beyond) = OLDEST_PYTHON, BEYOND_PYTHON
    return Check(
        name="Python",
        found=platform.python_version(),
        ok=OLDEST_PYTHON <= sys.version_info[:2] < BEYOND_PYTHON,
        needed=True,
        remedy=f"install Python {major}.{oldest} to {major}.{beyond - 1}, make a new environment with it",
    )


def _install(extra: str = "") -> str:
    """Installation advice: the checkout's own environment, by its command where there is one."""
    where, environment = f"[{extra}]" if extra else "", CHECKOUT / ".venv"
    if extra == "hub" or not (CHECKOUT / "Makefile").is_file():  # the lock has no hub
        return f"pip install 'mobilellm-lab{where}', or pip install -e '.{where}' in a checkout"
    if (environment / "ready").exists() and Path(sys.prefix).resolve() != environment.resolve():
        return f"it is in the checkout's environment: type {environment / 'bin' / 'python'} -m mobilellm_lab.doctor"
    return f"type `make lab` in {CHECKOUT}; without make, the commands for Windows in its README.md"


def _packages() -> list[Check]:
    """The package's own requirements, then those of each extra, as its metadata lists them."""
    try:
        lines = requires("mobilellm-lab") or []
    except PackageNotFoundError:
        return [Check(name="mobilellm-lab", found="not installed", ok=False, needed=True, remedy=_install("lab"))]
    listed: dict[str, list[str]] = {"": [], **{extra: [] for extra in PURPOSE}}
    for line in lines:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra == ['\"](\w+)['\"]", marker)
        name = re.match(r"[\w.-]+", requirement)[0]
        listed.setdefault(extra[1] if extra else "", []).append(name)
    checks = []
    for extra, names in listed.items():
        missing = [name for name in names if _version(name) is None]
        checks.append(
            Check(
                name=f"packages for {PURPOSE.get(extra, extra)}" if extra else "packages of the course",
                found=f"{', '.join(missing)} missing" if missing else f"all {len(names)}",
                ok=not missing,
                needed=extra in ("", "lab"),
                remedy=_install(extra),
            )
        )
    return checks


def _commit() -> Check:
    """Commit that new measurements will name."""
    provenance = _module("mobilellm_lab.provenance")
    commit = provenance.COMMIT if provenance else "unknown"
    return Check(
        name="commit",
        found=commit,
        ok=commit != "unknown",
        needed=False,
        remedy="measure in a git checkout, so that your records name the code",
    )


def _threads() -> Check:
    cores, torch = os.cpu_count() or 1, _module("torch")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    threads = f"{torch.get_num_threads()} torch threads by default, " if torch else ""
    return Check(
        name="cores and load",
        found=f"{cores} cores, {threads}load {load:.1f}",
        ok=load < cores,
        needed=False,
        remedy="all cores are busy: times will be longer and spread more; close other programs",
    )


def _memory() -> Check:
    module = _module("mobilellm_lab.memory_limits")
    if module is None:
        found, ok, remedy = "not known", False, f"psutil, which tells, is missing: {_install()}"
    else:
        try:
            least = module.available_memory()
        except ValueError as error:
            return Check(name="memory", found="not known", ok=False, needed=True, remedy=str(error))
        free, total = least.available_bytes / 2**30, least.total_bytes / 2**30
        found, ok = f"{free:.1f} GiB available of {total:.1f} (limit: {least.name})", free >= LEAST_MEMORY_GIB
        remedy = f"close other programs and notebooks, or raise the limit: a lab takes up to {LEAST_MEMORY_GIB:.0f} GiB"
    return Check(name="memory", found=found, ok=ok, needed=True, remedy=remedy)


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
        remedy="peak_memory supports Linux, macOS and Windows; its numbers may be wrong here",
    )


def main() -> int:
    """Prints the report; returns 0 if the course can run, else 1."""
    checks = examine()
    print(report(checks))
    return 0 if healthy(checks) else 1


if __name__ == "__main__":
    sys.exit(main())
