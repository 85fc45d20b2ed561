"""The plan of chapter 4's recoveries and their controls, and tiny ones carried out."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from mobilellm_lab import checkpoints
from mobilellm_lab.arms import VALIDATION_SEED, missing, run_plan
from mobilellm_lab.footprint import flops_per_token, parameters
from mobilellm_lab.measuring.start import start
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.study.recovery import (
    ARMS,
    PACE,
    PRUNING_UPDATES,
    RATES,
    STEPS,
    RecoveryRecipe,
    arms,
    recovery_row,
)
from mobilellm_lab.sweeps import Store, key
from mobilellm_lab.tasks import make

TASK = {"name": "stories", "options": {"people": 3, "rooms": 4, "objects": 2, "seq_len": 64}}
TINY = RecoveryRecipe(steps=3, batch_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random model of a few thousand weights, under the name of a reference model."""
    folder, vocab_size = tmp_path_factory.mktemp("models"), make(TASK["name"], **TASK["options"]).vocab_size
    shape = {"vocab_size": vocab_size, "dim": 32, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 64}
    checkpoints.save(Transformer(ModelConfig(n_layers=2, max_seq_len=64, **shape)), folder / TINY.model, task=TASK)
    return folder


@pytest.fixture(scope="module")
def row(folder) -> dict:
    return recovery_row(TINY, folder=folder)


def test_every_amount_has_its_dense_arm_and_its_twin_for_as_long():
    recipes = [arm.recipe for arm in arms()]
    assert len(set(recipes)) == len(recipes) and {r.arm for r in recipes} == set(ARMS)
    assert {(r.steps, r.batch_size, r.compare) for r in recipes} == {(STEPS, 16, "row")}
    for model in RATES:
        lines = [(r.arm, r.granularity, r.amount) for r in recipes if r.model == model and r.masks == "held"]
        pruned = {line[1:] for line in lines if line[0] == "one-shot"}
        assert {line[1:] for line in lines if line[0] == "scratch: seconds"} == pruned - {("weight", 0.0)} < pruned
        assert {amount for granularity, amount in pruned if granularity == "weight"} == {0.0, *PACE[model]}


def test_a_key_stays_what_it_is():
    # Another key, and every stored run is orphaned.
    assert key(RecoveryRecipe()) == "3e2b1451229690da"
    assert key(replace(TINY, amount=0)) == key(replace(TINY, amount=0.0))


def test_a_row_says_what_was_pruned_and_what_is_left(row, folder):
    assert json.loads(json.dumps(row)) == row
    assert (row["steps"], row["tokens"], row["zeros"]) == (3, 3 * 4 * 64, 0.5)
    begin = start(folder, TINY.model)
    assert row["fingerprint"] == begin.fingerprint[:16] == checkpoints.fingerprint(begin.model)[:16]
    whole, blocks = parameters(begin.model.config), 2 * (32 * 32 * 3 + 32 * 64 * 3)
    assert row["parameters"] == whole - blocks // 2
    assert len({row["loss_nats"], row["before"]["loss_nats"], row["start"]["loss_nats"]}) == 3
    assert recovery_row(TINY, folder=folder) | {"train_s": row["train_s"]} == row and row["train_s"] >= 0


def test_the_dense_arm_has_no_zeros_and_what_nothing_holds_loses_them(row, folder):
    dense = recovery_row(replace(TINY, amount=0), folder=folder)
    assert (dense["zeros"], dense["before"], dense["start"]) == (0, None, row["start"])
    choosing = recovery_row(replace(TINY, seed=VALIDATION_SEED), folder=folder)
    assert (choosing["zeros"], choosing["before"]) == (0.5, None)
    loose = recovery_row(replace(TINY, masks="none"), folder=folder)
    assert loose["zeros"] < 0.01 and loose["before"] == row["before"]


