"""Chapter 7: measurements with their spread, and how to tell whether it is really better."""

from mobilellm_lab.metrics.battery import POWER_SUPPLY, Battery
from mobilellm_lab.metrics.bench import Bench, Progress
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
from mobilellm_lab.metrics.duel import OUTCOMES, RULES, VERDICTS, judge, outcome
from mobilellm_lab.metrics.duel import Pair as DuelPair
from mobilellm_lab.metrics.duel import Recipe as DuelRecipe
from mobilellm_lab.metrics.duel import Result as DuelResult
from mobilellm_lab.metrics.duel import Run as DuelRun
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
from mobilellm_lab.metrics.lies import LIES, Lie
from mobilellm_lab.metrics.memory import PeakMemory, peak_memory
from mobilellm_lab.metrics.neighbour import Neighbour
from mobilellm_lab.metrics.operations import started_operations
from mobilellm_lab.metrics.pareto import dominates, pareto
from mobilellm_lab.metrics.quality import mean_loss_nats, perplexity
from mobilellm_lab.metrics.rapl import POWERCAP, EnergyUnavailable, Rapl, counter_difference_uj
from mobilellm_lab.metrics.record import Measure, Record, RecordComparison, compare_records, load_record
from mobilellm_lab.metrics.scores import Scores, paired_difference, score
from mobilellm_lab.metrics.sweep import LieTrial, lie_trials, measure_duels, measure_lies, recipes

__all__ = [
    "LIES",
    "OUTCOMES",
    "POWERCAP",
    "POWER_SUPPLY",
    "RULES",
    "VERDICTS",
    "Battery",
    "Bench",
    "Comparison",
    "Divergence",
    "DuelPair",
    "DuelRecipe",
    "DuelResult",
    "DuelRun",
    "EnergyEstimate",
    "EnergyUnavailable",
    "Generation",
    "InMemory",
    "Interval",
    "Latency",
    "Lie",
    "LieTrial",
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
    "judge",
    "latency",
    "lie_trials",
    "load_record",
    "mean_loss_nats",
    "measure_duels",
    "measure_energy",
    "measure_lies",
    "measured",
    "on_disk",
    "outcome",
    "paired_difference",
    "pareto",
    "peak_memory",
    "perplexity",
    "recipes",
    "require_memory",
    "resident",
    "score",
    "started_operations",
    "theoretical_kv",
    "theoretical_weights",
    "throughput",
]
