"""The programs that a browser needs: found, installed, or named with what to type; started, and ended."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from release.window import NotDriven

START_S = 60  # a browser's first start on two busy cores takes a few seconds
END_S = 20


def find_or_install(*names: str, package: str) -> str:
    """Path of the first of these programs that is here; where there is none, and root may, Debian's package brings it.

    Raises:
        NotDriven: none could be had; says what to type.
    """
    path = _find(names)
    if path is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"browsers: installing {package}", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-qq", *command], stdin=subprocess.DEVNULL, capture_output=True, env=environment)
        path = _find(names)
    if path is None:
        raise NotDriven(f"there is no {names[0]} here. On Debian or Ubuntu type: sudo apt-get install {package}")
    return path


@contextmanager
def running(command: list[str], ready: Callable[[], object], *, folder: Path, **environment: str) -> Iterator[object]:
    """Starts a program, gives what `ready` returns as soon as that is true, and ends the program afterwards.

    What it prints goes to NAME.out and NAME.err in the folder, which is also its home.

    Raises:
        NotDriven: it ended, or was not ready in time; quotes its last words.
    """
    name = Path(command[0]).name
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=os.environ | {"HOME": str(folder)} | environment,
        )
        try:
            end = time.monotonic() + START_S
            while not (value := ready()):
                if process.poll() is not None or time.monotonic() > end:
                    said = err.read_text(errors="replace").strip().splitlines() or ["it printed nothing"]
                    how = f"did not start in {START_S} s" if process.returncode is None else "ended at once"
                    raise NotDriven(f"{name} {how}: {said[-1]}. Start it by hand: {' '.join(command)}")
                time.sleep(0.05)
            yield value
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _find(names: tuple[str, ...]) -> str | None:
    return next((path for path in map(shutil.which, names) if path), None)
