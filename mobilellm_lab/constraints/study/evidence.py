"""Stored decode measurements beside their predictions, and the numbers of the chapter's answers"""

import pandas as pd

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints.cards import Device
from mobilellm_lab.constraints.devices import find_device
from mobilellm_lab.constraints.memory_fit import fit, most_parameters
from mobilellm_lab.constraints.published import CPU_AND_GPU, ENERGY_ROWS, THROTTLING
from mobilellm_lab.constraints.roofline import EFFICIENCY, EFFICIENCY_RANGE, decode_speed
from mobilellm_lab.constraints.study.sweep import SIZES
from mobilellm_lab.constraints.workload import Workload
from mobilellm_lab.sweeps import Store

SETTING = ["size", "context", "batch", "bits", "threads"]
TERMS = {"memory_ms": "memory", "compute_ms": "compute", "dispatch_ms": "dispatch"}

FAMILY = ("MobileLLM-125M", "MobileLLM-350M", "MobileLLM-600M", "MobileLLM-1B")
PHONE = "iPhone 13"  # a phone of 4 GiB whose bandwidth and battery are known
FOUR_BITS = 4.5  # of a weight: 4, and a 16-bit scale for each group of 32
CONTEXT = PROMPT = 1000  # tokens


def example() -> tuple[str, Device, Workload]:
    """The chapter's example: the largest of `FAMILY` that fits on `PHONE` with `FOUR_BITS` and `CONTEXT`."""
    device = find_device(PHONE)
    loads = {
        name: Workload(config=zoo.SHAPES[name].config, bits_per_weight=FOUR_BITS, context=CONTEXT) for name in FAMILY
    }
    name = max((name for name in FAMILY if fit(device, loads[name]).fits), key=lambda name: loads[name].parameters)
    return name, device, loads[name]


def answers() -> dict[str, str]:
    """Numbers of the opening, the recipe box and the course page, as text without units."""
    name, device, load = example()
    needs, decode = fit(device, load), decode_speed(device, load)
    slow, fast = (decode_speed(device, load, efficiency=share).tokens_per_s for share in EFFICIENCY_RANGE)
    joules = [row.j_per_token_per_billion for row in ENERGY_ROWS]
    cpu, gpu = CPU_AND_GPU
    cold, *_, hot = (row for row in THROTTLING if row.device == "iPhone 16 Pro")
    return {
        "limits_dram_gb": f"{device.memory_gib.value:g}",
        "limits_budget_mib": f"{needs.budget_mib:.0f}",
        "limits_bits": f"{FOUR_BITS:g}",
        "limits_context": f"{CONTEXT:,}",
        "limits_most_millions": f"{most_parameters(device, load) / 1e6:.0f}",
        "limits_model": name,
        "limits_efficiency": f"{100 * EFFICIENCY:.0f}",
        "limits_bandwidth": f"{device.bandwidth_gb_s.value:g}",
        "limits_read_mb": f"{load.read_bytes / 1e6:.0f}",
        "limits_tokens_per_s": f"{decode.tokens_per_s:.0f}",
        "limits_slow_tokens_per_s": f"{slow:.0f}",
        "limits_fast_tokens_per_s": f"{fast:.0f}",
        "limits_memory_over_compute": f"{decode.memory_ms / decode.compute_ms:.0f}",
        "limits_prefill_gain": f"{gpu.prefill_per_s / cpu.prefill_per_s:.1f}",
        "limits_wait_cpu_s": f"{PROMPT / cpu.prefill_per_s:.1f}",
        "limits_wait_gpu_s": f"{PROMPT / gpu.prefill_per_s:.1f}",
        "limits_low_j": f"{min(joules):.2f}",
        "limits_high_j": f"{max(joules):.2f}",
        "limits_hot_percent": f"{100 * (1 - hot.tokens_per_s / cold.tokens_per_s):.0f}",
        "limits_hot_answer": str(hot.iteration),
    }


def decoded(store: Store) -> pd.DataFrame:
    """A row per setting of the sweep `constraints`, smallest model first.

    Columns: those of `SETTING`; `parameters`; `read_bytes` of a step; `p10`, `p50`, `p90` and `rounds` of the measured
    tokens/s of the whole batch; `step_ms`; `predicted` tokens/s, the `TERMS` of its step, and the `bandwidth_gb_s`
    that it took.

    Raises:
        ValueError: the sweep has no rows; names the command that makes them.
    """
    if not store.rows:
        raise ValueError("no stored settings: make them with `mobilellm-lab sweep constraints`")
    rows = [
        {name: row["recipe"][name] for name in SETTING}
        | {"parameters": footprint.parameters(SIZES[row["recipe"]["size"]])}  # what was built, not what was measured
        | {name: row[name] for name in ("read_bytes", "rounds")}
        | {name: row["tokens_per_s"][name] for name in ("p10", "p50", "p90")}
        | {"step_ms": row["step_ms"]["p50"], "predicted": row["predicted"]["tokens_per_s"]}
        | {name: row["predicted"][name] for name in (*TERMS, "bandwidth_gb_s")}
        for row in store.rows.values()
    ]
    return pd.DataFrame(rows).sort_values(["parameters", *SETTING[1:]], ignore_index=True)


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    """The settings of one sequence with the shortest context, 32 bits and one thread, a row per size."""
    found = frame[(frame["batch"] == 1) & (frame["bits"] == 32) & (frame["threads"] == 1)]
    return found[found["context"] == found["context"].min()]
