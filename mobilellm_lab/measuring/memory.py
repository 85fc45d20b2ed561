"""Peak resident memory of a job, measured in a fresh process and over everything that it starts."""

import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 2**20
_CHILD = Path(__file__).with_name("_fresh_process.py")


@dataclass(frozen=True, kw_only=True)
class PeakMemory:
    """Resident memory of a job, in MiB (2**20 bytes)."""

    peak_mib: float  # highest of the process tree
    baseline_mib: float  # highest of the fresh process before the call: the interpreter and the target's imports
    processes: int  # most that were alive at once, the fresh one included
    samples: int  # looks at the tree; between two of them several processes can peak unseen
    interval_s: float  # pause between two looks

    @property
    def added_mib(self) -> float:
        """What the call itself added to the baseline, in MiB."""
        return self.peak_mib - self.baseline_mib

    def __str__(self) -> str:
        return f"peak {self.peak_mib:.0f} MiB, {self.added_mib:.0f} MiB above the start ({self.processes} processes)"


def _name(target: Callable) -> str:
    """ "module:qualified.name" of a callable that a fresh process can import."""
    module, path = getattr(target, "__module__", None), getattr(target, "__qualname__", "")
    if module in (None, "__main__") or not path or "<" in path:
        raise ValueError(
            f"target={target!r}: a fresh process cannot import it; define it at the top level of a module, "
            "or give the code to run as a string"
        )
    return f"{module}:{path}"


def resident_bytes(tree: Iterable[psutil.Process]) -> dict[psutil.Process, int]:
    """Resident bytes of each process that still runs and has begun its own program."""
    found = {}
    for process in tree:
        try:
            if _has_begun(process):
                found[process] = process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return {process: size for process, size in found.items() if size}  # a zombie holds no memory


def _has_begun(process: psutil.Process) -> bool:
    """False for a child between its fork and its exec: its memory is its parent's, and so is its command line."""
    try:
        parent = psutil.Process(process.ppid())
        copied = process.cmdline() == parent.cmdline() and process.memory_info().vms == parent.memory_info().vms
    except psutil.AccessDenied:  # of another user, so not a fork of ours
        return True
    return not copied


def together(resident: Mapping[psutil.Process, int], *, least: int = 0) -> int:
    """Bytes that processes of these resident sizes hold together: a page that several of them share counts once.

    The sizes are just added up where their sum is below `least`, since looking closer costs milliseconds.
    """
    total = sum(resident.values())
    if len(resident) < 2 or total < least:
        return total
    # A fork or an end between the looks at two processes shows pages twice: the smaller of two results counts.
    return min(total, _counted_once(resident), _counted_once(resident))


def _counted_once(tree: Iterable[psutil.Process]) -> int:
    """Private pages of all, and the shared pages of the process that has most of them, in bytes.

    Not the proportional set size (PSS): it falls as soon as a process outside the tree loads the same libraries. Where
    the system does not tell private pages from shared ones, all count as private.
    """
    private = shared = 0
    for process in tree:
        try:
            memory = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:  # macOS tells it to root alone
            memory = process.memory_info()
        own = getattr(memory, "uss", memory.rss)
        private, shared = private + own, max(shared, memory.rss - own)
    return private + shared


def peak_memory(
    target: Callable | str, *args: object, interval_s: float = 0.01, timeout_s: float = 600.0
) -> PeakMemory:
    """Peak resident MiB of `target(*args)`, or of a string of Python code, in a fresh process and its descendants.

    Exact for the fresh process itself: that number is the operating system's high-water mark. Over a tree it is the
    most that was seen, looking every `interval_s`; a page that several processes share is counted once.

    Raises:
        ValueError: a target that cannot be imported (a lambda, a function of a notebook), arguments for a string.
        RuntimeError: the job failed; the message ends with its traceback.
        TimeoutError: it ran longer than `timeout_s`, and was ended with everything that it had started.
    """
    if isinstance(target, str):
        if args:
            raise ValueError(f"args={args}: a string of code takes no arguments, write them into the code")
        job = (sys.path, None, target, b"")
    else:
        job = (sys.path, _name(target), None, pickle.dumps(args))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        report_path, error_path = Path(folder, "report.json"), Path(folder, "stderr.txt")
        with error_path.open("wb") as errors:
            child = subprocess.Popen(
                [sys.executable, str(_CHILD), str(report_path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        seen: dict[int, psutil.Process] = {}
        try:
            root = psutil.Process(child.pid)
            pickle.dump(job, child.stdin)
            child.stdin.close()
            peak, processes, samples = _watch(child, root, seen, interval_s=interval_s, timeout_s=timeout_s)
        finally:
            child.kill()
            for process in seen.values():  # a job leaves nothing running, however it ended
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            child.wait()
            psutil.wait_procs(seen.values(), timeout=10)
        if not report_path.exists():
            last_words = error_path.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the fresh process ended with code {child.returncode} and no report\n{last_words}")
        report = json.loads(report_path.read_text(encoding="utf-8"))
    if "error" in report:
        raise RuntimeError(f"{report['error']} (in the fresh process)\n{report['traceback']}")
    return PeakMemory(
        peak_mib=max(peak, report["peak_bytes"]) / MIB,
        baseline_mib=report["baseline_bytes"] / MIB,
        processes=processes,
        samples=samples,
        interval_s=interval_s,
    )


def _watch(
    child: subprocess.Popen,
    root: psutil.Process,
    seen: dict[int, psutil.Process],
    *,
    interval_s: float,
    timeout_s: float,
) -> tuple[int, int, int]:
    """(highest sum in bytes, most processes at once, number of looks) until the child ends; fills `seen`."""
    peak, processes, samples = 0, 1, 0
    deadline = time.monotonic() + timeout_s
    while child.poll() is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"timeout_s={timeout_s}: the job did not finish; raise timeout_s or shorten the job")
        try:
            descendants = root.children(recursive=True)
        except psutil.NoSuchProcess:
            descendants = []
        seen.update((process.pid, process) for process in descendants)
        sizes = resident_bytes([root, *descendants])
        peak = max(peak, together(sizes, least=peak))
        processes, samples = max(processes, len(sizes)), samples + 1
        time.sleep(interval_s)
    return peak, processes, samples
