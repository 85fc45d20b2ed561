"""Workers answer, and none outlives the block that needs it, or the process that began it."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch

from mobilellm_lab.workers import WorkerLostError, worker_pool

SLEEPING = """
import os, time
from mobilellm_lab.workers import worker_pool

if __name__ == "__main__":
    with worker_pool(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def gone(pid: int) -> bool:
    """True once the process has ended; half a minute only catches one that never does."""
    for _ in range(300):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_a_worker_has_one_thread_and_ends_with_the_block_whatever_it_does():
    with worker_pool(1, os.putenv, "BEGUN", "1") as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
        worker = pool.submit(os.getpid).result()
        pool.submit(time.sleep, 600)
    assert gone(worker)


def test_a_killed_worker_is_named_with_its_likely_cause():
    with pytest.raises(WorkerLostError, match="killed, most likely because memory ran out: ask for fewer"):
        with worker_pool(1) as pool:
            os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
            pool.submit(os.getpid).result()


def test_an_interrupted_kernel_is_not_called_a_lack_of_memory():
    """A notebook's interrupt reaches the whole process group, also a worker that still imports."""
    with pytest.raises(WorkerLostError, match="most likely by an interrupt: start again"):
        with worker_pool(1, time.sleep, 600) as pool:
            answer = pool.submit(os.getpid)
            (worker,) = pool._processes
            os.kill(worker, signal.SIGINT)  # at once: Python itself is still starting
            answer.result()


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda way: way.name)
def test_no_worker_outlives_who_began_it(tmp_path, way):
    script = tmp_path / "sleeping.py"
    script.write_text(SLEEPING)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.send_signal(way)
    parent.communicate(timeout=120)
    assert gone(worker)
