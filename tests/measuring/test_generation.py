"""Time to the first token and per token, on a clock that does what it is told and on the real one."""

import time

import numpy as np
import pytest
import torch

from mobilellm_lab import zoo
from mobilellm_lab.measuring import decode_throughput, generation
from mobilellm_lab.model import Transformer, generate

CONFIG = zoo.solve(30_000, 2, vocab_size=32, n_heads=2, max_seq_len=64)


@pytest.fixture(scope="module")
def model():
    return Transformer(CONFIG)


class Ticking:
    """A clock whose n-th reading is the n-th of a list."""

    def __init__(self, readings):
        self.left = list(readings)

    def __call__(self):
        return self.left.pop(0)


def test_the_first_token_is_the_prefill_and_the_others_are_timed_one_by_one(model):
    runs = [[0.0, 0.5, 0.6, 0.8], [1.0, 1.3, 1.4, 1.5]]  # start, then three tokens
    timed = generation(
        model, prompt_tokens=10, new_tokens=3, warmup=0, repeats=2, min_time_s=0.0, clock=Ticking(sum(runs, []))
    )
    assert timed.ttft.samples_ms == pytest.approx((500, 300))
    assert timed.tpot.samples_ms == pytest.approx((100, 200, 100, 100))
    assert timed.decode.samples_ms == pytest.approx((300, 200))
    assert timed.prefill_per_s.median_per_s == pytest.approx(np.median([10 / 0.5, 10 / 0.3]))
    assert timed.decode_per_s.median_per_s == pytest.approx(np.median([2 / 0.3, 2 / 0.2]))
    assert timed.tpot.p99_ms == pytest.approx(np.percentile([100, 200, 100, 100], 99))


def test_warmup_is_made_and_not_counted(model):
    readings = [0.0, 9.0, 18.0, 20.0, 20.1, 20.2]
    timed = generation(model, new_tokens=2, warmup=1, repeats=1, min_time_s=0.0, clock=Ticking(readings))
    assert timed.ttft.samples_ms == pytest.approx((100,)) and timed.ttft.warmup == 1


def test_runs_go_on_until_the_minimum_time(model):
    readings = [t for run in range(4) for t in (float(run), run + 0.2, run + 0.25)]
    timed = generation(model, new_tokens=2, warmup=0, repeats=1, min_time_s=0.9, clock=Ticking(readings))
    assert timed.ttft.runs == 4


def test_the_parts_add_up_to_what_a_stopwatch_says(model):
    timed = generation(model, prompt_tokens=8, new_tokens=16, repeats=5, min_time_s=0.0, clock=time.process_time)
    start = time.process_time()
    for _ in generate(model, torch.zeros((1, 8), dtype=torch.long), 16):
        pass
    stopwatch_ms = 1000 * (time.process_time() - start)
    ours_ms = timed.ttft.median_ms + timed.decode.median_ms
    assert stopwatch_ms / 10 < ours_ms < 10 * stopwatch_ms
    assert timed.tpot.runs == 15 * timed.ttft.runs
    assert sum(timed.tpot.samples_ms) == pytest.approx(sum(timed.decode.samples_ms), rel=1e-6)


def test_a_longer_prompt_takes_longer_to_the_first_token():
    model = Transformer(zoo.solve(300_000, 2, vocab_size=32, n_heads=2, max_seq_len=600))
    short, long = (
        generation(model, prompt_tokens=n, new_tokens=2, repeats=9, min_time_s=0.0, clock=time.process_time)
        for n in (1, 512)
    )
    assert long.ttft.median_ms > short.ttft.median_ms


def test_decode_throughput_counts_its_tokens(model):
    rate = decode_throughput(model, length=12, repeats=2, min_time_s=0.0)
    assert (rate.items, rate.unit, rate.latency.runs) == (12, "tokens", 2) and rate.median_per_s > 0


def test_the_model_is_left_alone(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    generation(model, new_tokens=4, repeats=1, min_time_s=0.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prompt_tokens": 0}, "prompt_tokens=0"),
        ({"prompt_tokens": -3}, "prompt_tokens=-3"),
        ({"new_tokens": 1}, "new_tokens=1"),
        ({"prompt_tokens": 60, "new_tokens": 5}, "do not fit in max_seq_len=64"),
        ({"repeats": 0}, "repeats=0"),
        ({"warmup": -1}, "warmup=-1"),
        ({"min_time_s": -1.0}, "min_time_s=-1.0"),
    ],
)
def test_bad_input_is_named(model, options, message):
    with pytest.raises(ValueError, match=message):
        generation(model, **options)
