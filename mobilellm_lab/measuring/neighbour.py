"""A busy neighbour: a process that loads every core and ends with its parent"""

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = Path(__file__).with_name("_busy.py")


class Neighbour:
    """`with Neighbour(): ...` measures beside a process that hashes on `threads` cores, on all of them for 0.

    It ends with the block. It also ends when this process does, since it waits on a pipe that the operating system
    closes then.

    Raises:
        ValueError: a negative number of threads.
    """

    def __init__(self, *, threads: int = 0):
        if threads < 0:
            raise ValueError(f"threads={threads}: give at least 1, or 0 for one per core")
        self.threads = threads or os.cpu_count() or 1
        self._process: subprocess.Popen | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the process and waits until it is busy; does nothing if it already runs."""
        if self._process is not None:
            return
        command = [sys.executable, "-S", "-E", str(_PROGRAM), str(self.threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._process.stdout.readline().strip() != b"busy":
            self.stop()
            raise RuntimeError("Cannot start the busy process: it ended at once; start it again")

    def stop(self) -> None:
        """Ends the process and waits for its exit; does nothing if none runs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def __enter__(self) -> "Neighbour":
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        self.stop()
