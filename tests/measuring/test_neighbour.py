"""A busy neighbour works, is felt, and is surely gone afterwards."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mobilellm_lab.measuring import Neighbour

ROOT = Path(__file__).parents[2]
PARENT = """
import time
from mobilellm_lab.measuring.neighbour import Neighbour
neighbour = Neighbour(threads=1)
neighbour.start()
print(neighbour.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_works_and_it_ends():
    with Neighbour(threads=1) as neighbour:
        process = psutil.Process(neighbour.pid)
        deadline = time.monotonic() + 120
        while process.cpu_times().user < 0.2 and time.monotonic() < deadline:  # starting takes less
            time.sleep(0.05)
        assert process.cpu_times().user >= 0.2
        pid = neighbour.pid
    assert gone(pid) and neighbour.pid is None


def test_a_thread_for_every_core():
    assert Neighbour().threads == os.cpu_count()
    with Neighbour(threads=3) as neighbour:
        assert psutil.Process(neighbour.pid).num_threads() == 4  # and the one that waits for the end


def test_it_ends_when_the_block_fails():
    with pytest.raises(KeyError), Neighbour(threads=1) as neighbour:
        pid = neighbour.pid
        raise KeyError("depth")
    assert gone(pid)


def test_starting_and_stopping_twice_is_once():
    neighbour = Neighbour(threads=1)
    neighbour.start()
    pid = neighbour.pid
    neighbour.start()
    assert neighbour.pid == pid
    neighbour.stop()
    neighbour.stop()
    assert gone(pid)


def test_it_ends_with_a_process_that_was_killed():
    """Nobody is left to stop it; the pipe that it waits on closes."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        pid = int(parent.stdout.readline())
        assert not gone(pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 60
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(pid)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="threads=-1"):
        Neighbour(threads=-1)
