"""Runs one callable in a fresh interpreter for `peak_memory`, and reports that process's peak; standard library only.

Started by its path, not as a module: importing the package would load torch and raise the baseline it measures.
"""

import importlib
import json
import os
import pickle
import sys
import traceback


def own_peak_bytes() -> int:
    """The operating system's own high-water mark of this process's resident memory, in bytes."""
    if sys.platform == "linux":
        # Not getrusage: its ru_maxrss starts at the size of the process that spawned this one.
        with open("/proc/self/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def resolve(name: str):
    """The object named "module:qualified.name"."""
    module, _, path = name.partition(":")
    target = importlib.import_module(module)
    for part in path.split("."):
        target = getattr(target, part)
    return target


def main(report_path: str) -> None:
    """Reads (sys.path, name or None, code or None) and the pickled arguments from stdin, runs, writes the report."""
    report = {}
    try:
        sys.path, name, code, pickled = pickle.load(sys.stdin.buffer)
        if name is None:
            program = compile(code, "<command>", "exec")
            report["baseline_bytes"] = own_peak_bytes()
            exec(program, {"__name__": "__main__"})
        else:
            target, args = resolve(name), pickle.loads(pickled)
            report["baseline_bytes"] = own_peak_bytes()
            target(*args)
    except BaseException as error:  # whatever ended the child is the parent's to raise: SystemExit too
        report["error"] = f"{type(error).__name__}: {error}"
        report["traceback"] = traceback.format_exc()
    report["peak_bytes"] = own_peak_bytes()
    with open(report_path + ".part", "w", encoding="utf-8") as file:
        json.dump(report, file)
    os.replace(report_path + ".part", report_path)


if __name__ == "__main__":
    main(sys.argv[1])
