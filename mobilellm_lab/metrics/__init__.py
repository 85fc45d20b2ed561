"""Measurements with their spread: latency, throughput, noise-aware comparison, peak memory, perplexity."""

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
from mobilellm_lab.metrics.quality import mean_loss_nats, perplexity

__all__ = [
    "Comparison",
    "Latency",
    "PeakMemory",
    "Throughput",
    "compare",
    "compare_samples",
    "latency",
    "mean_loss_nats",
    "peak_memory",
    "perplexity",
    "throughput",
]
