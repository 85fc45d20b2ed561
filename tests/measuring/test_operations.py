"""Counted operations: known ones, views included; torch's profiler is asked in tests/constraints/test_dispatch.py."""

import subprocess
import sys

import torch

from mobilellm_lab.measuring import started_operations


def test_each_operation_and_each_view_counts_once():
    x = torch.ones(4, 6)
    with torch.inference_mode():
        assert started_operations(lambda: x + x) == 1
        assert started_operations(lambda: x.T) == 1
        assert started_operations(lambda: (x @ x.T).relu_()) == 3
        assert started_operations(lambda: None) == 0


def test_what_is_started_outside_does_not_count():
    x = torch.ones(3)
    first = started_operations(x.neg)
    x.neg().sum()
    assert first == started_operations(x.neg) == 1


def test_counting_does_not_load_torchs_compiler():
    """It would take a second and 70 MiB, of the 1 GiB that a lab has. In a fresh process: others may have loaded it."""
    code = (
        "import sys, torch; from mobilellm_lab.measuring import started_operations; "
        "assert started_operations(torch.ones(3).neg) == 1; assert 'torch._dynamo' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode == 0
