"""Every lie is told once: both numbers follow from its samples, the wrong one misleads the way it is said to."""

import math
from functools import cache

import numpy as np
import psutil
import pytest
import torch

from mobilellm_lab.metrics import LIES, Lie
from mobilellm_lab.metrics.pitfalls import machine, quality


@cache
def told(name: str) -> Lie:
    return LIES[name](seed=0)


def samples(lie: Lie) -> list[np.ndarray]:
    return [np.array(series) for series in lie.series.values()]


@pytest.mark.parametrize("name", LIES)
def test_a_lie_has_two_numbers_and_a_cure(name):
    lie = told(name)
    assert lie.name == name
    assert math.isfinite(lie.wrong) and math.isfinite(lie.right) and lie.wrong > 0 and lie.right > 0
    assert lie.factor == lie.wrong / lie.right
    for text in (lie.title, lie.unit, lie.says_wrong, lie.says_right, lie.cure):
        assert text
    assert lie.says_wrong != lie.says_right and lie.cure.endswith(".")
    assert all(np.isfinite(series).all() and len(series) for series in samples(lie))
    assert lie.title in str(lie) and lie.cure in str(lie)


def test_without_warmup_the_first_answer_is_the_slowest_kind():
    lie = told("no_warmup")
    (durations,) = samples(lie)
    assert lie.wrong == durations[0] and lie.right == np.median(durations[10:])
    assert lie.factor > 1


def test_one_shot_is_further_off_than_the_median_of_forty():
    lie = told("one_shot")
    (ratios,) = samples(lie)
    assert len(ratios) == 40 and lie.wrong == pytest.approx(np.percentile(100 * np.abs(ratios - 1), 90))
    assert lie.right < 100 * (ratios.max() - ratios.min())


def test_a_neighbour_costs_speed():
    lie = told("busy_neighbour")
    beside, alone = samples(lie)
    assert lie.wrong == pytest.approx(np.median(beside)) and lie.right == pytest.approx(np.median(alone))
    assert lie.factor < 1


def test_many_threads_beside_a_neighbour_are_slower_than_one():
    lie = told("wrong_threads")
    many, one = samples(lie)
    assert lie.wrong == pytest.approx(many.mean()) and lie.right == pytest.approx(one.mean())
    assert lie.factor > 1


def test_a_layer_in_a_loop_stays_in_the_cache():
    lie = told("cold_cache")
    hot, cold = samples(lie)
    assert lie.wrong == pytest.approx(np.median(hot)) and lie.right == pytest.approx(np.median(cold))
    assert lie.factor < 1


def test_the_mean_hides_the_tail():
    lie = told("hidden_tail")
    (tokens,) = samples(lie)
    assert lie.wrong == pytest.approx(tokens.mean()) and lie.right == pytest.approx(np.percentile(tokens, 99))
    assert lie.factor < 1


def test_perplexities_of_two_tokenizers_differ_far_more_than_bits_per_byte():
    lie = told("tokenizers")
    perplexities, bits = samples(lie)
    assert lie.wrong == pytest.approx(perplexities[1] / perplexities[0]) and lie.wrong > 4
    assert lie.right == pytest.approx(bits[1] / bits[0]) and 0.5 < lie.right < 1.5
    assert bits.max() < 8  # better than guessing every byte evenly


def test_few_questions_scatter_more_than_many():
    lie = told("no_interval")
    few, many, (whole, low, high) = samples(lie)
    assert len(few) == len(many) == 10
    assert lie.wrong == pytest.approx(100 * (few.max() - few.min()), rel=1e-4)
    assert lie.right == pytest.approx(100 * (many.max() - many.min()), rel=1e-4)
    assert lie.factor > 1 and low < whole < high and whole > 1 / 6  # better than guessing one of six states


def test_what_is_computed_is_the_same_twice(monkeypatch):
    """Times differ; a training does not."""
    monkeypatch.setattr(quality, "SHELLS_STEPS", 5)
    assert quality.no_interval(seed=1) == quality.no_interval(seed=1)


def test_nothing_is_left_behind():
    for name in ("busy_neighbour", "hidden_tail", "wrong_threads"):
        told(name)
    assert not [child for child in psutil.Process().children() if "_busy.py" in " ".join(child.cmdline())]
    assert torch.get_num_threads() == 1


def test_the_thread_count_comes_back_after_a_failure(monkeypatch):
    def fail(model):
        raise RuntimeError("stopped by hand")

    monkeypatch.setattr(machine, "_token_ms", fail)
    with pytest.raises(RuntimeError, match="stopped by hand"):
        machine.wrong_threads()
    assert torch.get_num_threads() == 1


def test_a_number_of_zero_has_no_factor():
    lie = told("one_shot")
    assert Lie(**{**lie.__dict__, "right": 0.0}).factor == math.inf
