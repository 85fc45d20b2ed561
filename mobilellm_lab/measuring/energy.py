"""Energy of a job in J: measured by a counter, or an estimate of another type"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mobilellm_lab import footprint
from mobilellm_lab.measuring.battery import POWER_SUPPLY, Battery
from mobilellm_lab.measuring.latency import Clock
from mobilellm_lab.measuring.rapl import POWERCAP, EnergyUnavailable, Rapl
from mobilellm_lab.model import ModelConfig

# The table that the literature on small models counts with: 45 nm, 32 bits at a time.
# Source: Han et al. 2015, citing Horowitz, ISSCC 2014.
PJ_PER_DRAM_BYTE = 640 / 4
PJ_PER_SRAM_BYTE = 5 / 4
PJ_PER_OPERATION = 0.9  # a 32-bit addition; products are priced like it, so this part is a lower bound
TABLE = "45 nm table: 640 pJ per 32 bits from DRAM, 5 pJ from SRAM, 0.9 pJ per 32-bit operation"


@dataclass(frozen=True, kw_only=True)
class MeasuredEnergy:
    """Energy in J from a counter, of the whole processor or machine with all that ran on it."""

    energy_j: float
    duration_s: float
    source: str  # "RAPL package-0", "battery BAT0"

    @property
    def watts(self) -> float:
        """Mean power."""
        return self.energy_j / self.duration_s

    def per(self, count: int | float) -> float:
        """Joules per item, for `count` tokens or runs."""
        return self.energy_j / _positive(count)

    def __str__(self) -> str:
        return f"{self.energy_j:.4g} J measured ({self.source}, {self.watts:.3g} W over {self.duration_s:.3g} s)"


@dataclass(frozen=True, kw_only=True)
class EnergyEstimate:
    """Energy in J from a table of the cost of bytes and operations, without a measurement."""

    estimated_energy_j: float
    model: str  # the table and its source
    because: str  # why it is not measured

    def per(self, count: int | float) -> float:
        """Estimated joules per item, for `count` tokens or runs."""
        return self.estimated_energy_j / _positive(count)

    def __str__(self) -> str:
        return f"{self.estimated_energy_j:.4g} J, an estimate ({self.model}); not measured: {self.because}"


def _positive(count: int | float) -> int | float:
    if not count > 0:
        raise ValueError(f"count={count}: give the number of tokens or runs, more than 0")
    return count


def estimate_energy(
    *,
    dram_bytes: int | float,
    operations: int | float = 0,
    sram_bytes: int | float = 0,
    because: str = "an estimate was requested",
) -> EnergyEstimate:
    """Energy of moving these bytes and doing these operations, by the 45 nm table at the top of this file.

    Raises:
        ValueError: a negative amount.
    """
    for name, value in (("dram_bytes", dram_bytes), ("operations", operations), ("sram_bytes", sram_bytes)):
        if not value >= 0:
            raise ValueError(f"{name}={value}: give 0 or more")
    picojoules = dram_bytes * PJ_PER_DRAM_BYTE + sram_bytes * PJ_PER_SRAM_BYTE + operations * PJ_PER_OPERATION
    return EnergyEstimate(estimated_energy_j=1e-12 * picojoules, model=TABLE, because=because)


def decode_traffic(
    config: ModelConfig, *, context: int, bits_per_weight: int | float = 16, bits_per_value: int | float = 16
) -> dict[str, int]:
    """`dram_bytes` and `operations` of one decoded token that sees `context` positions.

    Every weight that the token uses is loaded once: all of a tied table (as output layer), a single row of a separate
    input table. The keys and values of earlier positions are loaded, and its own are stored.

    Raises:
        ValueError: a context below 1.
    """
    operations = footprint.flops_per_token(config, context=context)
    weights = footprint.weight_bytes(config, bits_per_weight=bits_per_weight)
    if not config.tie_embeddings:
        weights -= int((config.vocab_size - 1) * config.embed_dim * bits_per_weight / 8)
    kv = context * footprint.kv_bytes_per_token(config, bytes_per_value=bits_per_value / 8)
    return {"dram_bytes": weights + kv, "operations": operations}


def estimate_token_energy(
    config: ModelConfig, *, context: int, bits_per_weight: int | float = 16, bits_per_value: int | float = 16
) -> EnergyEstimate:
    """Energy of one decoded token, estimated from `decode_traffic`: no cache keeps a weight from token to token."""
    traffic = decode_traffic(config, context=context, bits_per_weight=bits_per_weight, bits_per_value=bits_per_value)
    return estimate_energy(**traffic)


def measure_energy(
    fn: Callable[[], object],
    *,
    powercap: str | Path = POWERCAP,
    power_supply: str | Path = POWER_SUPPLY,
    clock: Clock = time.perf_counter,
) -> MeasuredEnergy:
    """Energy in J while `fn()` runs, by RAPL or else by the battery, with all that the machine does meanwhile.

    RAPL updates about every millisecond. Let `fn` run for a second or more, on an otherwise idle machine.

    Raises:
        EnergyUnavailable: neither can be read, with both reasons; or the counter did not move, so `fn` was too short.
    """
    try:
        meter = Rapl(Path(powercap))
        source = f"RAPL {' + '.join(meter.domains)}"
    except EnergyUnavailable as no_rapl:
        try:
            meter = Battery(Path(power_supply))
            source = f"battery {' + '.join(meter.names)}"
        except EnergyUnavailable as no_battery:
            raise EnergyUnavailable(f"{no_rapl}; {no_battery}") from no_battery
    start, before_j = clock(), meter.read_j()
    fn()
    energy_j, duration_s = meter.read_j() - before_j, clock() - start
    if energy_j <= 0:
        raise EnergyUnavailable(f"{source} did not move in {duration_s:.3g} s: let the job run longer")
    return MeasuredEnergy(energy_j=energy_j, duration_s=duration_s, source=source)


def energy(
    fn: Callable[[], object],
    *,
    dram_bytes: int | float,
    operations: int | float,
    powercap: str | Path = POWERCAP,
    power_supply: str | Path = POWER_SUPPLY,
) -> MeasuredEnergy | EnergyEstimate:
    """Measured energy, or an estimate for these bytes and operations whose `because` says why not measured.

    The two types share no field, so that no code confuses them. `fn` runs only if it is measured.
    """
    try:
        return measure_energy(fn, powercap=powercap, power_supply=power_supply)
    except EnergyUnavailable as reason:
        return estimate_energy(dram_bytes=dram_bytes, operations=operations, because=str(reason))
