"""Measured rates of this machine, interpolated between probes, and its device card"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import psutil

from mobilellm_lab.constraints.cards import Device, card, known, unknown
from mobilellm_lab.memory_limits import limits
from mobilellm_lab.provenance import processor

GIB = 2**30
UNITS = {"read": "GB/s", "copy": "GB/s", "matmul": "GFLOP/s", "dispatch": "us"}
MANY_ROWS = 1024  # vectors at once at which a product is bound by arithmetic


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One measured rate with its spread over the samples. Bytes are counted as the job asks for them: a copy's twice,
    read and written; what the hardware moves besides (a line fetched before it is overwritten) is not counted.
    """

    name: str
    threads: int
    working_set_mib: int | float
    bits: int
    rows: int
    unit: str  # "GB/s", "GFLOP/s", or "us" per operation
    median: int | float
    p10: int | float
    p90: int | float
    runs: int
    settled: bool = True  # False: the machine was busy, and fewer than half of the samples lie near the fastest

    @property
    def best(self) -> int | float:
        """The median rate; where the machine was busy the rate of the fastest tenth of the samples."""
        return self.median if self.settled else self.p10 if self.unit == "us" else self.p90


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Probes, and rates interpolated between them."""

    probes: tuple[Probe, ...]

    @classmethod
    def of_rows(cls, rows: Iterable[dict]) -> "Machine":
        """From the rows of the stored sweep `constraints_machine`; a row that does not say otherwise had settled."""
        measured = ("unit", "median", "p10", "p90", "runs", "settled")
        rows = ({"settled": True} | row for row in rows)
        return cls(probes=tuple(Probe(**row["recipe"], **{name: row[name] for name in measured}) for row in rows))

    def find(self, name: str, *, threads: int = 1, bits: int = 32) -> list[Probe]:
        """The probes of this kind, by working set and rows.

        Raises:
            ValueError: there is none; names the plan that measures it.
        """
        found = [p for p in self.probes if (p.name, p.threads, p.bits) == (name, threads, bits)]
        if not found:
            raise ValueError(
                f"no probe {name!r} at threads={threads}, bits={bits}: measure it with "
                f"measure_machine([ProbePlan(name={name!r}, threads={threads}, bits={bits})])"
            )
        return sorted(found, key=lambda p: (p.working_set_mib, p.rows))

    def lacks(self, *, threads: int, bits: int, rows: int) -> str:
        """The first kind of probe that `predict` would miss, in words; empty where there is none."""
        has = {(p.name, p.rows < MANY_ROWS) for p in self.probes if (p.threads, p.bits) == (threads, bits)}
        for name in ("read", "dispatch", *(("matmul",) if rows > 1 else ())):
            if (name, True) not in has:
                return f"{name!r} at threads={threads}, bits={bits}" + f", rows={rows}" * (name == "matmul")
        return ""

    def bandwidth_gb_s(
        self, working_set_mib: int | float, *, name: str = "read", threads: int = 1, bits: int = 32
    ) -> float:
        """GB/s at this working set: between two probes on a straight line over the logarithm, beyond them the last."""
        if working_set_mib <= 0:
            raise ValueError(f"working_set_mib={working_set_mib}: must be a positive number")
        found = self.find(name, threads=threads, bits=bits)
        sizes = np.log([p.working_set_mib for p in found])
        return float(np.interp(np.log(working_set_mib), sizes, [p.best for p in found]))

    def matmul_gflop_s(
        self, *, rows: int = MANY_ROWS, working_set_mib: int | float = 8, threads: int = 1, bits: int = 32
    ) -> float:
        """GFLOP/s of products with `rows` vectors; between probes on straight lines over the logarithms."""
        by_size: dict[float, list[Probe]] = {}
        for probe in self.find("matmul", threads=threads, bits=bits):
            # Many rows are bound by arithmetic wherever the weights lie, so their probe says nothing about sizes.
            if (probe.rows < MANY_ROWS) == (rows < MANY_ROWS):
                by_size.setdefault(probe.working_set_mib, []).append(probe)
        if not by_size:
            raise ValueError(
                f"no probe 'matmul' for rows={rows}: measure one with ProbePlan(name='matmul', rows={rows})"
            )
        at_size = [
            np.interp(np.log(rows), np.log([p.rows for p in probes]), np.log([p.best for p in probes]))
            for probes in by_size.values()
        ]
        return float(np.exp(np.interp(np.log(working_set_mib), np.log(list(by_size)), at_size)))

    def dispatch_us(self, *, threads: int = 1, bits: int = 32) -> float:
        """Microseconds to start one torch operation, as they come in decoding."""
        return self.find("dispatch", threads=threads, bits=bits)[0].best


def this_machine(machine: Machine) -> Device:
    """Device card of the measured machine: largest working set, all cores where they were measured."""
    threads = max(p.threads for p in machine.probes)
    largest = machine.find("read", threads=threads)[-1]
    product = machine.matmul_gflop_s(threads=threads)
    memory = min(limits(), key=lambda limit: limit.total_bytes)
    how = f"{threads} thread{'s' * (threads > 1)}, "
    busy = "" if all(p.settled for p in machine.probes) else "; the machine was busy: fastest tenth of the samples"
    battery = getattr(psutil, "sensors_battery", lambda: None)()
    return card(
        "this machine",
        "machine",
        None,
        processor(),
        memory_gib=known(memory.total_bytes / GIB, "GiB", "measured", memory.name),
        bandwidth_gb_s=known(
            largest.best, "GB/s", "measured", f"{how}read, working set of {largest.working_set_mib:.0f} MiB{busy}"
        ),
        peak_gop_s=known(product, "Gop/s", "measured", f"{how}product of matrices in 32 bits{busy}"),
        peak_type="float32",
        battery_wh=unknown("Wh", "the system tells its percentage, not its energy" if battery else "none found"),
    )
