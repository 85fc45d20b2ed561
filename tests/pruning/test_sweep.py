"""The plan of chapter 4's rows on one-shot pruning, and tiny ones carried out, resumed and read back."""

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product

import pytest

from mobilellm_lab import checkpoints
from mobilellm_lab.arms import missing, run_plan
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.study import sweep as plans
from mobilellm_lab.pruning.study.recipe import COMPARED, DATA_DRIVEN, SCAN_AMOUNTS, Recipe
from mobilellm_lab.pruning.study.sweep import (
    AMOUNTS,
    DEEP,
    GRAIN_AMOUNTS,
    GRAINS,
    RANKED,
    SEEDS,
    SEQUENCES,
    WIDE,
    plan,
    studies,
)
from mobilellm_lab.stored import as_stored
from mobilellm_lab.sweeps import Store, key
from mobilellm_lab.tasks import make

SMALL = {"task": {"name": "stories", "options": {"people": 3, "rooms": 4, "objects": 2, "seq_len": 64}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Random models of a few thousand weights, under the names of the reference models."""
    folder = tmp_path_factory.mktemp("models")
    for number, name in enumerate(DEEP + WIDE):
        task = SMALL["task"] if "stories" in name else {"name": "text", "options": {"seq_len": 16}}
        vocab_size = make(task["name"], **task["options"]).vocab_size
        shape = {"vocab_size": vocab_size, "dim": 16, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 24}
        model = Transformer(ModelConfig(n_layers=4, max_seq_len=64, **shape), seed=number)
        checkpoints.save(model, folder / name, task=task)
    return folder


def test_the_full_product_is_there_and_what_draws_has_three_seeds():
    grid = studies()["grid"]
    seeds = defaultdict(list)
    for recipe in grid:
        seeds[recipe.model, recipe.amount, recipe.importance, recipe.compare].append(recipe.seed)
    assert set(seeds) == set(product(DEEP, AMOUNTS, RANKED, COMPARED))
    assert all(found == ([0] if name == "l1" else list(SEEDS)) for (_, _, name, _), found in seeds.items())


def test_wanda_stands_beside_magnitude_at_half_of_each_row():
    """A number of the chapter: three calibration seeds, both deep models."""
    half = [r for r in studies()["grid"] if (r.amount, r.compare) == (0.5, "row")]
    for model in DEEP:
        assert [r.seed for r in half if (r.model, r.importance) == (model, "wanda")] == list(SEEDS)
        assert [r.seed for r in half if (r.model, r.importance) == (model, "l1")] == [0]


def test_the_studies_answer_the_questions_of_the_chapter():
    found = studies()
    assert [recipe.model for recipe in found["dense"]] == list(DEEP + WIDE)
    assert {(r.importance, r.sequences) for r in found["sequences"]} == set(product(DATA_DRIVEN, SEQUENCES))
    assert {r.data for r in found["data"]} == {"own", "other", "random", "self"}
    assert {r.scope for r in found["scope"]} == {"uniform", "global", "sensitivity"}
    assert {r.choice for r in found["layers"]} == {"measured", "influence", "consecutive", "last", "random"}
    assert {(r.granularity, r.amount) for r in found["grains"]} == set(product(GRAINS, GRAIN_AMOUNTS))
    deep, wide = ([replace(r, model="") for r in found["shapes"] if kind in r.model] for kind in ("deep", "wide"))
    assert sorted(deep, key=key) == sorted(wide, key=key)  # each has its counterpart


def test_a_seed_is_given_where_it_makes_a_difference_and_nowhere_else():
    for study in studies().values():
        seeds = defaultdict(list)
        for recipe in study:
            seeds[replace(recipe, seed=0)].append(recipe.seed)
        for recipe, found in seeds.items():
            assert found == (list(SEEDS) if recipe.draws else [0])


def test_the_plan_holds_every_recipe_once_and_one_model_after_the_other():
    items = plan()
    assert len(items) == len({key(item) for item in items})
    assert {recipe for study in studies().values() for recipe in study} == set(items)
    order = [item.model for item in items]
    assert order == sorted(order, key=(DEEP + WIDE).index)
    assert len(items) < 620  # about a second each


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(model="stories-deep", amount=0.6, importance="wanda", seed=1),
        Recipe(model="text-deep", importance="taylor", data="self", sequences=2),
        Recipe(model="stories-wide", scope="sensitivity"),
        Recipe(model="stories-deep", amount=0),
        Recipe(model="text-wide", granularity="neuron", importance="wanda"),
        Recipe(model="stories-wide", granularity="layer", choice="measured", sequences=2),
    ],
    ids=lambda recipe: f"{recipe.model} {recipe.amount} {recipe.importance} {recipe.granularity}",
)
def test_a_row_is_plain_values_and_comes_out_the_same_again(recipe, folder):
    row = plans.make_row(recipe, folder=folder)
    assert row == plans.make_row(recipe, folder=folder) == json.loads(json.dumps(row))
    assert sum(row["parts"]) / len(row["parts"]) == pytest.approx(row["loss_nats"], abs=1e-5)
    assert len(row["parts"]) == 4 and 0 <= row["agreement"] <= 1
    assert row["fingerprint"] == checkpoints.load(folder / recipe.model).fingerprint[:16]
    assert row["sparsity"] == pytest.approx(recipe.amount, abs=0.1)
    assert row["exam"] == {"split": "test", "sequences": 256}
    assert row["provenance"]["command"] == "mobilellm-lab sweep pruning" and row["provenance"]["threads"] == 1
    assert ("scan" in row) == (recipe.scope == "sensitivity")
    assert all(len(increases) == len(SCAN_AMOUNTS) for increases in row.get("scan", {}).values())


def test_a_plan_is_carried_out_once_and_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    items = [Recipe(amount=0), Recipe(), Recipe(importance="wanda"), Recipe(granularity="2:4")]
    store, run = Store(tmp_path / "sweep.jsonl"), partial(plans.make_row, folder=folder)
    assert missing(items, store) == 4
    with ThreadPoolExecutor(1) as executor:
        assert len(list(run_plan(run, items, store=store, executor=executor))) == 4
        again = Store(store.path)
        assert list(run_plan(run, items, store=again, executor=executor)) == []
    for item in items:
        assert again[item]["recipe"] == as_stored(item)
