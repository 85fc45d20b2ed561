"""Budgets on a made-up clock: amounts found within the rounds, noise called noise, bytes kept to the last unit."""

import random

import pytest
import torch
from test_model import config_of

from mobilellm_lab.checkpoints import shapes
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning import LayerCost, by_sensitivity, prune_to, pruning_to, uniformly
from mobilellm_lab.pruning.budget import ROUNDS, weight_bytes
from mobilellm_lab.pruning.study.speed import smaller_config

CONFIG = config_of(dim=16, n_heads=2, n_kv_heads=1, head_dim=8, hidden_dim=400, n_layers=2)
FIXED_MS = 2.0  # of a step, whatever is removed


class Clock:
    """A machine of which a step takes 2 ms and 10 ns for every weight, and up to `noise` of it more or less."""

    def __init__(self, noise: float = 0.0):
        self.now, self.noise, self.random = 0.0, noise, random.Random(0)

    def __call__(self) -> float:
        return self.now

    def work(self, model: Transformer):
        ms = milliseconds(model)

        def step() -> None:
            self.now += ms / 1000 * (1 + self.random.uniform(-self.noise, self.noise))

        return step


def milliseconds(model: Transformer) -> float:
    return FIXED_MS + 1e-4 * sum(p.numel() for p in model.parameters())


def smaller(amount: float) -> Transformer:
    return Transformer(smaller_config(CONFIG, "neuron", amount))


@pytest.mark.parametrize(("speedup", "noise"), [(1, 0.0), (1.05, 0.02), (1.3, 0.0), (1.6, 0.02)])
def test_the_asked_speedup_is_found(speedup, noise):
    dense, clock = Transformer(CONFIG), Clock(noise)
    found = prune_to(dense, smaller, speedup=speedup, work=clock.work, clock=clock)
    true = milliseconds(dense) / milliseconds(found.model)
    assert true == pytest.approx(speedup, rel=0.02)
    assert found.reached and found.interval[0] <= found.final.speedup <= found.interval[1]
    assert found.final.comparison.a.runs == 14 and len(found.trials) <= ROUNDS
    assert str(found).startswith("reached: ") and f"{speedup}x was asked" in str(found)
    assert found.bytes == weight_bytes(found.model)


def test_no_more_is_removed_than_was_asked_for():
    amounts = []
    for speedup in (1.1, 1.3, 1.6):
        clock = Clock()
        found = prune_to(Transformer(CONFIG), smaller, speedup=speedup, work=clock.work, clock=clock)
        amounts.append(found.amount)
        assert found.model.config.hidden_dim == smaller(found.amount).config.hidden_dim
    assert amounts == sorted(amounts) and amounts[0] < amounts[-1]


def test_a_noisy_machine_gets_its_interval_and_no_promise():
    clock = Clock(noise=0.6)
    found = prune_to(Transformer(CONFIG), smaller, speedup=1.3, work=clock.work, clock=clock)
    low, high = found.interval
    assert not found.reached and low < found.final.speedup < high and high / low > 1.1
    assert str(found).startswith("not reached: ")


def test_a_speedup_beyond_reach_ends_at_the_largest_amount():
    clock = Clock()
    found = prune_to(Transformer(CONFIG), smaller, speedup=20, work=clock.work, clock=clock)
    assert not found.reached and found.amount == 0.95
    assert found.final.speedup == pytest.approx(milliseconds(Transformer(CONFIG)) / milliseconds(smaller(0.95)))


def test_what_gains_nothing_is_not_reached_either():
    clock = Clock()
    found = prune_to(Transformer(CONFIG), lambda _: Transformer(CONFIG), speedup=1.5, work=clock.work, clock=clock)
    assert not found.reached and found.final.speedup == pytest.approx(1)


def test_every_amount_is_shown_as_it_is_measured():
    clock = Clock()
    search = pruning_to(Transformer(CONFIG), smaller, speedup=1.4, work=clock.work, clock=clock)
    first = next(search)
    assert first.amount == pytest.approx(1 - 1 / 1.4) and first.comparison.b.runs == 14
    assert [first, *search][-1].speedup == pytest.approx(1.4, rel=0.02)


def test_the_same_clock_gives_the_same_answer():
    first, second = (
        prune_to(Transformer(CONFIG), smaller, speedup=1.3, work=clock.work, clock=clock)
        for clock in (Clock(0.1), Clock(0.1))
    )
    assert first.amount == second.amount and first.interval == second.interval


def test_bytes_are_kept_to_the_last_neuron():
    whole, least = weight_bytes(smaller(0.0)).bytes, weight_bytes(smaller(0.95)).bytes
    neuron = 4 * CONFIG.n_layers * 3 * CONFIG.dim  # bytes of one in every layer
    for asked in (whole, round(0.7 * whole), least):
        found = prune_to(Transformer(CONFIG), smaller, bytes=asked)
        assert asked - neuron < found.bytes.bytes <= asked
        assert found.reached and str(found).startswith("reached: ") and not found.trials
    assert prune_to(Transformer(CONFIG), smaller, bytes=whole).amount == 0


