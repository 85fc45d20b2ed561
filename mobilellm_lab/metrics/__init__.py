"""Chapter 7: measurements with their spread, and how to tell whether it is really better."""

from mobilellm_lab.metrics.battery import POWER_SUPPLY, Battery
from mobilellm_lab.metrics.columns import (
    InMemory,
    Measured,
    OnDisk,
    Theoretical,
    in_memory,
    measured,
    on_disk,
    resident,
    theoretical_kv,
    theoretical_weights,
)
from mobilellm_lab.metrics.divergence import Divergence, divergence
from mobilellm_lab.metrics.energy import (
    EnergyEstimate,
    MeasuredEnergy,
    decode_traffic,
    energy,
    estimate_energy,
    estimate_token_energy,
    measure_energy,
)
from mobilellm_lab.metrics.fit import MemoryNeed, activation_bytes, require_memory
from mobilellm_lab.metrics.generation import Generation, decode_throughput, generation
from mobilellm_lab.metrics.interval import Interval, accuracy_interval, bootstrap_interval
from mobilellm_lab.metrics.latency import (
    Comparison,
    Latency,
    Throughput,
    compare,
    compare_samples,
    latency,
    throughput,
)
from mobilellm_lab.metrics.memory import PeakMemory, peak_memory
from mobilellm_lab.metrics.pareto import dominates, pareto
from mobilellm_lab.metrics.quality import mean_loss_nats, perplexity
from mobilellm_lab.metrics.rapl import POWERCAP, EnergyUnavailable, Rapl, counter_difference_uj
from mobilellm_lab.metrics.scores import Scores, paired_difference, score

__all__ = [
    "POWERCAP",
    "POWER_SUPPLY",
    "Battery",
    "Comparison",
    "Divergence",
    "EnergyEstimate",
    "EnergyUnavailable",
    "Generation",
    "InMemory",
    "Interval",
    "Latency",
    "Measured",
    "MeasuredEnergy",
    "MemoryNeed",
    "OnDisk",
    "PeakMemory",
    "Rapl",
    "Scores",
    "Theoretical",
    "Throughput",
    "accuracy_interval",
    "activation_bytes",
    "bootstrap_interval",
    "compare",
    "compare_samples",
    "counter_difference_uj",
    "decode_throughput",
    "decode_traffic",
    "divergence",
    "dominates",
    "energy",
    "estimate_energy",
    "estimate_token_energy",
    "generation",
    "in_memory",
    "latency",
    "mean_loss_nats",
    "measure_energy",
    "measured",
    "on_disk",
    "paired_difference",
    "pareto",
    "peak_memory",
    "perplexity",
    "require_memory",
    "resident",
    "score",
    "theoretical_kv",
    "theoretical_weights",
    "throughput",
]
