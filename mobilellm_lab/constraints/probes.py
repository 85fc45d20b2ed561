"""Microbenchmarks of a machine: bandwidth by working set, matrix products, dispatch overhead"""

import itertools
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields

import torch
import torch.nn.functional as F

from mobilellm_lab.constraints.decode import DTYPES, build, decode_steps
from mobilellm_lab.constraints.dispatch import SMALLEST, torch_operations
from mobilellm_lab.constraints.machine import MANY_ROWS, UNITS, Machine, Probe
from mobilellm_lab.measuring import Latency, Throughput, settled

MIB = 2**20
DIM = 512  # columns of the probes' matrices ...
WEIGHTS = 2**19  # ... and their weights: 2 MiB in 32 bits, about the size of a small model's matrices
SAMPLE_BYTES = 16 * MIB  # one sample goes this far through the working set, the next goes on from there


@dataclass(frozen=True, kw_only=True)
class ProbePlan:
    """What is measured. "read": matrices times one vector each, as decoding reads weights. "copy": from one half of
    the working set to the other. "matmul": matrices times `rows` vectors at once. "dispatch": the smallest model there
    is, decoding.
    """

    name: str  # one of UNITS
    threads: int = 1
    working_set_mib: int | float = 8  # what is gone through before anything is read again
    bits: int = 32  # of a weight
    rows: int = 1  # vectors per product

    def __post_init__(self) -> None:
        if self.name not in UNITS:
            raise ValueError(f"name={self.name!r}: choose one of {', '.join(UNITS)}")
        if self.bits not in DTYPES:
            raise ValueError(f"bits={self.bits}: choose one of {', '.join(map(str, DTYPES))}")
        if not 1 <= self.threads <= cores():
            raise ValueError(f"threads={self.threads}: this machine has {cores()} cores, choose 1 to {cores()}")
        if self.rows < 1 or self.working_set_mib < 1:
            raise ValueError(f"rows={self.rows}, working_set_mib={self.working_set_mib}: give at least 1 of each")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _thread_counts() -> tuple[int, ...]:
    return tuple(dict.fromkeys((1, cores())))


def lab_plan() -> tuple[ProbePlan, ...]:
    """What a lab measures, in about four seconds and 350 MiB: one thread in full, all cores for one 32-bit sequence."""
    one = _plan(1, reads=(2, 8, 32, 128, 256), copies=(8, 128), rows=(4, 16), bits=(32, 16))
    return one + (_plan(cores(), reads=(8, 128), copies=(), rows=(), bits=(32,)) if cores() > 1 else ())


def full_plan() -> tuple[ProbePlan, ...]:
    """What the stored sweep holds: every working set from 2 MiB to 1 GiB, for one thread and for all cores."""
    sizes = tuple(2**power for power in range(1, 11))
    return tuple(
        plan
        for threads in dict.fromkeys((1, cores()))
        for plan in _plan(threads, reads=sizes, copies=sizes, rows=(2, 4, 8, 16, 32), bits=(32, 16))
    )


def _plan(
    threads: int, *, reads: tuple[int, ...], copies: tuple[int, ...], rows: tuple[int, ...], bits: tuple[int, ...]
) -> tuple[ProbePlan, ...]:
    plan = []
    for b in bits:
        plan += [ProbePlan(name="read", threads=threads, working_set_mib=size, bits=b) for size in reads]
        plan += [
            ProbePlan(name="matmul", threads=threads, working_set_mib=size, bits=b, rows=r)
            for size in (8, 128)
            for r in rows
        ]
        plan.append(ProbePlan(name="matmul", threads=threads, bits=b, rows=MANY_ROWS))
        plan.append(ProbePlan(name="dispatch", threads=threads, bits=b))
    plan += [ProbePlan(name="copy", threads=threads, working_set_mib=size) for size in copies]
    return tuple(plan)


