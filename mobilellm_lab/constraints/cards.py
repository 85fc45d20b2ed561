"""Device card: sourced hardware numbers, each with a mark, or unknown"""

import math
from dataclasses import dataclass, fields

MARKS = {
    "read": "read in a primary source",
    "secondary": "as reported by a secondary source",
    "derived": "derived by arithmetic from values on this card",
    "measured": "measured on the machine itself",
    "budget": "a design budget of ours, no product's number",
    "unknown": "not found, or the sources disagree",
}
KINDS = ("phone", "watch", "board", "laptop", "machine")
GIGA = 10**9


@dataclass(frozen=True, kw_only=True)
class Value:
    """One number of a card with its mark and source; None where no source was found.

    Raises:
        ValueError: a mark that does not exist, a number that is not positive, an unknown with a number, or a
            known number without a source.
    """

    value: int | float | None  # None where the mark is "unknown", and only there
    unit: str
    mark: str  # one of MARKS
    source: str  # where it stands; for "unknown" what was looked for, or nothing

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            raise ValueError(f"mark={self.mark!r}: choose one of {', '.join(MARKS)}")
        if (self.value is None) != (self.mark == "unknown"):
            raise ValueError(f"value={self.value} with mark={self.mark!r}: None and 'unknown' belong together")
        if self.value is not None and not (math.isfinite(self.value) and self.value > 0):
            raise ValueError(f"value={self.value} {self.unit}: must be a positive number")
        if self.value is not None and not self.source:
            raise ValueError(f"value={self.value} {self.unit} has no source: say where it stands")

    @property
    def known(self) -> bool:
        return self.value is not None

    def __str__(self) -> str:
        if not self.known:
            return "unknown"
        return f"{self.value:,.0f} {self.unit}" if self.value >= 1000 else f"{self.value:.4g} {self.unit}"


@dataclass(frozen=True, kw_only=True)
class Device:
    """Memory, bandwidth, compute and battery of one device."""

    name: str
    kind: str  # one of KINDS
    year: int | None  # of release
    chip: str  # the system on a chip, "" where there is none to name
    memory_gib: Value  # DRAM; makers write "GB" and mean 2**30 bytes
    data_rate_mt_s: Value  # transfers per second and wire, in millions
    bus_bits: Value  # wires
    bandwidth_gb_s: Value  # peak of the DRAM; derived where rate and bus are known
    peak_gop_s: Value  # highest arithmetic rate that the maker states, in 10**9 operations per second
    peak_type: str  # number type of that rate: "float32", "not stated"; "" where the rate is unknown
    cache_mib: Value  # the last level that processors share
    battery_wh: Value

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} of {self.name}: choose one of {', '.join(KINDS)}")
        if bool(self.peak_type) != self.peak_gop_s.known:
            raise ValueError(f"peak_type={self.peak_type!r} of {self.name}: say it where the rate is known, only there")

    def values(self) -> dict[str, Value]:
        """Every value by its field's name, in the card's order."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Value)}


def peak_bandwidth_gb_s(data_rate_mt_s: int | float, bus_bits: int | float) -> float:
    """Peak of a DRAM in GB/s: transfers per second times the bytes of one transfer."""
    return data_rate_mt_s * 1e6 * bus_bits / 8 / GIGA


def known(value: int | float, unit: str, mark: str, source: str) -> Value:
    """A number with its source."""
    return Value(value=value, unit=unit, mark=mark, source=source)


def unknown(unit: str, looked_for: str = "") -> Value:
    """No number; `looked_for` says what was found instead."""
    return Value(value=None, unit=unit, mark="unknown", source=looked_for)


def card(
    name: str,
    kind: str,
    year: int | None,
    chip: str,
    *,
    memory_gib: Value | None = None,
    data_rate_mt_s: Value | None = None,
    bus_bits: Value | None = None,
    bandwidth_gb_s: Value | None = None,
    peak_gop_s: Value | None = None,
    peak_type: str = "",
    cache_mib: Value | None = None,
    battery_wh: Value | None = None,
) -> Device:
    """A card; what is not given is unknown, and bandwidth is derived where data rate and bus width are known."""
    rate, bus = data_rate_mt_s or unknown("MT/s"), bus_bits or unknown("bit")
    if bandwidth_gb_s is None and rate.known and bus.known:
        source = f"{rate.value:,.0f} MT/s x {bus.value:.0f} bit / 8"
        bandwidth_gb_s = known(peak_bandwidth_gb_s(rate.value, bus.value), "GB/s", "derived", source)
    return Device(
        name=name,
        kind=kind,
        year=year,
        chip=chip,
        memory_gib=memory_gib or unknown("GiB"),
        data_rate_mt_s=rate,
        bus_bits=bus,
        bandwidth_gb_s=bandwidth_gb_s or unknown("GB/s"),
        peak_gop_s=peak_gop_s or unknown("Gop/s"),
        peak_type=peak_type,
        cache_mib=cache_mib or unknown("MiB"),
        battery_wh=battery_wh or unknown("Wh"),
    )
