"""peak_memory against the operating system's own accounting, over a tree, and when the job fails."""

import subprocess
import sys
import time

import psutil
import pytest

from mobilellm_lab.measuring import peak_memory
from tests.measuring import jobs


def test_added_memory_is_what_the_job_filled():
    nothing, filled = peak_memory(jobs.nothing), peak_memory(jobs.allocate, 200)
    assert nothing.added_mib < 10
    assert filled.added_mib == pytest.approx(200, abs=5)


def test_the_process_that_measures_is_not_counted():
    block = bytearray(b"x") * (300 * jobs.MIB)  # ru_maxrss of a child starts at its parent's size; ours must not
    measured = peak_memory("pass")
    assert len(block) == 300 * jobs.MIB and measured.peak_mib < 60


def test_agrees_with_getrusage():
    code = "block = bytearray(b'x') * (150 * 2**20)"
    outer = (
        "import resource, subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", outer, code], capture_output=True, text=True, check=True)
    system_mib = int(done.stdout) * (1 if sys.platform == "darwin" else 1024) / jobs.MIB
    assert peak_memory(code).peak_mib == pytest.approx(system_mib, rel=0.05)


def test_a_tree_is_added_up():
    measured = peak_memory(jobs.start_two, 80, 1.5)
    assert measured.processes == 3
    assert measured.peak_mib > 160
    assert measured.samples > 10


def test_what_a_fork_shares_with_its_parent_counts_once():
    alone = peak_memory(jobs.allocate, 150)
    measured = peak_memory(jobs.fork, 150, 0.5)
    assert measured.processes == 2
    assert alone.peak_mib < measured.peak_mib < alone.peak_mib + 60  # the fork's own interpreter state, no second block


def test_a_child_counts_from_when_it_runs_its_own_program():
    """Until then its memory is its parent's: counted as its own, the 200 MiB would be 400."""
    measured = peak_memory(jobs.start_slowly, 200)
    assert measured.processes == 1 and measured.samples > 5
    assert measured.peak_mib < 300


def test_the_failure_of_the_job_is_raised_with_its_traceback():
    with pytest.raises(RuntimeError, match="KeyError: 'depth'") as caught:
        peak_memory(jobs.fail, "depth")
    assert "in fail" in str(caught.value) and "jobs.py" in str(caught.value)
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        peak_memory("raise SystemExit(3)")


def test_a_process_that_dies_is_reported_with_its_code_and_last_words():
    with pytest.raises(RuntimeError, match=r"(?s)code 7.*last words"):
        peak_memory(jobs.die)


def test_a_job_that_does_not_end_is_ended():
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"timeout_s=0\.5"):
        peak_memory("import time; time.sleep(60)", timeout_s=0.5)
    assert time.monotonic() - start < 30


def test_nothing_keeps_running(tmp_path):
    peak_memory(jobs.leave_behind, str(tmp_path / "pid"))
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("target", [lambda: None, type("Local", (), {})])
def test_what_cannot_be_imported_is_refused(target):
    if isinstance(target, type):
        target.__module__ = "__main__"
    with pytest.raises(ValueError, match="cannot import it"):
        peak_memory(target)


def test_code_takes_no_arguments():
    with pytest.raises(ValueError, match="takes no arguments"):
        peak_memory("pass", 3)
