"""Sensitivity: each layer is pruned alone, the amounts fit their budget, and they beat one amount for all."""

import itertools
import math

import pytest

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.pruning import LayerCost, allocate, prune, prune_structured, scan, shrink
from mobilellm_lab.quantization import matrices, select
from mobilellm_lab.reference import load_model
from mobilellm_lab.tasks import evaluate

AMOUNTS = (0.4, 0.6, 0.8)


@pytest.fixture(scope="module")
def tiny():
    found = load_model("student-tiny")
    before = fingerprint(found.model)
    yield found
    assert fingerprint(found.model) == before


@pytest.fixture(scope="module")
def costs(tiny) -> list[LayerCost]:
    return list(scan(tiny.model, tiny.task, AMOUNTS))


def total(costs: list[LayerCost], amounts: dict[str, float]) -> tuple[float, int]:
    taken = [cost for cost in costs if amounts[cost.layer] == cost.amount]
    return sum(cost.loss_increase_nats for cost in taken), sum(cost.kept for cost in taken)


def test_every_matrix_is_pruned_alone_at_every_amount(tiny, costs):
    names = list(select(tiny.model, "blocks"))
    assert [(c.layer, c.amount) for c in costs] == [(n, a) for a in (0.0, *AMOUNTS) for n in names]
    before = evaluate(tiny.task, tiny.model, split="validation", batches=1, batch_size=64).loss_nats
    for cost in costs:
        if cost.amount == 0:
            assert cost.loss_increase_nats == 0 and cost.kept == matrices(tiny.model)[cost.layer].numel()
    for cost in (costs[len(names)], costs[-1]):
        alone = prune(tiny.model, {cost.layer: cost.amount})
        after = evaluate(tiny.task, alone.model, split="validation", batches=1, batch_size=64).loss_nats
        assert cost.loss_increase_nats == pytest.approx(after - before, abs=1e-6)
        assert cost.kept == alone.masks[cost.layer].sum()


@pytest.mark.parametrize(("granularity", "part"), [("neuron", "ffn"), ("head", "attention")])
def test_neurons_and_heads_are_scanned_by_block_and_allocated_together(tiny, granularity, part):
    found = list(scan(tiny.model, tiny.task, [0.5], granularity=granularity))
    assert [(c.layer, c.amount) for c in found] == [(f"blocks.{i}.{part}", a) for a in (0.0, 0.5) for i in range(2)]
    own = {name: p.numel() for name, p in matrices(tiny.model).items()}
    for cost in found:
        whole = sum(size for name, size in own.items() if name.startswith(cost.layer))
        assert cost.kept == (1 - cost.amount) * whole
    before = evaluate(tiny.task, tiny.model, split="validation", batches=1, batch_size=64).loss_nats
    structure = prune_structured(tiny.model, {found[-1].layer: 0.5}, granularity=granularity)
    after = evaluate(tiny.task, shrink(tiny.model, structure), split="validation", batches=1, batch_size=64).loss_nats
    assert found[-1].loss_increase_nats == pytest.approx(after - before, abs=1e-5)
    amounts = allocate(found, sum(cost.kept for cost in found[:2]) - 1)
    assert sorted(amounts.values()) == [0, 0.5]
    assert prune_structured(tiny.model, amounts, granularity=granularity)


def test_scanning_twice_gives_the_same_and_larger_amounts_cost_more(tiny, costs):
    assert list(scan(tiny.model, tiny.task, AMOUNTS)) == costs
    mean = [sum(c.loss_increase_nats for c in costs if c.amount == amount) for amount in (0.0, *AMOUNTS)]
    assert mean == sorted(mean) and mean[-1] > 0.1


def test_no_allocation_within_the_budget_is_better(costs):
    few = [cost for cost in costs if cost.layer.startswith("blocks.0.")]
    layers = sorted({cost.layer for cost in few})
    every = [
        total(few, dict(zip(layers, amounts, strict=True)))
        for amounts in itertools.product((0.0, *AMOUNTS), repeat=len(layers))
    ]
    whole = max(kept for _, kept in every)
    for budget in (whole // 4, whole // 3, whole // 2, whole):
        loss_increase, kept = total(few, allocate(few, budget))
        assert kept <= budget
        assert loss_increase == pytest.approx(min(each for each, size in every if size <= budget))


def test_amounts_by_layer_beat_one_amount_in_as_many_weights(tiny, costs):
    """Scanned on validation sequences, compared on test sequences."""
    uniform = prune(tiny.model, 0.6)
    amounts = allocate(costs, sum(int(mask.sum()) for mask in uniform.masks.values()))
    chosen = prune(tiny.model, amounts)
    assert len(set(amounts.values())) > 1 and chosen.sparsity >= uniform.sparsity - 1e-9
    losses = [evaluate(tiny.task, p.model, split="test", batches=2).loss_nats for p in (chosen, uniform)]
    assert losses[0] < losses[1]


def test_what_cannot_be_scanned_or_allocated_is_refused_by_name(tiny, costs):
    for amounts, options, words in (
        ([0], {}, "amounts holds nothing above 0"),
        ([0.5], {"granularity": "row"}, "granularity='row'"),
        ([0.5], {"compare": "global"}, "a global ranking leaves no amount"),
        ([0.5], {"granularity": "neuron", "scope": "global"}, "a global ranking leaves no amount"),
        ([1.5], {}, "amount=1.5"),
        ([0.5], {"importance": "wanda"}, "calibrat"),
    ):
        with pytest.raises(ValueError, match=words):
            next(scan(tiny.model, tiny.task, amounts, **options))
    with pytest.raises(ValueError, match="costs is empty"):
        allocate([], 100)
    with pytest.raises(ValueError, match="kept=10: .* keep"):
        allocate(costs, 10)
    broken = LayerCost(layer="blocks.0.ffn", amount=0.5, loss_increase_nats=math.nan, kept=8)
    with pytest.raises(ValueError, match="loss_increase_nats=nan of blocks.0.ffn at 0.5"):
        allocate([*costs, broken], 10**6)
