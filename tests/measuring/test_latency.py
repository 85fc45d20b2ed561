"""Percentiles against NumPy, timing on a clock that does what it is told, and the error rates of a comparison."""

import math
import time

import numpy as np
import pytest
import torch

from mobilellm_lab.measuring import Latency, Throughput, compare, compare_samples, latency, throughput


class FakeClock:
    """A clock that only moves when a job says how long it took."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def job(self, *durations_s: float):
        """A function whose n-th call takes the n-th duration, the last one again and again."""
        left = list(durations_s)

        def run():
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_percentiles_are_numpys():
    samples = np.random.default_rng(0).lognormal(size=37)
    result = Latency(samples_ms=tuple(samples), warmup=0)
    found = [result.p10_ms, result.median_ms, result.p90_ms, result.p95_ms, result.p99_ms]
    assert found == list(np.percentile(samples, [10, 50, 90, 95, 99]))
    assert result.mean_ms == pytest.approx(samples.mean())
    rate = Throughput(latency=result, items=5, unit="tokens")
    expected = np.percentile(5000 / samples, [10, 50, 90])
    assert [rate.p10_per_s, rate.median_per_s, rate.p90_per_s] == pytest.approx(list(expected), rel=1e-12)
    assert rate.p10_per_s < rate.median_per_s < rate.p90_per_s


def test_warmup_is_not_counted():
    clock = FakeClock()
    result = latency(clock.job(9.0, 9.0, 0.001, 0.002, 0.003), warmup=2, repeats=3, min_time_s=0.0, clock=clock)
    assert result.samples_ms == pytest.approx((1, 2, 3))
    assert (result.runs, result.warmup, result.device) == (3, 2, "cpu")
    assert result.threads == torch.get_num_threads() and result.versions["torch"] == torch.__version__


def test_runs_on_until_the_minimum_time():
    clock = FakeClock()
    assert latency(clock.job(0.25), warmup=0, repeats=2, min_time_s=1.0, clock=clock).runs == 4
    assert latency(clock.job(0.25), warmup=0, repeats=6, min_time_s=1.0, clock=clock).runs == 6


def test_throughput_is_items_over_time():
    clock = FakeClock()
    rate = throughput(clock.job(0.5), items=64, unit="tokens", repeats=5, clock=clock)
    assert rate.median_per_s == pytest.approx(128)
    assert str(rate) == "128 tokens/s (p10 128, p90 128, 5 runs)"


def test_the_real_clock_sees_a_sleep():
    assert 20 <= latency(lambda: time.sleep(0.02), warmup=0, repeats=3, min_time_s=0.0).median_ms < 20_000


def test_a_slower_function_is_found():
    result = compare(lambda: time.sleep(0.001), lambda: time.sleep(0.1), warmup=0, repeats=8)
    assert result.verdict == "a is faster" and result.ratio > 2
    assert result.a.runs == result.b.runs == 8


def test_pairs_are_interleaved_in_balanced_order():
    calls = []
    clock = FakeClock()
    tick = clock.job(1.0)
    compare(lambda: (calls.append("a"), tick()), lambda: (calls.append("b"), tick()), warmup=0, repeats=20, clock=clock)
    pairs = [calls[i : i + 2] for i in range(0, 40, 2)]
    assert pairs.count(["a", "b"]) == pairs.count(["b", "a"]) == 10
    assert pairs != [["a", "b"], ["b", "a"]] * 10


def test_what_the_second_of_a_pair_pays_favours_nobody():
    clock = FakeClock()
    job = clock.job(*([1.0, 1.3] * 20))  # whoever comes second is slower
    result = compare(job, job, warmup=0, repeats=20, clock=clock)
    assert result.verdict == "not distinguishable"


def test_swapping_the_sides_inverts_the_answer():
    rng = np.random.default_rng(3)
    a, b = 1 + rng.random(21), 1.5 + rng.random(21)
    forth, back = compare_samples(a, b), compare_samples(b, a)
    assert (forth.verdict, back.verdict) == ("a is faster", "b is faster")
    assert forth.ratio == pytest.approx(1 / back.ratio)
    assert forth.ratio_low < forth.ratio < forth.ratio_high
    assert compare_samples(a, b) == compare_samples(a, b)


def test_more_confidence_is_a_wider_interval():
    a, b = np.random.default_rng(5).lognormal(size=(2, 60))
    low = compare_samples(a, b, confidence=0.8)
    high = compare_samples(a, b, confidence=0.99)
    assert high.ratio_low <= low.ratio_low and low.ratio_high <= high.ratio_high
    assert high.ratio_high - high.ratio_low > low.ratio_high - low.ratio_low


def test_too_few_pairs_are_never_different():
    result = compare_samples([1.0] * 5, [9.0] * 5)
    assert result.verdict == "not distinguishable" and math.isinf(result.ratio_high)
    assert compare_samples([1.0] * 6, [9.0] * 6).verdict == "a is faster"


def _noise(kind: str, pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Durations (2, pairs) of equally fast functions on a machine with this kind of trouble."""
    tail = {
        "quiet": lambda: 1 + 0.03 * np.abs(rng.normal(size=(2, pairs))),
        "heavy tail": lambda: 1 + 0.03 * np.abs(rng.standard_cauchy(size=(2, pairs))),
        "drift": lambda: np.linspace(1, 2, pairs) * (1 + 0.05 * np.abs(rng.normal(size=(2, pairs)))),
        "random walk": lambda: (
            np.exp(np.cumsum(0.05 * rng.normal(size=pairs))) * (1 + 0.05 * rng.exponential(size=(2, pairs)))
        ),
        "busy neighbour": lambda: (
            np.repeat(1.0 + (rng.random(pairs // 5 + 1) < 0.4), 5)[:pairs]
            * (1 + 0.05 * rng.exponential(size=(2, pairs)))
            * (1 + (rng.random((2, pairs)) < 0.15))
        ),
        # As measured beside a process on every core: a call in eight loses its core for several times its length.
        "spikes": lambda: (1 + 0.03 * rng.exponential(size=(2, pairs))) * (1 + 7 * (rng.random((2, pairs)) < 0.12)),
        "all at once": lambda: (
            np.linspace(1, 1.3, pairs)
            * np.exp(np.cumsum(0.02 * rng.normal(size=pairs)))
            * (1 + 0.02 * np.abs(rng.standard_cauchy(size=(2, pairs))))
            * (1 + 7 * (rng.random((2, pairs)) < 0.08))
        ),
    }
    return tail[kind]()


@pytest.mark.parametrize(
    "kind", ["quiet", "heavy tail", "drift", "random walk", "busy neighbour", "spikes", "all at once"]
)
def test_error_rates_of_the_comparison(kind):
    rng = np.random.default_rng(1)
    trials, false_alarms, found = 1000, 0, 0
    for trial in range(trials):
        a, b = _noise(kind, 40, rng)
        false_alarms += compare_samples(a, b, seed=trial, resamples=300).verdict != "not distinguishable"
        found += trial < 200 and compare_samples(a, 1.1 * b, seed=trial, resamples=300).verdict == "a is faster"
    assert false_alarms <= 0.05 * trials
    assert found >= 0.9 * 200


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_the_error_rate_is_that_of_the_stated_confidence(confidence):
    rng = np.random.default_rng(2)
    verdicts = [
        compare_samples(*_noise("all at once", 40, rng), confidence=confidence, seed=trial, resamples=300).verdict
        for trial in range(1000)
    ]
    assert 1000 - verdicts.count("not distinguishable") <= (1 - confidence) * 1000


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: latency(int, repeats=0), "repeats=0"),
        (lambda: latency(int, warmup=-1), "warmup=-1"),
        (lambda: latency(int, device="meta"), "device='meta'"),
        (lambda: throughput(int, items=0), "items=0"),
        (lambda: compare(int, int, repeats=5), "repeats=5"),
        (lambda: compare(int, int, confidence=95.0), "confidence=95.0"),
        (lambda: compare_samples([], []), "a_ms is empty"),
        (lambda: compare_samples([1.0, 2.0], [1.0]), "2 samples and b_ms 1"),
        (lambda: compare_samples([1.0, 0.0], [1.0, 1.0]), "a_ms holds 0.0"),
        (lambda: compare_samples([1.0], [math.nan]), "b_ms holds nan"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
