"""Probes that nobody measured, for tests that must know every rate."""

from mobilellm_lab.constraints import Probe


def made(name: str, size: float, rate: float, *, rows: int = 1, threads: int = 1, bits: int = 32) -> Probe:
    """A probe of this rate, without spread."""
    unit = {"read": "GB/s", "copy": "GB/s", "matmul": "GFLOP/s", "dispatch": "us"}[name]
    sizes = {"working_set_mib": size, "rows": rows, "threads": threads, "bits": bits}
    return Probe(name=name, unit=unit, median=rate, p10=rate, p90=rate, runs=5, **sizes)
