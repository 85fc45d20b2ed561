"""Instruments for every chapter: latency, memory, energy, quality, records, each value with its spread."""

from mobilellm_lab.measuring.battery import POWER_SUPPLY, Battery
from mobilellm_lab.measuring.bench import Bench, Progress
from mobilellm_lab.measuring.columns import (
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
from mobilellm_lab.measuring.divergence import Divergence, divergence
from mobilellm_lab.measuring.energy import (
    EnergyEstimate,
    MeasuredEnergy,
    decode_traffic,
    energy,
    estimate_energy,
    estimate_token_energy,
    measure_energy,
)
from mobilellm_lab.measuring.evaluation import EvalResult, EvalSet
from mobilellm_lab.measuring.fit import MemoryNeed, activation_bytes, require_memory
from mobilellm_lab.measuring.generation import Generation, decode_throughput, generation
from mobilellm_lab.measuring.interval import Interval, accuracy_interval, bootstrap_interval
from mobilellm_lab.measuring.latency import (
    Comparison,
    Latency,
    Throughput,
    compare,
    compare_samples,
    latency,
    throughput,
)
from mobilellm_lab.measuring.load import Load, load, settled
from mobilellm_lab.measuring.memory import PeakMemory, peak_memory
from mobilellm_lab.measuring.neighbour import Neighbour
from mobilellm_lab.measuring.operations import started_operations
from mobilellm_lab.measuring.pareto import dominates, pareto
from mobilellm_lab.measuring.quality import mean_loss_nats, perplexity
from mobilellm_lab.measuring.rapl import POWERCAP, EnergyUnavailable, Rapl, counter_difference_uj
from mobilellm_lab.measuring.record import Measure, Record, RecordComparison, compare_records, load_record
from mobilellm_lab.measuring.scores import Scores, paired_difference, score

__all__ = [
    "POWERCAP",
    "POWER_SUPPLY",
    "Battery",
    "Bench",
    "Comparison",
    "Divergence",
    "EnergyEstimate",
    "EnergyUnavailable",
    "EvalResult",
    "EvalSet",
    "Generation",
    "InMemory",
    "Interval",
    "Latency",
    "Load",
    "Measure",
    "Measured",
    "MeasuredEnergy",
    "MemoryNeed",
    "Neighbour",
    "OnDisk",
    "PeakMemory",
    "Progress",
    "Rapl",
    "Record",
    "RecordComparison",
    "Scores",
    "Theoretical",
    "Throughput",
    "accuracy_interval",
    "activation_bytes",
    "bootstrap_interval",
    "compare",
    "compare_records",
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
    "load",
    "load_record",
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
    "settled",
    "started_operations",
    "theoretical_kv",
    "theoretical_weights",
    "throughput",
]