def test_a_gradual_row_ends_at_the_amount(row, folder):
    gradual = recovery_row(replace(TINY, arm="gradual"), folder=folder)
    assert (gradual["zeros"], gradual["steps"], gradual["before"]) == (0.5, 3, None)
    assert gradual["parameters"] == row["parameters"] and gradual["loss_nats"] != row["loss_nats"]


@pytest.mark.parametrize("arm", ARMS[2:])
def test_a_twin_has_the_kept_parameters_and_updates_of_the_same_price(row, folder, arm):
    twin = recovery_row(replace(TINY, arm=arm, steps=20), folder=folder)
    assert twin["parameters"] == pytest.approx(row["parameters"], rel=0.02) and twin["zeros"] == 0
    assert twin["shape"]["dim"] < 32 and twin["shape"]["n_layers"] == 2
    begin, updates = start(folder, TINY.model), 20 + PRUNING_UPDATES
    if arm == "scratch: seconds":
        assert twin["steps"] == round(updates / PACE[TINY.model][0.5])
    else:
        shape = begin.model.config.resized(**{name: twin["shape"][name] for name in ("dim", "hidden_dim")})
        spent = twin["steps"] * flops_per_token(shape, context=64)
        assert spent == pytest.approx(updates * flops_per_token(begin.model.config, context=64), rel=0.02)


STRUCTURES = {"neuron": "taylor", "layer": "measured"}


@pytest.mark.parametrize("granularity", STRUCTURES)
def test_a_structure_leaves_a_smaller_model_and_its_twin_has_the_same_shape(row, folder, granularity):
    recipe = replace(TINY, granularity=granularity, importance=STRUCTURES[granularity])
    smaller, twin = (recovery_row(replace(recipe, arm=arm), folder=folder) for arm in (ARMS[0], ARMS[2]))
    assert smaller["shape"] == {"dim": 32, "hidden_dim": 64, "n_layers": 2} | (
        {"hidden_dim": 32} if granularity == "neuron" else {"n_layers": 1}
    )
    assert smaller["zeros"] == 0 and smaller["before"]["loss_nats"] != smaller["start"]["loss_nats"]
    assert (twin["shape"], twin["parameters"]) == (smaller["shape"], smaller["parameters"])
    assert (smaller["steps"], twin["steps"], twin["before"]) == (3, 3 + PRUNING_UPDATES, None)


def test_a_plan_is_carried_out_once_each_line_at_its_best_rate(folder, tmp_path):
    plan = [replace(arms()[0], recipe=replace(TINY, steps=2), rates=(1e-4, 1e-2))]
    store, run = Store(tmp_path / "sweep.jsonl"), partial(recovery_row, folder=folder)
    with ThreadPoolExecutor(1) as executor:
        assert len(list(run_plan(run, plan, store=store, executor=executor))) == 2 + 3
        assert list(run_plan(run, plan, store=Store(store.path), executor=executor)) == []
    assert missing(plan, store) == 0
    for arm in plan:
        losses = {recipe.lr: store[recipe]["validation_loss_nats"] for recipe in arm.candidates()}
        assert {recipe.lr for recipe in arm.reported(store)} == {min(losses, key=losses.get)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"arm": "oneshot"}, "arm='oneshot': did you mean one-shot"),
        ({"importance": "taylor"}, "importance='taylor'"),
        ({"granularity": "neurons"}, "granularity='neurons': did you mean neuron"),
        ({"granularity": "layer"}, "importance='wanda': choose one of measured"),
        ({"granularity": "layer", "importance": "measured", "arm": "gradual"}, "arm='gradual'"),
        ({"granularity": "layer", "importance": "measured", "masks": "none"}, "masks='none'"),
        ({"compare": "rows"}, "compare='rows': did you mean row"),
        ({"masks": "helt"}, "masks='helt': did you mean held"),
        ({"amount": 1}, "amount=1.0"),
        ({"amount": float("nan")}, "amount=nan"),
        ({"arm": "scratch: seconds", "amount": 0.6}, "amount=0.6 of stories-deep: its pace was not measured"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        RecoveryRecipe(**options)
