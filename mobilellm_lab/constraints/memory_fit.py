"""Memory fit: weights, KV cache and activations against one app's share of the DRAM"""

from dataclasses import dataclass, replace

from mobilellm_lab.constraints.cards import GIGA, Device, known
from mobilellm_lab.constraints.workload import Workload

MIB, GIB = 2**20, 2**30
JOULES_PER_WH = 3600.0
APP_SHARE = known(0.10, "of DRAM", "secondary", "MobileLLM, arXiv 2402.14905, introduction: an app should stay below")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Memory share of one app, peak bandwidth and battery of a device; None where the card has no value."""

    device: str
    memory_mib: int | float | None  # the app's share of DRAM
    bandwidth_gb_s: int | float | None  # peak
    battery_j: int | float | None

    def ceiling_tokens_per_s(self, read_bytes: int) -> float | None:
        """Decode steps per second at the peak bandwidth, if each reads `read_bytes`."""
        if read_bytes < 1:
            raise ValueError(f"read_bytes={read_bytes}: a step reads at least one byte")
        return None if self.bandwidth_gb_s is None else self.bandwidth_gb_s * GIGA / read_bytes


def budget_of(device: Device, *, share: int | float = APP_SHARE.value) -> Budget:
    """Budget of one app that may take `share` of the DRAM of `device`.

    Raises:
        ValueError: a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share={share}: choose a part of the memory above 0 and at most 1, such as 0.1")
    memory, battery = device.memory_gib.value, device.battery_wh.value
    return Budget(
        device=device.name,
        memory_mib=None if memory is None else share * memory * GIB / MIB,
        bandwidth_gb_s=device.bandwidth_gb_s.value,
        battery_j=None if battery is None else battery * JOULES_PER_WH,
    )


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Memory of a workload on a device, in MiB (2**20 bytes); None where the device's memory is unknown."""

    device: Device
    workload: Workload
    weights_mib: int | float
    kv_mib: int | float
    activations_mib: int | float
    memory_mib: int | float | None  # all of the DRAM
    budget_mib: int | float | None  # the app's share of it
    largest_context: int | None  # positions up to which it fits, capped at the model's own limit; 0 if none does

    @property
    def total_mib(self) -> float:
        return self.weights_mib + self.kv_mib + self.activations_mib

    @property
    def fits(self) -> bool | None:
        return None if self.budget_mib is None else self.total_mib <= self.budget_mib

    def __str__(self) -> str:
        total = (
            f"{self.weights_mib:,.1f} MiB weights + {self.kv_mib:,.1f} KV cache + {self.activations_mib:,.1f} "
            f"activations = {self.total_mib:,.1f} MiB"
        )
        if self.budget_mib is None:
            return f"{total}; the memory of {self.device.name} is unknown"
        verdict = "fits into" if self.fits else "does not fit into"
        return f"{total}: {verdict} the {self.budget_mib:,.0f} MiB that an app has on {self.device.name}"


def fit(device: Device, workload: Workload, *, share: int | float = APP_SHARE.value) -> Fit:
    """Whether `workload` fits into `share` of the memory of `device`, and up to which context it does."""
    budget = budget_of(device, share=share)
    memory = device.memory_gib.value
    return Fit(
        device=device,
        workload=workload,
        weights_mib=workload.weight_bytes / MIB,
        kv_mib=workload.kv_bytes / MIB,
        activations_mib=workload.activation_bytes / MIB,
        memory_mib=None if memory is None else memory * GIB / MIB,
        budget_mib=budget.memory_mib,
        largest_context=None if budget.memory_mib is None else _largest_context(workload, budget.memory_mib * MIB),
    )


def most_parameters(device: Device, workload: Workload, *, share: int | float = APP_SHARE.value) -> int | None:
    """Parameters that fit into `share` of the memory at `workload.bits_per_weight`; None where the memory is unknown.

    KV cache and activations are those of `workload`, 0 parameters are left where they fill the share.
    """
    budget = budget_of(device, share=share)
    if budget.memory_mib is None:
        return None
    left = budget.memory_mib * MIB - workload.kv_bytes - workload.activation_bytes
    return max(0, int(8 * left // workload.bits_per_weight))


def _largest_context(workload: Workload, budget_bytes: int | float) -> int:
    """By bisection: the bytes only grow with the context."""
    low, high = 0, workload.config.max_seq_len
    while low < high:
        middle = (low + high + 1) // 2
        if replace(workload, context=middle).total_bytes <= budget_bytes:
            low = middle
        else:
            high = middle - 1
    return low
