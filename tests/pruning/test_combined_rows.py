"""Rows on outliers and on pruning with quantization: plans of equal bytes, and tiny models carried out twice."""

import json
from dataclasses import replace

import pytest

from mobilellm_lab import checkpoints
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.study import combined
from mobilellm_lab.pruning.study.combined import EQUAL, ORDERS, Combined, Zeros, combined_arms, combined_plan
from mobilellm_lab.pruning.study.outliers import FACTORS, WAYS, Outliers, outliers_plan
from mobilellm_lab.pruning.study.sweep import everything, make_row
from mobilellm_lab.quantization.libraries.kernels import BACKENDS
from mobilellm_lab.sweeps import key
from mobilellm_lab.tasks import make


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random model of a few thousand weights, under the name of a reference model."""
    folder = tmp_path_factory.mktemp("models")
    task = {"name": "text", "options": {"seq_len": 16}}
    vocab_size = make(task["name"], **task["options"]).vocab_size
    shape = {"vocab_size": vocab_size, "dim": 64, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 64}
    checkpoints.save(Transformer(ModelConfig(n_layers=1, max_seq_len=64, **shape)), folder / "text-deep", task=task)
    return folder


def test_every_row_has_a_key_of_its_own_and_seeds_where_something_is_drawn():
    items = [*everything()]
    keys = [key(item) for item in items if not hasattr(item, "study")]
    assert len(keys) == len(set(keys))
    assert {(o.model, o.factor) for o in outliers_plan()} == {
        (model, factor) for model in ("stories-deep", "text-deep") for factor in FACTORS
    }
    assert all(len([o for o in outliers_plan() if o.factor == f]) == 6 for f in FACTORS)
    for arm in combined_arms():
        assert arm.recipe.steps and replace(arm.recipe, steps=0, lr=1e-3, order=ORDERS[0]) in combined_plan()


def test_equal_bytes_are_equal_by_formula():
    for budget, chosen in EQUAL.items():
        for amount, bits in chosen:
            assert 0.5 + (1 + (1 - amount) * bits if amount else bits) == budget


@pytest.mark.parametrize("order", ORDERS)
def test_a_row_of_both_orders_comes_out_the_same_again(order, folder):
    recipe = Combined(model="text-deep", order=order)
    row = make_row(recipe, folder=folder)
    assert row == make_row(recipe, folder=folder) == json.loads(json.dumps(row))
    assert 0.5 <= row["zeros"] < 0.7 and len(row["parts"]) == 4
    assert row["bytes"]["bitmap"] < row["bytes"]["packed"]
    dense = make_row(Combined(model="text-deep", amount=0.0, bits=3), folder=folder)
    assert row["bytes"]["bitmap"] <= dense["bytes"]["packed"]
    assert row["bytes"]["on_disk"] < dense["bytes"]["on_disk"] + 2000  # names and shapes of one part more a matrix


@pytest.mark.parametrize("order", ORDERS)
def test_fine_tuning_between_the_two_keeps_the_zeros_and_changes_the_loss(order, folder):
    recipe = Combined(model="text-deep", order=order, steps=3, lr=1e-2)
    row, plain = make_row(recipe, folder=folder), make_row(replace(recipe, steps=0), folder=folder)
    assert row["zeros"] >= 0.5 and row["loss_nats"] != plain["loss_nats"]
    assert row["validation_loss_nats"] > 0 and row["batch_size"] == combined.BATCH_SIZE
    assert row == make_row(recipe, folder=folder)


def test_a_row_of_zeros_names_every_grid_method_and_kernel(folder):
    row = make_row(Zeros(model="text-deep"), folder=folder)
    kept = {(each["bits"], each["symmetric"]): each["kept"] for each in row["grids"]}
    assert kept.pop((1, True)) == 0 and set(kept.values()) == {1}
    assert row["methods"]["rtn"] == 1 > row["methods"]["gptq"] and row["rotated"] < 0.1
    assert set(row["kernels"]) <= set(BACKENDS) and row["kernels"]["packed 4-bit (ours)"] == 1


def test_a_row_of_outliers_leaves_the_dense_loss_and_names_every_way(folder):
    rows = [make_row(Outliers(model="text-deep", factor=factor), folder=folder) for factor in (1, 64)]
    assert rows[0]["dense_nats"] == pytest.approx(rows[1]["dense_nats"], abs=1e-5)
    for row in rows:
        assert [(made["importance"], made["compare"]) for made in row["pruned"]] == list(WAYS)
        assert row == json.loads(json.dumps(row)) and row["exam"]["sequences"] == 64
    first, last = ({(made["importance"], made["compare"]): made["loss_nats"] for made in row["pruned"]} for row in rows)
    assert last["wanda", "row"] == pytest.approx(first["wanda", "row"], abs=1e-3)
    assert last["l1", "row"] != pytest.approx(first["l1", "row"], abs=1e-3)


def test_an_unknown_order_is_refused_by_name():
    with pytest.raises(ValueError, match="order='both'"):
        Combined(order="both")
