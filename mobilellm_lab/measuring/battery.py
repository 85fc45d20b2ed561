"""Energy drawn from a laptop's battery, read through Linux's power_supply tree."""

from dataclasses import dataclass, field
from pathlib import Path

from mobilellm_lab.measuring.rapl import EnergyUnavailable

POWER_SUPPLY = Path("/sys/class/power_supply")
J_PER_UWH = 3600e-6  # joules in a microwatt-hour


@dataclass
class Battery:
    """Energy in J drawn from all batteries since construction, of the whole machine with its screen.

    The gauge moves in steps of about 10 mWh (36 J), so measure for minutes, and with the charger unplugged.

    Raises:
        EnergyUnavailable: no battery, one that is not discharging, or one that does not tell its charge.
    """

    root: Path = POWER_SUPPLY
    _folders: list[Path] = field(init=False)
    _first_j: float = field(init=False)

    def __post_init__(self) -> None:
        self.root = Path(self.root)
        self._folders = [
            folder
            for folder in (sorted(self.root.iterdir()) if self.root.is_dir() else [])
            if _read(folder / "type") == "Battery" and _read(folder / "scope") != "Device"  # a mouse has one, too
        ]
        if not self._folders:
            raise EnergyUnavailable(f"{self.root} has no battery: measure on a laptop, or by RAPL")
        self._first_j = self._stored_j()

    @property
    def names(self) -> list[str]:
        """Names of the batteries in the sum."""
        return [folder.name for folder in self._folders]

    def _stored_j(self) -> float:
        stored = 0.0
        states = {folder.name: _read(folder / "status") for folder in self._folders}
        if "Discharging" not in states.values() or "Charging" in states.values():  # of two, one may rest
            found = ", ".join(f"{name} is {state}" for name, state in states.items())
            raise EnergyUnavailable(f"{found}: unplug the charger, so that the battery feeds the machine")
        for folder in self._folders:
            energy, charge, voltage = (_read(folder / name) for name in ("energy_now", "charge_now", "voltage_now"))
            if energy:
                stored += int(energy) * J_PER_UWH
            elif charge and voltage:
                stored += int(charge) * int(voltage) / 1e6 * J_PER_UWH  # uAh x V = uWh
            else:
                raise EnergyUnavailable(f"{folder} has neither energy_now nor charge_now and voltage_now: use RAPL")
        return stored

    def read_j(self) -> float:
        """Joules drawn since construction."""
        return self._first_j - self._stored_j()


def _read(path: Path) -> str:
    """The text of a file of the tree, empty where there is none."""
    return path.read_text().strip() if path.is_file() else ""
