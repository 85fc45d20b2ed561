"""Small models of equal parameters, trained and rounded: shapes, rows, and what the rounding of one of them costs."""

import json
from dataclasses import asdict, replace

import pytest

from mobilellm_lab import footprint
from mobilellm_lab.quantization.study import fragility
from mobilellm_lab.quantization.study.fragility import BITS, DEPTHS, GROUPS, Small, arms, small_row
from mobilellm_lab.sweeps import key
from mobilellm_lab.tasks import make

TINY = Small(depth=1, budget=5_000, steps=3, lr=4e-3)


def test_every_depth_has_the_same_parameters_and_the_same_rates():
    task = make("shells")
    configs = [arm.recipe.config(task) for arm in arms()]
    assert [config.n_layers for config in configs] == list(DEPTHS)
    counts = [footprint.parameters(config) for config in configs]
    assert max(counts) / min(counts) < 1.04 and all(abs(count - 60_000) <= 1_200 for count in counts)
    assert len({(arm.rates, replace(arm.recipe, depth=0)) for arm in arms()}) == 1


@pytest.fixture(scope="module")
def row() -> dict:
    return small_row(TINY)


def test_a_row_has_the_float_model_and_every_rounding_of_it(row):
    assert row["shape"] == {name: row["shape"][name] for name in ("dim", "hidden_dim", "n_layers", "head_dim")}
    assert row["parameters"] == footprint.parameters(TINY.config(make("shells")))
    assert [(made["group_size"], made["bits"]) for made in row["rounded"]] == [(g, b) for g in GROUPS for b in BITS]
    eight = [made for made in row["rounded"] if made["bits"] == 8]
    assert all(made["loss_nats"] == pytest.approx(row["loss_nats"], abs=0.01) for made in eight)
    assert row["training"] == fragility.TRAINING and row["validation_loss_nats"] > 0
    assert row["provenance"]["command"] == "mobilellm-lab sweep quantization" and row["provenance"]["threads"] == 1
    assert json.loads(json.dumps(row)) == row


def test_a_row_comes_out_the_same_again_and_another_seed_is_another_row(row):
    again, other = small_row(TINY), small_row(replace(TINY, seed=1))
    assert again | {"train_s": row["train_s"]} == row and row["train_s"] >= 0
    assert row["loss_nats"] != other["loss_nats"]


def test_a_key_stays_what_it_is():
    assert len({key(arm.recipe) for arm in arms()}) == len(DEPTHS)
    assert set(asdict(Small())) == {"depth", "budget", "steps", "lr", "seed"}