@dataclass
class Probing:
    """A plan being measured. Iterate for the share that is done, often enough for a stop button; then `machine()`."""

    plan: tuple[ProbePlan, ...] = field(default_factory=lab_plan)
    min_samples: int = 5  # of each probe
    min_time_s: int | float = 0.04  # samples are taken until they add up to this ...
    limit_s: int | float = 0.3  # ... and until the working set is gone through, but no longer than this
    busy_limit_s: int | float = 1.0  # of a probe whose samples are too few, or too far above the fastest
    probes: list[Probe] = field(init=False, default_factory=list)  # as they are done

    def __post_init__(self) -> None:
        if not self.plan:
            raise ValueError("plan is empty: give at least one ProbePlan")
        if self.min_samples < 2 or not 0 <= self.min_time_s <= self.limit_s <= self.busy_limit_s:
            raise ValueError(
                f"min_samples={self.min_samples}, min_time_s={self.min_time_s}, limit_s={self.limit_s}, "
                f"busy_limit_s={self.busy_limit_s}: give at least 2 samples, and times that are not negative and each "
                "within the next"
            )

    def __iter__(self) -> Iterator[float]:
        for number, plan in enumerate(self.plan):
            yield from (number / len(self.plan) for _ in self._measure(plan))
        yield 1.0

    def _measure(self, plan: ProbePlan) -> Iterator[None]:
        job = {"read": _Product, "matmul": _Product, "copy": _Copy, "dispatch": _Dispatch}[plan.name](plan)
        yield from job.prepare()
        warmup: list[float] = []  # once through: what was written last still lies in the cache
        while not warmup or (len(warmup) < job.round and sum(warmup) < 1000 * self.limit_s):
            warmup.append(_timed_ms(job, plan.threads))
            yield
        samples: list[float] = []
        while self._go_on(samples, job.round):
            samples.append(_timed_ms(job, plan.threads))
            yield
        latency = Latency(samples_ms=tuple(samples), warmup=len(warmup))
        speed = Throughput(latency=latency, items=job.items, unit="items")
        rates = [speed.percentile_per_s(percent) / 1e9 for percent in (50, 10, 90)]
        if plan.name == "dispatch":
            rates = [latency.percentile_ms(percent) * 1000 / job.items for percent in (50, 10, 90)]
        self.probes.append(
            Probe(
                **{f.name: getattr(plan, f.name) for f in fields(plan)},
                unit=UNITS[plan.name],
                median=rates[0],
                p10=rates[1],
                p90=rates[2],
                runs=latency.runs,
                settled=settled(samples),
            )
        )

    def _go_on(self, samples: list[float], whole: int) -> bool:
        """Whether these ms of samples are not enough; `whole` is how many go once through the working set."""
        taken_s = sum(samples) / 1000
        if len(samples) < 2:
            return True
        if len(samples) < self.min_samples or not settled(samples):
            return taken_s < self.busy_limit_s
        return taken_s < self.limit_s and (len(samples) < whole or taken_s < self.min_time_s)

    def machine(self) -> Machine:
        """What was measured so far."""
        return Machine(probes=tuple(self.probes))


def measure_machine(plan: Iterable[ProbePlan] | None = None) -> Machine:
    """The machine after a whole plan, `lab_plan` unless another is given."""
    probing = Probing(lab_plan() if plan is None else tuple(plan))
    for _ in probing:
        pass
    return probing.machine()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """This many torch threads inside the block; the caller's number is put back, so keep it short of a yield."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _timed_ms(job: "_Product | _Copy | _Dispatch", threads: int) -> float:
    """Duration of one sample at this many threads."""
    with torch_threads(threads):
        start = time.perf_counter()
        job.sample()
        return 1000 * (time.perf_counter() - start)


class _Product:
    """As many matrices as fill the working set, each times `rows` vectors, one after the other, round and round."""

    def __init__(self, plan: ProbePlan):
        self.plan, self.dtype = plan, DTYPES[plan.bits]
        size = WEIGHTS * plan.bits // 8
        self.count = max(1, round(plan.working_set_mib * MIB / size))
        self.products = SAMPLE_BYTES // size if plan.rows < MANY_ROWS else 1  # in one sample
        self.round = max(1, self.count // self.products)  # samples that go once through the working set
        self.items = self.products * (size if plan.name == "read" else 2 * plan.rows * WEIGHTS)

    def prepare(self) -> Iterator[None]:
        self.vectors, matrices = torch.ones(self.plan.rows, DIM, dtype=self.dtype), []
        # taller than wide; each type in the order that its kernel reads fastest, as `for_decoding` stores it
        shape = (DIM, WEIGHTS // DIM) if self.plan.bits == 32 else (WEIGHTS // DIM, DIM)
        block = torch.empty(self.count, *shape, dtype=self.dtype)  # in one: many small ones would leave holes behind
        for number, matrix in enumerate(block):
            matrix.fill_(0.01)
            matrices.append(matrix.t() if self.plan.bits == 32 else matrix)
            if number % 8 == 7:
                yield
        self.matrices = itertools.cycle(matrices)

    def sample(self) -> None:
        with torch.inference_mode():
            for matrix in itertools.islice(self.matrices, self.products):
                F.linear(self.vectors, matrix)


class _Copy:
    """One half of the working set into the other, a MiB at a time, round and round."""

    def __init__(self, plan: ProbePlan):
        self.count = max(1, round(plan.working_set_mib / 2))
        self.copies = SAMPLE_BYTES // (2 * MIB)
        self.round = max(1, self.count // self.copies)
        self.items = self.copies * 2 * MIB  # read and written

    def prepare(self) -> Iterator[None]:
        pairs, block = [], torch.empty(self.count, 2, MIB, dtype=torch.uint8)
        for number, pair in enumerate(block):
            pairs.append(tuple(pair.fill_(1)))
            if number % 16 == 15:
                yield
        self.pairs = itertools.cycle(pairs)

    def sample(self) -> None:
        for source, target in itertools.islice(self.pairs, self.copies):
            target.copy_(source)


class _Dispatch:
    """Steps of the smallest model: nothing but starting operations."""

    STEPS, round = 2, 1

    def __init__(self, plan: ProbePlan):
        self.plan, self.items = plan, self.STEPS * torch_operations(SMALLEST)

    def prepare(self) -> Iterator[None]:
        self.steps = decode_steps(build(SMALLEST, bits=self.plan.bits), context=32)
        yield

    def sample(self) -> None:
        for _ in range(self.STEPS):
            next(self.steps)
