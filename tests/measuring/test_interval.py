"""Intervals against SciPy, hand-worked numbers, and what they promise over many trials."""

import numpy as np
import pytest
from scipy import stats

from mobilellm_lab.measuring import Interval, accuracy_interval, bootstrap_interval


@pytest.mark.parametrize("right, count", [(0, 1), (0, 20), (7, 10), (40, 40), (613, 1000), (1, 2)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_is_scipys(right, count, confidence):
    ours = accuracy_interval(right, count, confidence=confidence)
    theirs = stats.binomtest(right, count).proportion_ci(confidence, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert ours.value == right / count and ours.value in ours


def test_wilson_by_hand():
    """7 of 10 at 95 %: z = 1.96, (0.7 + 0.192) / 1.384 = 0.644 +- 0.248."""
    found = accuracy_interval(7, 10)
    assert (found.low, found.high) == pytest.approx((0.397, 0.892), abs=5e-4)
    assert str(found) == "0.7 (0.3968 to 0.8922 at 95%)"


@pytest.mark.parametrize("statistic", [np.mean, np.median])
@pytest.mark.parametrize("draw", ["normal", "lognormal", "exponential"])
def test_the_bootstrap_is_scipys(statistic, draw):
    samples = getattr(np.random.default_rng(7), draw)(size=60)
    ours = bootstrap_interval(samples, statistic=statistic, resamples=9999)
    theirs = stats.bootstrap(
        (samples,), statistic, method="percentile", n_resamples=9999, rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low  # two draws of 9999: the ends agree to a few per cent of the width
    assert ours.low == pytest.approx(theirs.low, abs=0.06 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.06 * width)
    assert ours.value == statistic(samples)


def test_the_bootstrap_holds_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = sum(1.0 in bootstrap_interval(rng.exponential(size=60), seed=trial, resamples=400) for trial in range(500))
    assert 0.90 <= held / 500 <= 0.98


def test_wilson_holds_the_true_share_about_as_often_as_it_says():
    right = np.random.default_rng(0).binomial(40, 0.9, 2000)
    held = np.mean([0.9 in accuracy_interval(int(r), 40) for r in right])
    assert 0.92 <= held <= 0.98


def test_limits_and_trends():
    same = bootstrap_interval([3.0] * 10)
    assert (same.low, same.value, same.high, same.half_width) == (3, 3, 3, 0)
    few, many = accuracy_interval(8, 10), accuracy_interval(800, 1000)
    assert many.half_width < few.half_width / 5
    rng = np.random.default_rng(1)
    samples = rng.normal(size=50)
    narrow, wide = (bootstrap_interval(samples, confidence=c) for c in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert bootstrap_interval(samples) == bootstrap_interval(samples) != bootstrap_interval(samples, seed=1)
    assert 0.0 not in Interval(value=2.0, low=1.0, high=3.0, confidence=0.95)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: bootstrap_interval([]), "samples are empty"),
        (lambda: bootstrap_interval([1.0, np.nan]), "not finite"),
        (lambda: bootstrap_interval([1.0], confidence=95), "confidence=95"),
        (lambda: bootstrap_interval([1.0], resamples=10), "resamples=10"),
        (lambda: accuracy_interval(0, 0), "count=0"),
        (lambda: accuracy_interval(5, 4), "right=5, count=4"),
        (lambda: accuracy_interval(-1, 4), "right=-1"),
        (lambda: accuracy_interval(1, 4, confidence=0), "confidence=0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
