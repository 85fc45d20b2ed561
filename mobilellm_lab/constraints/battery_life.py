"""Energy per token and battery life: 45 nm estimate, the paper's rule, published measurements"""

from dataclasses import dataclass

from mobilellm_lab.constraints.cards import Device
from mobilellm_lab.constraints.memory_fit import JOULES_PER_WH
from mobilellm_lab.constraints.published import ENERGY_ROWS
from mobilellm_lab.constraints.roofline import EFFICIENCY, decode_speed
from mobilellm_lab.constraints.workload import Workload
from mobilellm_lab.measuring import estimate_energy

# Source: MobileLLM, arXiv 2402.14905, introduction (as reported): both are rounded by its authors.
PAPER_J_PER_TOKEN_PER_BILLION = 0.1
PAPER_BATTERY_J = 50_000
BILLION = 10**9


def paper_j_per_token(parameters: int | float) -> float:
    """Joules per token by the paper's rule: 0.1 J for every billion parameters, whatever their bits."""
    if parameters <= 0:
        raise ValueError(f"parameters={parameters}: must be a positive number")
    return PAPER_J_PER_TOKEN_PER_BILLION * parameters / BILLION


def drain_percent(tokens: int | float, *, j_per_token: int | float, battery_j: int | float = PAPER_BATTERY_J) -> float:
    """Percent of a full battery that `tokens` tokens take.

    The paper says that 64 tokens of a model of 7 billion parameters drain 0.2 %; its own numbers give 0.09 %.
    """
    if tokens < 0:
        raise ValueError(f"tokens={tokens}: cannot be negative")
    _positive(j_per_token=j_per_token, battery_j=battery_j)
    return 100 * tokens * j_per_token / battery_j


def hours(tokens_per_s: int | float, *, j_per_token: int | float, battery_j: int | float = PAPER_BATTERY_J) -> float:
    """Hours until a full battery is empty at this speed, if nothing else drew from it."""
    _positive(tokens_per_s=tokens_per_s, j_per_token=j_per_token, battery_j=battery_j)
    return battery_j / (tokens_per_s * j_per_token) / 3600


def _positive(**values: int | float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}={value}: must be a positive number")


@dataclass(frozen=True, kw_only=True)
class Endurance:
    """Energy per generated token by three methods, and tokens and hours per charge by the measured range.

    The 45 nm table counts bytes and operations. The paper's rule and the measured range count parameters only; the
    measured range is of phones or their chips with 4-bit weights.
    """

    device: Device
    workload: Workload
    estimate_j_per_token: int | float  # 45 nm table: bytes moved and operations, nothing else
    paper_j_per_token: int | float  # 0.1 J per billion parameters
    measured_low_j_per_token: int | float  # the lowest and ...
    measured_high_j_per_token: int | float  # ... the highest of ENERGY_ROWS, scaled to this model's parameters
    tokens_per_s: int | float | None  # by the roofline of the card; None where it does not know

    @property
    def battery_j(self) -> float | None:
        battery = self.device.battery_wh.value
        return None if battery is None else battery * JOULES_PER_WH

    @property
    def tokens_per_charge(self) -> tuple[float, float] | None:
        """(fewest, most) tokens of one charge, by the measured range; None where the battery is unknown."""
        if self.battery_j is None:
            return None
        return self.battery_j / self.measured_high_j_per_token, self.battery_j / self.measured_low_j_per_token

    @property
    def watts(self) -> tuple[float, float] | None:
        """(lowest, highest) power at the roofline's speed, by the measured range."""
        if self.tokens_per_s is None:
            return None
        return (
            self.tokens_per_s * self.measured_low_j_per_token,
            self.tokens_per_s * self.measured_high_j_per_token,
        )

    @property
    def hours(self) -> tuple[float, float] | None:
        """(shortest, longest) time of uninterrupted generation at the roofline's speed, by the measured range."""
        if self.battery_j is None or self.watts is None:
            return None
        low, high = self.watts
        return self.battery_j / high / 3600, self.battery_j / low / 3600


def endurance(device: Device, workload: Workload, *, efficiency: int | float = EFFICIENCY) -> Endurance:
    """Energy of a generated token of `workload`, and how long the battery of `device` lasts."""
    per_billion = [row.j_per_token_per_billion for row in ENERGY_ROWS]
    billions = workload.parameters / BILLION
    step = estimate_energy(dram_bytes=workload.read_bytes, operations=workload.operations)
    return Endurance(
        device=device,
        workload=workload,
        estimate_j_per_token=step.per(workload.batch),
        paper_j_per_token=paper_j_per_token(workload.parameters),
        measured_low_j_per_token=min(per_billion) * billions,
        measured_high_j_per_token=max(per_billion) * billions,
        tokens_per_s=decode_speed(device, workload, efficiency=efficiency).tokens_per_s,
    )
