"""Energy counters of the processor (RAPL), read through Linux's powercap tree."""

from dataclasses import dataclass, field
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyUnavailable(ValueError):
    """No energy counter can be read on this machine; the message gives reason and remedy."""


def counter_difference_uj(before: int, after: int, *, max_range_uj: int) -> int:
    """Microjoules between two readings of a counter that wraps to 0 after `max_range_uj`.

    One wrap is corrected. Two wraps look like one, so read at least once per range (262 kJ at 60 W: every 72 minutes).

    Raises:
        ValueError: a reading outside 0 .. `max_range_uj`.
    """
    for name, value in (("before", before), ("after", after)):
        if not 0 <= value <= max_range_uj:
            raise ValueError(f"{name}={value}: outside of the counter's range 0..{max_range_uj}, read it again")
    return after - before if after >= before else after - before + max_range_uj + 1


@dataclass(frozen=True)
class _Domain:
    name: str  # "package-0"
    counter: Path  # energy_uj
    max_range_uj: int

    def read_uj(self) -> int:
        return int(self.counter.read_text())


@dataclass
class Rapl:
    """Energy in J of all processor packages since construction; `read_j` accumulates the counters.

    Packages only: core, uncore and dram are parts of a package, and `psys` is the whole board with the packages. Their
    sum would count the same joule twice.

    Raises:
        EnergyUnavailable: no powercap tree, no package in it, or counters that only the administrator may read.
    """

    root: Path = POWERCAP
    _domains: list[_Domain] = field(init=False, default_factory=list)
    _last_uj: list[int] = field(init=False)
    _total_uj: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.root = Path(self.root)
        if not self.root.is_dir():
            raise EnergyUnavailable(
                f"{self.root} does not exist: RAPL needs Linux on an Intel or AMD processor, not a virtual machine"
            )
        for folder in sorted(self.root.glob("intel-rapl:*")):  # AMD's, too; intel-rapl-mmio shows a package once more
            if folder.name.count(":") > 1 or not (folder / "name").is_file():  # "intel-rapl:0:1" is a part of a package
                continue
            name = (folder / "name").read_text().strip()
            if name.startswith("package"):
                maximum = int((folder / "max_energy_range_uj").read_text())
                self._domains.append(_Domain(name, folder / "energy_uj", maximum))
        if not self._domains:
            raise EnergyUnavailable(
                f"{self.root} names no processor package: load the kernel module intel_rapl_msr, "
                "or leave the virtual machine"
            )
        try:
            self._last_uj = [domain.read_uj() for domain in self._domains]
        except PermissionError as error:
            raise EnergyUnavailable(
                f"{error.filename} may be read by the administrator only: "
                f"sudo chmod a+r {self.root}/intel-rapl:*/energy_uj (until the next start)"
            ) from error

    @property
    def domains(self) -> list[str]:
        """Names of the packages in the sum."""
        return [domain.name for domain in self._domains]

    def read_j(self) -> float:
        """Joules since construction; call it at least once per range of the counters."""
        now = [domain.read_uj() for domain in self._domains]
        for domain, before, after in zip(self._domains, self._last_uj, now, strict=True):
            self._total_uj += counter_difference_uj(before, after, max_range_uj=domain.max_range_uj)
        self._last_uj = now
        return self._total_uj / 1e6
