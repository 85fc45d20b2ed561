"""Bits by sensitivity: the assignment is the best there is, never above its budget, and beats the same bits for all."""

import itertools
import math
import random

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import Cost, Grid, assign, matrices, quantize, sensitivity
from mobilellm_lab.reference import load_model
from mobilellm_lab.tasks import evaluate, make

BITS = (2, 3, 4, 8)


def costs(n: int, seed: int) -> list[Cost]:
    draw, found = random.Random(seed), []
    for matrix in range(n):
        weight = draw.random()
        for bits in BITS:
            size = 8 * bits * draw.choice((3, 5, 8)) if bits == 2 else 8 * bits * 8
            loss_increase = weight * 4.0**-bits * draw.uniform(0.5, 1.5) - 0.001 * (bits == 3)
            found.append(Cost(matrix=f"m{matrix}", grid=Grid(bits=bits), loss_increase_nats=loss_increase, bytes=size))
    return found


def total(rows: list[Cost], chosen: dict[str, Grid]) -> tuple[float, int]:
    taken = [cost for cost in rows if chosen[cost.matrix] == cost.grid]
    return sum(cost.loss_increase_nats for cost in taken), sum(cost.bytes for cost in taken)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0, 0.1, 0.37, 0.8, 1, 2])
def test_no_assignment_is_better(seed, share):
    rows = costs(5, seed)
    names = sorted({cost.matrix for cost in rows})
    every = [
        total(rows, dict(zip(names, (Grid(bits=b) for b in chosen), strict=True)))
        for chosen in itertools.product(BITS, repeat=len(names))
    ]
    least, most = min(size for _, size in every), max(size for _, size in every)
    budget = round(least + share * (most - least))
    loss_increase, size = total(rows, assign(rows, budget))
    assert size <= budget
    assert loss_increase == pytest.approx(min(loss_increase for loss_increase, size in every if size <= budget))


def test_more_bytes_are_never_worse_and_many_matrices_still_fit():
    rows = [
        Cost(matrix=c.matrix, grid=c.grid, loss_increase_nats=c.loss_increase_nats, bytes=c.bytes * 1009 + i)
        for i, c in enumerate(costs(49, 1))
    ]
    budgets = range(8_000_000, 24_000_000, 4_000_000)
    found = [total(rows, assign(rows, budget)) for budget in budgets]
    assert all(size <= budget for (_, size), budget in zip(found, budgets, strict=True))
    loss_increases = [loss_increase for loss_increase, _ in found]
    assert loss_increases == sorted(loss_increases, reverse=True)


@pytest.mark.parametrize("scale", [1, 1009])  # with the second, bytes are counted in places larger than their divisor
def test_no_larger_budget_is_worse(scale):
    rows = [
        Cost(
            matrix=c.matrix,
            grid=c.grid,
            loss_increase_nats=c.loss_increase_nats,
            bytes=c.bytes * scale + (scale > 1) * i,
        )
        for i, c in enumerate(costs(9, 3))
    ]
    own = [[c.bytes for c in rows if c.matrix == f"m{i}"] for i in range(9)]
    budgets = range(sum(map(min, own)), sum(map(max, own)), 7 * scale)
    found = [total(rows, assign(rows, budget)) for budget in budgets]
    assert all(size <= budget for (_, size), budget in zip(found, budgets, strict=True))
    loss_increases = [loss_increase for loss_increase, _ in found]
    assert len(set(loss_increases)) > 20
    assert all(b <= a + 1e-12 for a, b in zip(loss_increases, loss_increases[1:], strict=False))


@pytest.mark.parametrize("scale", [1, 12_347])  # with the second, bytes are counted in places larger than their divisor
def test_a_matrix_alone_gets_the_best_that_fits_to_the_byte(scale):
    rows = [
        Cost(matrix="m0", grid=Grid(bits=bits), loss_increase_nats=2.0**-bits, bytes=1 + scale * bits * (bits + 1))
        for bits in BITS
    ]
    for cost, more in itertools.pairwise(rows):
        assert assign(rows, cost.bytes) == assign(rows, more.bytes - 1) == {"m0": cost.grid}
    assert assign(rows, rows[-1].bytes) == {"m0": rows[-1].grid}


def test_all_that_helps_is_bought_with_more_than_enough():
    rows = costs(9, 3)
    best = {}
    for cost in rows:
        best[cost.matrix] = min(best.get(cost.matrix, cost), cost, key=lambda c: c.loss_increase_nats)
    assert assign(rows, 10**12) == {name: cost.grid for name, cost in best.items()}


def test_bits_by_sensitivity_beat_the_same_for_all_in_as_many_bytes():
    """On a trained model, sensitivities from validation sequences and losses on test sequences, at three bits."""
    found = load_model("student-tiny")
    model, asked = found.model, {"split": "test", "batches": 2}
    before = evaluate(found.task, model, **asked).loss_nats

    def loss_increase(grids) -> float:
        return evaluate(found.task, quantize(model, grids, method="mse").model, **asked).loss_nats - before

    three = Grid(bits=3)
    budget = sum(three.nbytes(tuple(p.shape)) for p in matrices(model).values())
    rows = list(sensitivity(model, found.task, [Grid(bits=bits) for bits in BITS]))
    chosen = assign(rows, budget)
    assert total(rows, chosen)[1] <= budget and len(set(chosen.values())) > 1
    assert loss_increase(chosen) < 0.5 * loss_increase(three)


def test_sensitivity_asks_each_matrix_by_itself_and_leaves_the_model():
    task = make("shells")
    shape = {"dim": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 24}
    model = Transformer(ModelConfig(vocab_size=task.vocab_size, max_seq_len=32, **shape))
    before, grids = fingerprint(model), [Grid(bits=2), Grid(bits=8)]
    rows = list(sensitivity(model, task, grids))
    assert fingerprint(model) == before
    assert [(row.matrix, row.grid) for row in rows] == [(name, grid) for name in matrices(model) for grid in grids]
    for row in rows:
        assert row.bytes == row.grid.nbytes(tuple(model.get_parameter(row.matrix).shape))
    coarse, fine = ([abs(row.loss_increase_nats) for row in rows if row.grid == grid] for grid in grids)
    assert sum(fine) < 0.2 * sum(coarse)


def test_what_cannot_be_assigned_is_refused_by_name():
    with pytest.raises(ValueError, match="costs is empty"):
        assign([], 100)
    with pytest.raises(ValueError, match="budget_bytes=10: .* take"):
        assign(costs(3, 0), 10)
    broken = Cost(matrix="m0", grid=Grid(bits=3), loss_increase_nats=math.nan, bytes=8)
    with pytest.raises(ValueError, match="loss_increase_nats=nan of m0, 3 bits"):
        assign([*costs(3, 0), broken], 10**6)


def test_what_cannot_be_measured_is_refused_by_name():
    task = make("shells")
    shape = {"dim": 8, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 8}
    model = Transformer(ModelConfig(vocab_size=task.vocab_size, max_seq_len=32, **shape))
    with pytest.raises(ValueError, match="grids is empty"):
        list(sensitivity(model, task, []))
    with torch.no_grad():
        model.blocks[0].ffn.up.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN or inf"):
        list(sensitivity(model, task, [Grid(bits=4)]))
