"""Decode speed predicted from this machine's probes, and its measurement"""

import time
from dataclasses import dataclass

from mobilellm_lab import zoo
from mobilellm_lab.constraints.decode import build, decode_steps
from mobilellm_lab.constraints.dispatch import torch_operations
from mobilellm_lab.constraints.machine import Machine
from mobilellm_lab.constraints.workload import Workload
from mobilellm_lab.measuring import Latency, settled
from mobilellm_lab.model import ModelConfig

MIB = 2**20
BUSY = 4  # times as long may a measurement take where its samples do not settle
# One dispatch-bound and two memory-bound models: 0.2, 100 and 500 MB of 32-bit weights.
LAB_MODELS = {
    "60k": zoo.solve(60_000, 4, vocab_size=256),
    "25M": zoo.solve(25_000_000, 12, vocab_size=8192, n_heads=8, n_kv_heads=4),
    "125M": zoo.SHAPES["MobileLLM-125M"].config,
}


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Predicted time of one decode step by part, in ms; from probes only, not from this model's own speed."""

    config: ModelConfig
    bits: int
    batch: int
    context: int
    threads: int
    read_bytes: int  # weights and KV cache of one step
    torch_operations: int  # started in one step
    bandwidth_gb_s: int | float  # probed at a working set of `read_bytes`
    memory_ms: int | float
    compute_ms: int | float  # at the rate of a product with `batch` vectors; for one vector that is reading, see memory
    dispatch_ms: int | float

    @property
    def step_ms(self) -> float:
        """Memory and compute time overlap, dispatch does not: the same processor starts the operations."""
        return max(self.memory_ms, self.compute_ms) + self.dispatch_ms

    @property
    def tokens_per_s(self) -> float:
        return 1000 * self.batch / self.step_ms

    @property
    def binds(self) -> str:
        """The largest part: "memory", "compute" or "dispatch"."""
        parts = {"memory": self.memory_ms, "compute": self.compute_ms, "dispatch": self.dispatch_ms}
        return max(parts, key=parts.get)


def predict(
    config: ModelConfig, machine: Machine, *, bits: int = 32, batch: int = 1, context: int = 64, threads: int = 1
) -> Prediction:
    """The decode speed that the probes of `machine` imply.

    Raises:
        ValueError: a context or batch below 1, or a machine without the probes for these bits or threads.
    """
    workload = Workload(config=config, bits_per_weight=bits, kv_bits=bits, context=context, batch=batch)
    read_bytes, operations = workload.read_bytes, torch_operations(config)
    sizes = {"threads": threads, "bits": bits}
    bandwidth = machine.bandwidth_gb_s(read_bytes / MIB, **sizes)
    product = machine.matmul_gflop_s(rows=batch, working_set_mib=read_bytes / MIB, **sizes) if batch > 1 else None
    return Prediction(
        config=config,
        bits=bits,
        batch=batch,
        context=context,
        threads=threads,
        read_bytes=read_bytes,
        torch_operations=operations,
        bandwidth_gb_s=bandwidth,
        memory_ms=1e-6 * read_bytes / bandwidth,
        compute_ms=0.0 if product is None else 1e-6 * workload.operations / product,
        dispatch_ms=1e-3 * operations * machine.dispatch_us(**sizes),
    )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A prediction and the measured step."""

    prediction: Prediction
    step: Latency  # measured, of one decode step

    @property
    def tokens_per_s(self) -> float:
        """Measured, from the median step."""
        return 1000 * self.prediction.batch / self.step.median_ms

    @property
    def error(self) -> float:
        """Predicted tokens/s over measured, less 1: 0.2 is a prediction 20 % too fast."""
        return self.prediction.tokens_per_s / self.tokens_per_s - 1


def measure(prediction: Prediction, *, seconds: int | float = 1.0, repeats: int = 5, warmup: int = 2) -> Outcome:
    """Builds the predicted model with random weights and decodes, `repeats` steps and on until `seconds` have passed.

    On a busy machine it goes on until the steps have settled, for `BUSY` times as long at most.

    Raises:
        ValueError: no repeats, a negative warm-up or time.
    """
    if repeats < 1 or warmup < 0 or seconds < 0:
        raise ValueError(
            f"repeats={repeats}, warmup={warmup}, seconds={seconds}: give at least 1 repeat, nothing negative"
        )
    p = prediction
    steps = decode_steps(build(p.config, bits=p.bits), batch=p.batch, context=p.context)
    for _ in range(warmup):
        next(steps)
    samples, start = [], time.perf_counter()
    while (
        len(samples) < repeats
        or (taken := time.perf_counter() - start) < seconds
        or (taken < BUSY * seconds and not settled(samples))
    ):
        samples.append(next(steps))
    return Outcome(prediction=p, step=Latency(samples_ms=tuple(samples), warmup=warmup))
