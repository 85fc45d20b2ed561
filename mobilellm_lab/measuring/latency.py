"""Latency and throughput with their spread, and paired comparison with a confidence interval"""

import math
import platform
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

Clock = Callable[[], float]  # returns seconds, like time.perf_counter
Samples = Sequence[float] | np.ndarray


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "torch": torch.__version__}


def _finite(name: str, samples: Samples) -> tuple[float, ...]:
    values = tuple(float(value) for value in samples)
    if not values:
        raise ValueError(f"{name} is empty: give at least one sample")
    for value in values:
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} holds {value}: a duration is positive; time more work")
    return values


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The duration of one call, in milliseconds. Percentiles are NumPy's, linear between samples."""

    samples_ms: tuple[float, ...]  # every timed call, in the order of measurement
    warmup: int  # calls made before, not timed: caches, lazy initialisation, clock ramp
    device: str = "cpu"  # the device that was waited for
    threads: int = field(default_factory=torch.get_num_threads)  # torch threads while measuring
    versions: dict[str, str] = field(default_factory=_versions)  # python and torch

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples_ms", _finite("samples_ms", self.samples_ms))

    def percentile_ms(self, percent: int | float) -> float:
        """The duration in ms that `percent` of the calls do not exceed."""
        return float(np.percentile(self.samples_ms, percent))

    @property
    def runs(self) -> int:
        return len(self.samples_ms)

    @property
    def median_ms(self) -> float:
        return self.percentile_ms(50)

    @property
    def p10_ms(self) -> float:
        return self.percentile_ms(10)

    @property
    def p90_ms(self) -> float:
        return self.percentile_ms(90)

    @property
    def p95_ms(self) -> float:
        return self.percentile_ms(95)

    @property
    def p99_ms(self) -> float:
        return self.percentile_ms(99)

    @property
    def mean_ms(self) -> float:
        """The average, which one slow call can move arbitrarily far."""
        return float(np.mean(self.samples_ms))

    def __str__(self) -> str:
        return f"{self.median_ms:.3g} ms (p10 {self.p10_ms:.3g}, p90 {self.p90_ms:.3g}, {self.runs} runs)"


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Items per second of one call that handles `items` of them; higher is better."""

    latency: Latency  # of the whole call
    items: int  # handled by one call
    unit: str  # what an item is: "tokens", "sequences"

    def percentile_per_s(self, percent: int | float) -> float:
        """The rate in `unit` per second that `percent` of the calls do not exceed."""
        return float(np.percentile([1000 * self.items / ms for ms in self.latency.samples_ms], percent))

    @property
    def median_per_s(self) -> float:
        return self.percentile_per_s(50)

    @property
    def p10_per_s(self) -> float:
        return self.percentile_per_s(10)

    @property
    def p90_per_s(self) -> float:
        return self.percentile_per_s(90)

    def __str__(self) -> str:
        spread = f"p10 {self.p10_per_s:.4g}, p90 {self.p90_per_s:.4g}, {self.latency.runs} runs"
        return f"{self.median_per_s:.4g} {self.unit}/s ({spread})"


def _timer(fn: Callable[[], object], device: str, clock: Clock) -> Callable[[], float]:
    """A function that calls `fn` once and returns its duration in ms, the device's queue included."""
    kind = torch.device(device).type
    # An accelerator only queues the work: without waiting for it the clock would measure the queueing.
    wait = {"cpu": lambda: None, "cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(kind)
    if wait is None:
        raise ValueError(f"device={device!r}: choose cpu, cuda or mps")

    def timed() -> float:
        wait()
        start = clock()
        fn()
        wait()
        return 1000 * (clock() - start)

    return timed


def latency(
    fn: Callable[[], object],
    *,
    warmup: int = 3,
    repeats: int = 20,
    min_time_s: float = 0.2,
    device: str = "cpu",
    clock: Clock = time.perf_counter,
) -> Latency:
    """Duration of `fn()` in ms, timed at least `repeats` times and until the calls add up to `min_time_s`.

    Raises:
        ValueError: no repeats, a negative warm-up or time, an unknown device.
    """
    if warmup < 0 or repeats < 1 or min_time_s < 0:
        raise ValueError(
            f"warmup={warmup}, repeats={repeats}, min_time_s={min_time_s}: give at least 1 repeat, nothing negative"
        )
    timed = _timer(fn, device, clock)
    for _ in range(warmup):
        fn()
    samples_ms: list[float] = []
    total_ms = 0.0
    while len(samples_ms) < repeats or total_ms < 1000 * min_time_s:
        samples_ms.append(timed())
        total_ms += samples_ms[-1]
    return Latency(samples_ms=tuple(samples_ms), warmup=warmup, device=device)


def throughput(
    fn: Callable[[], object],
    *,
    items: int,
    unit: str = "items",
    warmup: int = 3,
    repeats: int = 20,
    min_time_s: float = 0.2,
    device: str = "cpu",
    clock: Clock = time.perf_counter,
) -> Throughput:
    """Items per second of `fn()`, which handles `items` of them in a call; timed like `latency`."""
    if items <= 0:
        raise ValueError(f"items={items}: say how many items one call handles, at least 1")
    measured = latency(fn, warmup=warmup, repeats=repeats, min_time_s=min_time_s, device=device, clock=clock)
    return Throughput(latency=measured, items=items, unit=unit)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Ratio of the times of b and a with its interval, from samples taken in pairs."""

    a: Latency
    b: Latency
    ratio: float  # median of b / a over the pairs: 1.1 means that b takes 10 % longer
    ratio_low: float  # ends of the interval that holds the true ratio with probability `confidence`
    ratio_high: float
    confidence: float

    @property
    def verdict(self) -> str:
        """ "a is faster", "b is faster", or "not distinguishable": the interval holds 1."""
        if self.ratio_low > 1:
            return "a is faster"
        if self.ratio_high < 1:
            return "b is faster"
        return "not distinguishable"

    def __str__(self) -> str:
        interval = f"{self.ratio_low:.3g} to {self.ratio_high:.3g} at {self.confidence:.0%}"
        return f"{self.verdict}: b / a = {self.ratio:.3g} ({interval}, {self.a.runs} pairs)"


def _sign_interval(ratios: np.ndarray, confidence: float) -> tuple[float, float]:
    """Exact interval of the median by the sign test; (0, inf) for too few pairs."""
    n, tail, rank = len(ratios), 0.0, 0
    while rank < n:
        tail += math.comb(n, rank) / 2**n
        if tail > (1 - confidence) / 2:
            break
        rank += 1
    if rank == 0:
        return 0.0, math.inf
    ordered = np.sort(ratios)
    return float(ordered[rank - 1]), float(ordered[n - rank])


def compare_samples(
    a_ms: Samples, b_ms: Samples, *, confidence: int | float = 0.95, seed: int = 0, resamples: int = 2000
) -> Comparison:
    """Ratio b / a with its interval, from durations of which `a_ms[i]` and `b_ms[i]` were taken side by side.

    `resamples` of the bootstrap: 2000 put 50 in each tail of a 95 % interval.
    The ratio is taken within each pair, so noise that slows both (another process, the clock of a warm CPU) cancels;
    the median over the pairs ignores the heavy tail. The interval is the wider of a bootstrap over the pairs and the
    sign test's, since the bootstrap alone gives 6 to 8 false alarms in 100 at 95 %. Equal samples are called different
    in less than 5 % of trials, and 10 % slower ones found in over 90 % (tests/measuring/test_latency.py).

    Raises:
        ValueError: lists of different length, a duration that is not positive, a confidence outside (0, 1).
    """
    a, b = _finite("a_ms", a_ms), _finite("b_ms", b_ms)
    if len(a) != len(b):
        raise ValueError(f"a_ms has {len(a)} samples and b_ms {len(b)}: they are compared in pairs, give equally many")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: choose a probability between 0 and 1, such as 0.95")
    ratios = np.divide(b, a)
    drawn = np.random.default_rng(seed).integers(0, len(ratios), (resamples, len(ratios)))
    medians = np.median(ratios[drawn], axis=1)
    low, high = np.quantile(medians, [(1 - confidence) / 2, (1 + confidence) / 2])
    sign_low, sign_high = _sign_interval(ratios, confidence)
    return Comparison(
        a=Latency(samples_ms=a, warmup=0),
        b=Latency(samples_ms=b, warmup=0),
        ratio=float(np.median(ratios)),
        ratio_low=min(float(low), sign_low),
        ratio_high=max(float(high), sign_high),
        confidence=confidence,
    )


def compare(
    a: Callable[[], object],
    b: Callable[[], object],
    *,
    warmup: int = 3,
    repeats: int = 30,
    confidence: int | float = 0.95,
    device: str = "cpu",
    seed: int = 0,
    clock: Clock = time.perf_counter,
) -> Comparison:
    """Ratio of the times of `b()` and `a()`, timed in pairs; `seed` draws the half of them with b first.

    Raises:
        ValueError: fewer than 6 repeats (5 pairs cannot tell anything at 95 %), an unknown device, a bad confidence.
    """
    if repeats < 6 or warmup < 0:
        raise ValueError(f"repeats={repeats}, warmup={warmup}: give at least 6 pairs, and no negative warm-up")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence}: choose a probability between 0 and 1, such as 0.95")
    for _ in range(warmup):
        a()
        b()
    b_first = [pair % 2 == 1 for pair in range(repeats)]  # whatever the first call of a pair pays, both pay it
    random.Random(seed).shuffle(b_first)
    timed_a, timed_b = _timer(a, device, clock), _timer(b, device, clock)
    a_ms, b_ms = [], []
    for swap in b_first:
        if swap:
            b_ms.append(timed_b())
            a_ms.append(timed_a())
        else:
            a_ms.append(timed_a())
            b_ms.append(timed_b())
    result = compare_samples(a_ms, b_ms, confidence=confidence, seed=seed)
    measured = {"warmup": warmup, "device": device}
    return replace(result, a=replace(result.a, **measured), b=replace(result.b, **measured))