def test_a_real_clock_measures_a_real_model():
    config = config_of(dim=64, n_heads=2, n_kv_heads=1, head_dim=8, hidden_dim=1024, n_layers=1)
    found = prune_to(
        Transformer(config), lambda amount: Transformer(smaller_config(config, "neuron", amount)), speedup=1.5, pairs=6
    )
    times = [found.final.comparison, *(trial.comparison for trial in found.trials)]
    assert all(min(each.a.samples_ms + each.b.samples_ms) > 0 and each.a.runs == 6 for each in times)
    assert found.trials[0].amount == pytest.approx(1 / 3)  # what comes after depends on the machine's noise
    assert found.amount in [trial.amount for trial in found.trials] and "1.5x was asked" in str(found)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, "bytes=None, speedup=None: give one of them as the budget"),
        ({"bytes": 10**6, "speedup": 2}, "bytes=1000000, speedup=2: give one of them"),
        ({"speedup": 0.9}, "speedup=0.9: give how many times as fast, 1 or more"),
        ({"speedup": float("inf")}, "speedup=inf: give how many times as fast"),
        ({"bytes": 3}, r"bytes=3: \d+ are left at the largest amount, 0.95; give as many"),
        ({"speedup": 2, "most": 1.0}, "most=1.0: give the largest amount to try, between 0 and 1"),
    ],
)
def test_bad_input_is_named(budget, message):
    with pytest.raises(ValueError, match=message):
        prune_to(Transformer(CONFIG), smaller, **budget)


@pytest.mark.parametrize("granularity", ["neuron", "head", "width", "layer"])
def test_uniform_amounts_make_the_shape_that_the_sweep_times(granularity):
    config = config_of(dim=32, n_heads=8, n_kv_heads=4, head_dim=8, hidden_dim=80, n_layers=4)
    dense = for_decoding(Transformer(config))
    for amount in (0.0, 0.25, 0.5):
        small = uniformly(dense, granularity=granularity)(amount)
        wanted = smaller_config(config, granularity, amount)
        assert shapes(small.config) == shapes(wanted)
        assert small.blocks[0].ffn.up.weight.is_contiguous() == dense.blocks[0].ffn.up.weight.is_contiguous()
    assert uniformly(Transformer(config), granularity=granularity)(0.5).blocks[0].ffn.up.weight.is_contiguous()


def test_sensitive_blocks_keep_their_neurons():
    size = 3 * CONFIG.dim
    costs = [
        LayerCost(
            layer=f"blocks.{i}.ffn",
            amount=amount,
            loss_increase_nats=amount * (1 + 9 * i),
            kept=round((1 - amount) * 400) * size,
        )
        for i in range(2)
        for amount in (0.0, 0.25, 0.5, 0.75)
    ]
    smaller = by_sensitivity(Transformer(CONFIG), costs)
    assert [neurons(smaller(amount)) for amount in (0.0, 0.125, 0.375, 0.5)] == [
        [400, 400],
        [300, 400],
        [100, 400],
        [100, 300],
    ]
    assert neurons(smaller(0.9)) == [100, 100]  # the largest that were scanned
    bytes = weight_bytes(smaller(0.375)).bytes
    assert neurons(prune_to(Transformer(CONFIG), smaller, bytes=bytes).model) == [100, 400]
    with pytest.raises(ValueError, match="costs is empty"):
        by_sensitivity(Transformer(CONFIG), [])


def test_neurons_and_heads_may_be_weighed_together():
    dense = Transformer(config_of(n_heads=4, n_kv_heads=2))
    costs = [
        LayerCost(
            layer=f"blocks.1.{part}", amount=amount, loss_increase_nats=amount * nats, kept=round(100 * (1 - amount))
        )
        for part, nats in (("ffn", 1.0), ("attention", 0.1))
        for amount in (0.0, 0.5)
    ]
    for amount, heads, left in ((0.0, 2, 88), (0.25, 1, 88), (0.5, 1, 44)):
        block = by_sensitivity(dense, costs)(amount).blocks[1]
        assert (block.attention.n_kv_heads, block.ffn.down.in_features) == (heads, left)


def neurons(model: Transformer) -> list[int]:
    return [block.ffn.down.in_features for block in model.blocks]


def test_an_amount_that_cannot_be_is_refused_before_anything_is_timed():
    dense, clock = Transformer(CONFIG), Clock()
    with pytest.raises(ValueError, match="amount=0.95 .*head.* all 1: choose less"):
        prune_to(dense, uniformly(dense, granularity="head"), speedup=1.2, work=clock.work, clock=clock)
    assert clock.now == 0


def test_the_model_stays_as_it_is():
    dense, clock = Transformer(CONFIG), Clock()
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    prune_to(dense, smaller, speedup=1.2, work=clock.work, clock=clock)
    assert all(torch.equal(value, before[name]) for name, value in dense.state_dict().items())
