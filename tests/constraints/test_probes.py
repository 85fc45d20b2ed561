"""Probes: their bytes against torch and NumPy, their spread, their threads, and when they stop."""

import itertools
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from mobilellm_lab.constraints import (
    Machine,
    ProbePlan,
    Probing,
    cores,
    measure_machine,
    probes,
)
from mobilellm_lab.constraints.machine import MANY_ROWS
from mobilellm_lab.constraints.probes import DIM, MIB, SAMPLE_BYTES, WEIGHTS, _Copy, _Dispatch, _Product

PLAN = (
    ProbePlan(name="read", working_set_mib=2),
    ProbePlan(name="read", working_set_mib=64),
    ProbePlan(name="read", working_set_mib=2, bits=16),
    ProbePlan(name="copy", working_set_mib=64),
    ProbePlan(name="matmul", rows=4),
    ProbePlan(name="matmul", rows=MANY_ROWS),
    ProbePlan(name="dispatch"),
)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return measure_machine(PLAN)


def test_every_probe_is_positive_with_its_spread(machine):
    assert [(p.name, p.working_set_mib, p.bits, p.rows) for p in machine.probes] == [
        (p.name, p.working_set_mib, p.bits, p.rows) for p in PLAN
    ]
    for probe in machine.probes:
        assert 0 < probe.p10 <= probe.median <= probe.p90 and probe.runs >= 2
        assert probe.unit == {"matmul": "GFLOP/s", "dispatch": "us"}.get(probe.name, "GB/s")


def test_rates_are_of_this_century(machine):
    """Far around what a board or a server's core gives, for a test that runs beside others; a wrong unit is farther."""
    assert 0.02 < machine.bandwidth_gb_s(64) < 1000
    assert 0.1 < machine.matmul_gflop_s() < 10_000
    assert 0.05 < machine.dispatch_us() < 1000


def test_a_read_is_counted_as_its_weights_and_a_copy_twice():
    read = _Product(ProbePlan(name="read", working_set_mib=64))
    for _ in read.prepare():
        pass
    matrices = [next(read.matrices) for _ in range(read.products)]
    assert read.items == sum(m.nbytes for m in matrices) == SAMPLE_BYTES
    assert read.count * matrices[0].nbytes == 64 * MIB and read.round * read.products == read.count
    assert len({m.data_ptr() for m in matrices}) == read.products  # different memory each time
    copy = _Copy(ProbePlan(name="copy", working_set_mib=64))
    for _ in copy.prepare():
        pass
    pairs = [next(copy.pairs) for _ in range(copy.count)]
    assert sum(s.nbytes + t.nbytes for s, t in pairs) == 64 * MIB
    assert copy.items == sum(s.nbytes + t.nbytes for s, t in pairs[: copy.copies])


def test_a_copy_copies():
    copy = _Copy(ProbePlan(name="copy", working_set_mib=2))
    for _ in copy.prepare():
        pass
    source, target = next(copy.pairs)
    target.zero_()
    copy.sample()
    assert torch.equal(source, target) and source.sum() > 0


