"""Jobs that the memory tests run in a fresh process."""

import os
import subprocess
import sys
import time

MIB = 2**20
HOLD = "import time; block = bytearray(b'x') * ({mib} * 2**20); time.sleep({seconds})"


def allocate(mib: int) -> None:
    """Fills and frees a block; what remains is not what the peak was."""
    block = bytearray(b"x") * (mib * MIB)
    del block


def nothing() -> None:
    """The interpreter alone."""


def start_two(mib: int, seconds: float) -> None:
    """Two more processes, each holding its own block at the same time."""
    children = [subprocess.Popen([sys.executable, "-c", HOLD.format(mib=mib, seconds=seconds)]) for _ in range(2)]
    for child in children:
        child.wait()


def start_slowly(mib: int) -> None:
    """Holds a block while a child looks for its program in very many places: half a second between fork and exec."""
    block, places = bytearray(b"x") * (mib * MIB), os.pathsep.join(["/nowhere"] * 200_000)
    try:
        subprocess.run(["no-such-program"], env={**os.environ, "PATH": places})
    except OSError:
        del block


def fork(mib: int, seconds: float) -> None:
    """Forks while it holds a block; the fork writes a little of its own, so that its address space is its own, too."""
    block = bytearray(b"x") * (mib * MIB)
    child = os.fork()
    if child == 0:
        own = bytearray(b"y") * (4 * MIB)
        time.sleep(seconds)
        os._exit(len(own) + len(block) < 0)
    os.waitpid(child, 0)


def leave_behind(pid_file: str) -> None:
    """Ends while a process that it started still runs."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open(pid_file, "w") as file:
        file.write(str(child.pid))
    time.sleep(0.3)


def fail(word: str) -> None:
    """Raises."""
    raise KeyError(word)


def die() -> None:
    """Ends without a word to anybody, as the out-of-memory killer would have it."""
    os.write(2, b"last words")
    os._exit(7)
