"""Memory that is left for this process, by the tightest of three limits: machine, container (cgroup), MEM_LIMIT"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

VARIABLE = "MEM_LIMIT"  # bytes; JupyterHub and Binder set it
CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")  # the cgroups of this process
FILES = {  # version of cgroups -> limit, use, and the line of memory.stat with what the kernel drops when it must
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


@dataclass(frozen=True, kw_only=True)
class MemoryLimit:
    """Memory under one limit."""

    name: str  # of the limit, as it is said
    total_bytes: int
    available_bytes: int  # what is left of it


def available_memory() -> MemoryLimit:
    """The limit that leaves least; beyond it the process is slowed down or killed.

    Raises:
        ValueError: MEM_LIMIT is no size.
    """
    return min(limits(), key=lambda limit: limit.available_bytes)


def limits() -> list[MemoryLimit]:
    """Every limit that holds for this process.

    Raises:
        ValueError: MEM_LIMIT is no size.
    """
    memory = psutil.virtual_memory()
    machine = MemoryLimit(name="the machine", total_bytes=memory.total, available_bytes=memory.available)
    return [machine, *_of_container(), *_of_variable()]


def _of_container() -> Iterator[MemoryLimit]:
    """The limits of the memory cgroup that this process is in, and of those around it."""
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        version, root = (1, CGROUPS / "memory") if controllers else (2, CGROUPS)
        folder = root / path.lstrip("/")  # inside a container there may be none, and `root` is the container's own
        for place in (folder, *folder.parents):
            try:
                limit, used = (int((place / name).read_text()) for name in FILES[version][:2])
                stat = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
            except (OSError, ValueError):  # no such cgroup, or "max"
                pass
            else:
                kept = used - int(stat.get(FILES[version][2], 0))
                yield MemoryLimit(
                    name="the container (cgroup)", total_bytes=limit, available_bytes=max(0, limit - kept)
                )
            if place == root:
                break


def _of_variable() -> Iterator[MemoryLimit]:
    """What MEM_LIMIT grants, less what the processes of this user hold."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if not found:
        raise ValueError(f"{VARIABLE}={text!r}: must be bytes, such as 2147483648 or 2G; set it so, or unset it")
    limit = int(float(found[1]) * 2 ** (10 * " KMGT".index(found[2].upper() or " ")))
    user = psutil.Process().username()
    held = sum(
        process.info["memory_info"].rss
        for process in psutil.process_iter(["username", "memory_info"])
        if process.info["username"] == user and process.info["memory_info"]
    )
    yield MemoryLimit(name=VARIABLE, total_bytes=limit, available_bytes=max(0, limit - held))
