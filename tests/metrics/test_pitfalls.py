"""Every pitfall is told once: both numbers follow from its samples, the wrong one misleads the way it is said to."""

import math
from functools import cache

import numpy as np
import psutil
import pytest
import torch

from mobilellm_lab.metrics import PITFALLS, Pitfall
from mobilellm_lab.metrics.pitfalls import machine, quality


@cache
def told(name: str) -> Pitfall:
    return PITFALLS[name](seed=0)


def samples(pitfall: Pitfall) -> list[np.ndarray]:
    return [np.array(series) for series in pitfall.series.values()]


@pytest.mark.parametrize("name", PITFALLS)
def test_a_lie_has_two_numbers_and_a_cure(name):
    pitfall = told(name)
    assert pitfall.name == name
    assert math.isfinite(pitfall.wrong) and math.isfinite(pitfall.right) and pitfall.wrong > 0 and pitfall.right > 0
    assert pitfall.factor == pitfall.wrong / pitfall.right
    for text in (pitfall.title, pitfall.unit, pitfall.says_wrong, pitfall.says_right, pitfall.cure):
        assert text
    assert pitfall.says_wrong != pitfall.says_right and pitfall.cure.endswith(".")
    assert all(np.isfinite(series).all() and len(series) for series in samples(pitfall))
    assert pitfall.title in str(pitfall) and pitfall.cure in str(pitfall)


def test_without_warmup_the_first_answer_is_the_slowest_kind():
    pitfall = told("no_warmup")
    (durations,) = samples(pitfall)
    assert pitfall.wrong == durations[0] and pitfall.right == np.median(durations[10:])
    assert pitfall.factor > 1


def test_one_shot_is_further_off_than_the_median_of_forty():
    pitfall = told("one_shot")
    (ratios,) = samples(pitfall)
    assert len(ratios) == 40 and pitfall.wrong == pytest.approx(np.percentile(100 * np.abs(ratios - 1), 90))
    assert pitfall.right < 100 * (ratios.max() - ratios.min())


def test_a_neighbour_costs_speed():
    pitfall = told("busy_neighbour")
    beside, alone = samples(pitfall)
    assert pitfall.wrong == pytest.approx(np.median(beside)) and pitfall.right == pytest.approx(np.median(alone))
    assert pitfall.factor < 1


def test_many_threads_beside_a_neighbour_are_slower_than_one():
    pitfall = told("wrong_threads")
    many, one = samples(pitfall)
    assert pitfall.wrong == pytest.approx(many.mean()) and pitfall.right == pytest.approx(one.mean())
    assert pitfall.factor > 1


def test_a_layer_in_a_loop_stays_in_the_cache():
    pitfall = told("cold_cache")
    hot, cold = samples(pitfall)
    assert pitfall.wrong == pytest.approx(np.median(hot)) and pitfall.right == pytest.approx(np.median(cold))
    assert pitfall.factor < 1


def test_the_mean_hides_the_tail():
    pitfall = told("hidden_tail")
    (tokens,) = samples(pitfall)
    assert pitfall.wrong == pytest.approx(tokens.mean()) and pitfall.right == pytest.approx(np.percentile(tokens, 99))
    assert pitfall.factor < 1


def test_perplexities_of_two_tokenizers_differ_far_more_than_bits_per_byte():
    pitfall = told("tokenizers")
    perplexities, bits = samples(pitfall)
    assert pitfall.wrong == pytest.approx(perplexities[1] / perplexities[0]) and pitfall.wrong > 4
    assert pitfall.right == pytest.approx(bits[1] / bits[0]) and 0.5 < pitfall.right < 1.5
    assert bits.max() < 8  # better than guessing every byte evenly


def test_few_questions_scatter_more_than_many():
    pitfall = told("no_interval")
    few, many, (whole, low, high) = samples(pitfall)
    assert len(few) == len(many) == 10
    assert pitfall.wrong == pytest.approx(100 * (few.max() - few.min()), rel=1e-4)
    assert pitfall.right == pytest.approx(100 * (many.max() - many.min()), rel=1e-4)
    assert pitfall.factor > 1 and low < whole < high and whole > 1 / 6  # better than guessing one of six states


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
    pitfall = told("one_shot")
    assert Pitfall(**{**pitfall.__dict__, "right": 0.0}).factor == math.inf
