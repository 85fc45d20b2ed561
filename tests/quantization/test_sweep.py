"""The plan of chapter 3's rows on quality, and tiny ones carried out, resumed and read back."""

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
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study import fragility
from mobilellm_lab.quantization.study import sweep as plans
from mobilellm_lab.quantization.study.kv_cache import Context
from mobilellm_lab.quantization.study.mixed_precision import Mixture
from mobilellm_lab.quantization.study.recipe import FLOAT, Recipe
from mobilellm_lab.quantization.study.sweep import BITS, DEEP, GROUPS, SCHEMES, SEEDS, WIDE, distances, plan, studies
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
        shape = {"vocab_size": vocab_size, "dim": 16, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 24}
        model = Transformer(ModelConfig(n_layers=1, max_seq_len=64, **shape), seed=number)
        checkpoints.save(model, folder / name, task=task)
    return folder


def test_the_full_product_is_there_and_what_looks_at_data_has_three_seeds():
    grid = studies()["grid"]
    for model, bits, group_size, (method, symmetric) in product(DEEP, BITS, GROUPS, SCHEMES):
        found = [
            recipe.seed
            for recipe in grid
            if (recipe.model, recipe.bits, recipe.group_size) == (model, bits, group_size)
            and (recipe.method, recipe.symmetric) == (method, symmetric)
        ]
        assert found == (list(SEEDS) if method in ("gptq", "awq") else [0])
    assert len(grid) == len(set(grid)) == 2 * 5 * 4 * (3 + 2 * 3)


def test_the_studies_answer_the_questions_of_the_chapter():
    plan = studies()
    assert [recipe.model for recipe in plan["float"]] == list(DEEP + WIDE)
    assert {(r.bits, r.method) for r in plan["low"]} == set(product((1, 1.58), ("rtn", "gptq")))
    deep = {(r.bits, r.group_size, r.method) for r in plan["grid"] if r.symmetric}
    assert {(r.bits, r.group_size, r.method) for r in plan["wide"]} <= deep  # each has its counterpart
    flowing = plan["activations"]
    assert {(r.activation_bits, r.activation) for r in flowing if r.bits == FLOAT} == set(
        product((8, 6, 4), ("dynamic", "static"))
    )
    eight = [r for r in flowing if (r.bits, r.group_size, r.activation_bits) == (8, CHANNEL, 8)]
    assert [r.model for r in eight] == list(DEEP + WIDE)
    assert {r.data for r in plan["data"]} == {"own", "other", "random"}
    assert {(r.planted, r.rotate) for r in plan["planted"]} == set(
        product(("none", "weights", "activations"), (False, True))
    )
    assert {r.group_size for r in plan["planted"] if r.bits == 4} == {TENSOR, CHANNEL}


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
    assert {recipe for study in studies().values() for recipe in study} <= set(items)
    assert {type(item) for item in items} == {Recipe, Context, Mixture}
    order = [item.model for item in items]
    assert order == sorted(order, key=(DEEP + WIDE).index)
    assert len(items) < 750  # about a second each


def test_a_key_stays_what_it_is():
    # Another key, and every stored run is orphaned: a new field of a recipe means a new sweep.
    assert key(Recipe()) == "64a25738e81df0b1"
    assert key(Context()) == "e1e6e438b5f77774" and key(Mixture()) == "9d524b6878271bf5"
    assert key(fragility.Small()) == "556fd879b611047b"


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(model="stories-deep", bits=3, method="gptq", seed=1),
        Recipe(model="text-deep", bits=FLOAT, activation_bits=8, activation="static", data="other"),
        Recipe(model="stories-wide", planted="weights", rotate=True, kv_bits=4),
    ],
    ids=lambda recipe: recipe.model,
)
def test_a_row_is_plain_values_and_comes_out_the_same_again(recipe, folder):
    row = plans.make_row(recipe, folder=folder)
    assert row == plans.make_row(recipe, folder=folder) == json.loads(json.dumps(row))
    assert sum(row["parts"]) / len(row["parts"]) == pytest.approx(row["loss_nats"], abs=1e-5)
    assert len(row["parts"]) == 4 and 0 <= row["agreement"] <= 1
    assert row["fingerprint"] == checkpoints.load(folder / recipe.model).fingerprint[:16]
    assert 0 < row["bytes"]["theory"] < row["bytes"]["on_disk"]
    assert row["exam"] == {"split": "test", "sequences": 256}
    assert row["provenance"]["command"] == "mobilellm-lab sweep quantization" and row["provenance"]["threads"] == 1
    assert (row["provenance"]["corpus_sha256"] == "no corpus") == ("text" not in recipe.model)


def test_a_plan_is_carried_out_once_and_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    items = [Recipe(bits=FLOAT), Recipe(bits=8), Context(kv_bits=8), Mixture()]
    small = [replace(arm, recipe=replace(arm.recipe, budget=5_000, depth=1, steps=1)) for arm in fragility.arms()[:1]]
    monkeypatch.setattr(plans, "plan", lambda: items)
    monkeypatch.setattr(fragility, "arms", lambda: small)
    store, run = Store(tmp_path / "sweep.jsonl"), partial(plans.make_row, folder=folder)
    assert missing(plans.everything(), store) == 4 + 3 + 3
    with ThreadPoolExecutor(1) as executor:
        done = list(run_plan(run, plans.everything(), store=store, executor=executor))
        assert len(done) == 10 and missing(plans.everything(), store) == 0
        again = Store(store.path)
        assert list(run_plan(run, plans.everything(), store=again, executor=executor)) == []
    for item in items:
        assert again[item]["recipe"] == as_stored(item)


def test_distances_are_those_of_weights_alone(tmp_path):
    store = Store(tmp_path / "sweep.jsonl")
    for bits, loss_nats in ((FLOAT, 1.0), (4, 1.1), (2, 1.5)):
        store.add(Recipe(bits=bits), {"loss_nats": loss_nats, "bytes": {"on_disk": 100 * bits}})
    store.add(Recipe(bits=4, kv_bits=4), {"loss_nats": 9.0, "bytes": {"on_disk": 400}})
    store.add(Recipe(bits=4, model="text-deep"), {"loss_nats": 9.0, "bytes": {"on_disk": 400}})
    store.add(Context(), {"contexts": []})
    assert distances(store, "stories-deep") == [(400, pytest.approx(0.1)), (200, pytest.approx(0.5))]
    assert distances(store, "text-deep") == []  # nothing to hold it against
