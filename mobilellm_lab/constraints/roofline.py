"""Roofline model: memory time, compute time, and the one that binds"""

import math
from dataclasses import dataclass

from mobilellm_lab.constraints.cards import GIGA, Device
from mobilellm_lab.constraints.workload import Workload

# Of a DRAM's peak, what decoding reaches in published runs: 0.47 on an iPhone 13, 0.57 and 0.62 on a OnePlus 12
# (`published_checks.reached` computes them).
EFFICIENCY_RANGE = (0.47, 0.62)
EFFICIENCY = 0.56  # about their middle


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Memory time, compute time and the longer of them, of one phase on one device; None where the card has no value.

    The compute time assumes the maker's peak, which no program reaches; where compute binds, the real time is longer.
    """

    phase: str  # "decode": a step of the whole batch; "prefill": the prompts of the whole batch
    bytes_moved: int
    operations: int
    tokens: int  # that the phase handles: the batch, or all tokens of the prompts
    memory_ms: int | float | None
    compute_ms: int | float | None

    @property
    def time_ms(self) -> float | None:
        """The longer of the two, as if they overlapped perfectly; memory's alone where the peak is unknown."""
        return None if self.memory_ms is None else max(self.memory_ms, self.compute_ms or 0.0)

    @property
    def binds(self) -> str:
        """ "memory" or "compute", or "unknown" where the card lacks one of them."""
        if self.memory_ms is None or self.compute_ms is None:
            return "unknown"
        return "memory" if self.memory_ms >= self.compute_ms else "compute"

    @property
    def intensity_op_per_byte(self) -> float:
        return self.operations / self.bytes_moved

    @property
    def tokens_per_s(self) -> float | None:
        return None if self.time_ms is None else 1000 * self.tokens / self.time_ms


def decode_speed(device: Device, workload: Workload, *, efficiency: int | float = EFFICIENCY) -> Speed:
    """One decode step: a token for every sequence of the batch."""
    return _speed(
        device, "decode", workload.read_bytes, workload.operations, tokens=workload.batch, efficiency=efficiency
    )


def prefill_speed(device: Device, workload: Workload, *, efficiency: int | float = EFFICIENCY) -> Speed:
    """Prefill of `workload.context` tokens for every sequence; its time is a lower bound of the TTFT."""
    tokens = workload.batch * workload.context
    return _speed(
        device,
        "prefill",
        workload.prefill_bytes,
        workload.prefill_operations,
        tokens=tokens,
        efficiency=efficiency,
    )


def _speed(device: Device, phase: str, moved: int, operations: int, *, tokens: int, efficiency: int | float) -> Speed:
    bandwidth, peak = _bandwidth(device, efficiency), device.peak_gop_s.value
    return Speed(
        phase=phase,
        bytes_moved=moved,
        operations=operations,
        tokens=tokens,
        memory_ms=None if bandwidth is None else 1000 * moved / (bandwidth * GIGA),
        compute_ms=None if peak is None else 1000 * operations / (peak * GIGA),
    )


def _bandwidth(device: Device, efficiency: int | float) -> float | None:
    if not 0 < efficiency <= 1:
        raise ValueError(f"efficiency={efficiency}: choose a share of the peak above 0 and at most 1, such as 0.56")
    peak = device.bandwidth_gb_s.value
    return None if peak is None else efficiency * peak


def ridge_op_per_byte(device: Device, *, efficiency: int | float = EFFICIENCY) -> float | None:
    """Arithmetic intensity of the ridge point; with fewer operations per byte, memory binds."""
    bandwidth, peak = _bandwidth(device, efficiency), device.peak_gop_s.value
    return None if bandwidth is None or peak is None else peak / bandwidth


def roof_gop_s(
    device: Device, intensity_op_per_byte: int | float, *, efficiency: int | float = EFFICIENCY
) -> float | None:
    """Attainable Gop/s at this intensity; the bandwidth roof alone where the compute peak is unknown."""
    if intensity_op_per_byte <= 0:
        raise ValueError(f"intensity_op_per_byte={intensity_op_per_byte}: must be a positive number")
    bandwidth, peak = _bandwidth(device, efficiency), device.peak_gop_s.value
    if bandwidth is None:
        return None
    return float(min(bandwidth * intensity_op_per_byte, peak or math.inf))