def test_a_product_is_that_of_numpy_and_its_operations_are_two_per_weight_and_row():
    job = _Product(ProbePlan(name="matmul", rows=4))
    for _ in job.prepare():
        pass
    matrix = next(job.matrices)
    assert (
        matrix.shape == (WEIGHTS // DIM, DIM) and matrix.t().is_contiguous()
    )  # by columns, as `for_decoding` stores it
    assert job.items == job.products * 2 * 4 * matrix.numel()
    ours = torch.nn.functional.linear(job.vectors, matrix).numpy()
    assert np.allclose(ours, job.vectors.numpy() @ matrix.numpy().T, rtol=1e-5)


def test_a_read_of_memory_takes_the_time_that_numpy_takes(machine):
    """Somebody else's read of as many bytes: within ten times."""
    array = np.ones(64 * MIB // 4, dtype=np.float32)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        array.sum()
        took.append(time.perf_counter() - start)
    theirs = array.nbytes / min(took) / 1e9
    assert 0.1 < machine.bandwidth_gb_s(64) / theirs < 10


def test_the_threads_are_put_back():
    before = torch.get_num_threads()
    for _ in Probing((ProbePlan(name="read", threads=cores(), working_set_mib=2),), min_time_s=0, limit_s=0):
        assert torch.get_num_threads() == before


def test_progress_grows_to_one_and_can_be_left():
    probing = Probing(PLAN[:2], min_time_s=0.0)
    shares = list(probing)
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 10
    again = Probing(PLAN[:2], min_time_s=0.0)
    for share in again:
        if share >= 0.5:
            break
    assert len(again.probes) == 1 and again.machine().bandwidth_gb_s(10) > 0  # a stopped run keeps what it had


def test_a_slow_machine_is_not_waited_for(monkeypatch):
    def sample(self):
        time.sleep(0.05)

    monkeypatch.setattr(_Product, "sample", sample)
    probing = Probing((ProbePlan(name="read", working_set_mib=512),), limit_s=0.1)
    monkeypatch.setattr(_Product, "prepare", lambda self: iter(()))
    start = time.perf_counter()
    for _ in probing:
        pass
    assert time.perf_counter() - start < 60
    assert probing.probes[0].runs == probing.min_samples and probing.probes[0].settled


def test_a_busy_machine_is_measured_until_half_of_its_samples_are_near_the_fastest(monkeypatch):
    """The first samples fall into another program's turns: two of them gave 0.08 GB/s where 8 were there."""
    taken = iter([4.0] + [400.0] * 3 + [4.0] * 1000)  # ms; the first warms up
    monkeypatch.setattr(probes, "_timed_ms", lambda job, threads: next(taken))
    probing = Probing((ProbePlan(name="read", working_set_mib=2),), busy_limit_s=10)
    for _ in probing:
        pass
    (probe,) = probing.probes
    assert probe.settled and probe.runs >= 7
    assert probe.median == pytest.approx(SAMPLE_BYTES / 4e-3 / 1e9)


def test_what_does_not_settle_is_said_and_its_fastest_samples_count(monkeypatch):
    taken = itertools.cycle([400.0] * 5 + [4.0])
    monkeypatch.setattr(probes, "_timed_ms", lambda job, threads: next(taken))
    probing = Probing((ProbePlan(name="read", working_set_mib=2),), busy_limit_s=10)
    for _ in probing:
        pass
    (probe,) = probing.probes
    assert not probe.settled and probe.median < 0.1 and probe.best == probe.p90 == pytest.approx(4.19, abs=0.01)
    assert probing.machine().bandwidth_gb_s(8) == probe.best


def test_dispatch_is_counted_in_operations():
    job = _Dispatch(ProbePlan(name="dispatch"))
    assert job.items > 100 and math.isfinite(job.items)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ProbePlan(name="write"), "name='write': choose one of read, copy, matmul, dispatch"),
        (lambda: ProbePlan(name="read", bits=8), "bits=8: choose one of 32, 16"),
        (lambda: ProbePlan(name="read", threads=0), "threads=0: this machine has"),
        (lambda: ProbePlan(name="read", threads=cores() + 1), f"this machine has {cores()} cores"),
        (lambda: ProbePlan(name="read", rows=0), "rows=0"),
        (lambda: ProbePlan(name="read", working_set_mib=0), "working_set_mib=0: give at least 1 of each"),
        (lambda: Probing(()), "plan is empty: give at least one ProbePlan"),
        (lambda: Probing(min_samples=1), "min_samples=1"),
        (lambda: Probing(min_time_s=2.0), "min_time_s=2.0, limit_s=0.3, busy_limit_s=1.0: give at least 2"),
    ],
    ids=["name", "bits", "no-thread", "threads", "rows", "size", "empty", "samples", "time"],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_plan_is_its_own_recipe():
    assert replace(PLAN[0], bits=16) == PLAN[2]
