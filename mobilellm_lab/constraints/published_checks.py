"""Checks of the formulas against published numbers"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import geometric_mean, median

from mobilellm_lab.constraints.cards import GIGA
from mobilellm_lab.constraints.devices import find_device
from mobilellm_lab.constraints.published import (
    IPHONE_13,
    ONEPLUS_12,
    PRO_KV_MB,
    PRO_SOURCE,
    DecodeRow,
    pro_workload,
)

MIB = 2**20


def moved_gb_s(read_bytes: int, *, time_ms: int | float) -> float:
    """GB/s of a step of this length that does nothing but read its bytes."""
    if read_bytes < 1 or time_ms <= 0:
        raise ValueError(f"read_bytes={read_bytes}, time_ms={time_ms}: both must be positive")
    return read_bytes / (time_ms / 1000) / GIGA


def fit_bandwidth(measured: Iterable[tuple[int, float]]) -> float:
    """Bandwidth in GB/s fitted to (read bytes, milliseconds) pairs: the median over the pairs."""
    each = [moved_gb_s(read_bytes, time_ms=time_ms) for read_bytes, time_ms in measured]
    if not each:
        raise ValueError("measured is empty: give at least one pair of bytes and milliseconds")
    return median(each)


def predicted_ms(read_bytes: int, *, bandwidth_gb_s: int | float) -> float:
    """Milliseconds of a step that reads `read_bytes` at this bandwidth and does nothing else."""
    if bandwidth_gb_s <= 0:
        raise ValueError(f"bandwidth_gb_s={bandwidth_gb_s}: must be a positive number")
    return 1000 * read_bytes / (bandwidth_gb_s * GIGA)


def reached() -> dict[str, float]:
    """Share of the card's peak bandwidth that each published run reaches, by its name."""
    found = {}
    row = IPHONE_13[0]
    peak = find_device("iPhone 13").bandwidth_gb_s.value
    found[f"iPhone 13, {row.name}"] = moved_gb_s(row.workload.read_bytes, time_ms=row.execute_ms) / peak
    for row in ONEPLUS_12:
        peak = find_device(row.device).bandwidth_gb_s.value
        moved = moved_gb_s(row.workload.read_bytes, time_ms=1000 / row.decode_per_s)
        found[f"{row.device}, {row.name}"] = moved / peak
    return found


@dataclass(frozen=True, kw_only=True)
class Check:
    """A published number beside the prediction of the formulas."""

    name: str
    fitted_on: str  # what the bandwidth in the formula comes from; "nothing" where it has none
    predicted: int | float
    published: int | float
    unit: str
    source: str

    @property
    def error(self) -> float:
        """How far off, as a share of the published number: 0.05 is 5 % too high."""
        return self.predicted / self.published - 1


def _format(row: DecodeRow) -> str:
    """Of "model, format" the format: the rows of one table are of one model."""
    return row.name.partition(", ")[2]


def checks() -> list[Check]:
    """Every published check of the chapter, computed now."""
    first, shared, deep = IPHONE_13
    fitted = fit_bandwidth([(first.workload.read_bytes, first.execute_ms)])
    found = [
        Check(
            name=f"iPhone 13, {row.name}",
            fitted_on=f"{first.name}, {first.execute_ms} ms",
            predicted=predicted_ms(row.workload.read_bytes, bandwidth_gb_s=fitted),
            published=row.execute_ms,
            unit="ms",
            source=row.source,
        )
        for row in (shared, deep)
    ]
    one = geometric_mean(
        moved_gb_s(row.workload.read_bytes, time_ms=1000 / row.decode_per_s) for row in ONEPLUS_12
    )  # one bandwidth for both: the middle of what each alone says
    found += [
        Check(
            name=f"{row.device}, {_format(row)}",
            fitted_on="both speeds",
            predicted=1000 / predicted_ms(row.workload.read_bytes, bandwidth_gb_s=one),
            published=row.decode_per_s,
            unit="tokens/s",
            source=row.source,
        )
        for row in ONEPLUS_12
    ]
    found += [
        Check(
            name=f"{row.device}, {_format(row)}: file",
            fitted_on="nothing",
            predicted=row.workload.weight_bytes / MIB,
            published=row.file_mib,
            unit="MiB",
            source=row.source,
        )
        for row in ONEPLUS_12
    ]
    found += [
        Check(
            name=f"MobileLLM-Pro's cache, {name}",
            fitted_on="nothing",
            predicted=pro_workload(mixed=mixed).kv_bytes / MIB,
            published=published,
            unit="MiB",
            source=PRO_SOURCE,
        )
        for (name, published), mixed in zip(PRO_KV_MB.items(), (False, True), strict=True)
    ]
    return found
