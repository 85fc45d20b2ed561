"""The plan of chapter 3's trainings, and tiny ones carried out with the grid and without it."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from mobilellm_lab import checkpoints
from mobilellm_lab.arms import VALIDATION_SEED, missing, run_plan
from mobilellm_lab.measuring.start import start
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe
from mobilellm_lab.quantization.study.sweep import DEEP, WIDE
from mobilellm_lab.quantization.study.sweep_qat import BITS, METHODS, STEPS, arms, chosen_rate, qat_row
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.stored import as_stored
from mobilellm_lab.sweeps import Store, key
from mobilellm_lab.tasks import make

TASK = {"name": "stories", "options": {"people": 3, "rooms": 4, "objects": 2, "seq_len": 64}}
TINY = QATRecipe(model="stories-deep", bits=2, steps=2, batch_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random model of a few thousand weights, under the name of a reference model."""
    folder, vocab_size = tmp_path_factory.mktemp("models"), make(TASK["name"], **TASK["options"]).vocab_size
    shape = {"vocab_size": vocab_size, "dim": 16, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 24}
    checkpoints.save(Transformer(ModelConfig(n_layers=1, max_seq_len=64, **shape)), folder / TINY.model, task=TASK)
    return folder


@pytest.fixture(scope="module")
def row(folder) -> dict:
    return qat_row(TINY, folder=folder)


@pytest.fixture(scope="module")
def float_row(folder) -> dict:
    return qat_row(replace(TINY, bits=FLOAT), folder=folder)


def test_every_line_trains_for_equally_long_and_chooses_from_three_rates():
    for arm in arms():
        assert (arm.recipe.steps, arm.recipe.batch_size, arm.recipe.group_size) == (STEPS, 16, 32)
        assert len(set(arm.rates)) == 3 and min(arm.rates) > 0
        assert {recipe.seed for recipe in arm.candidates()} == {VALIDATION_SEED}


def test_every_number_of_bits_has_its_counterpart_without_a_grid():
    lines = {(arm.recipe.model, arm.recipe.bits, arm.recipe.learned_step) for arm in arms()}
    assert len(lines) == len(arms())
    for model in DEEP:
        bits = {b for name, b, learned in lines if name == model and not learned}
        assert bits == {FLOAT, *BITS}
    assert {name for name, _, learned in lines if learned} == set(DEEP)
    assert {line for line in lines if line[0] not in DEEP} == {(name, 2, False) for name in WIDE}


def test_a_key_stays_what_it_is():
    # Another key, and every stored run is orphaned.
    assert key(QATRecipe()) == "062b8d561c16d4c8"


def test_a_row_with_the_grid_is_on_the_grid(row, folder):
    assert json.loads(json.dumps(row)) == row and "rounded" not in row
    assert (row["steps"], row["tokens"]) == (2, 2 * 4 * 64)
    assert row["fingerprint"] == checkpoints.load(folder / TINY.model).fingerprint[:16]
    assert row["start"]["agreement"] == 1 and row["loss_nats"] != row["start"]["loss_nats"]
    assert qat_row(TINY, folder=folder) | {"train_s": row["train_s"]} == row and row["train_s"] >= 0


def test_a_row_without_a_grid_is_rounded_at_the_end_in_every_way(float_row):
    rounded, loss_nats = float_row["rounded"], float_row["loss_nats"]
    assert [(made["bits"], made["method"]) for made in rounded] == [(b, m) for b in BITS for m in METHODS]
    eight = [made["loss_nats"] for made in rounded if made["bits"] == 8]
    assert eight == pytest.approx([loss_nats] * 2, abs=0.01)
    assert loss_nats != float_row["start"]["loss_nats"]  # it was trained


def test_training_leaves_the_model_that_all_start_from(row, float_row, folder):
    begin = start(folder, TINY.model)  # the same object again: both rows were trained from it
    assert checkpoints.fingerprint(begin.model)[:16] == row["fingerprint"] == float_row["fingerprint"]
    assert row["start"] == float_row["start"]


def test_a_plan_is_carried_out_once_each_line_at_its_best_rate(folder, tmp_path):
    plan = [replace(arm, recipe=replace(TINY, bits=arm.recipe.bits), rates=(1e-4, 1e-2)) for arm in arms()[:2]]
    store, run = Store(tmp_path / "sweep.jsonl"), partial(qat_row, folder=folder)
    with ThreadPoolExecutor(1) as executor:
        done = list(run_plan(run, plan, store=store, executor=executor))
        assert len(done) == len(set(done)) == 2 * (2 + 3) and missing(plan, store) == 0
        assert list(run_plan(run, plan, store=Store(store.path), executor=executor)) == []
    for arm in plan:
        losses = {recipe.lr: store[recipe]["validation_loss_nats"] for recipe in arm.candidates()}
        assert {recipe.lr for recipe in arm.reported(store)} == {min(losses, key=losses.get)}
        assert all(store[recipe]["recipe"] == as_stored(recipe) for recipe in arm.reported(store))


def test_the_rate_that_was_chosen_is_a_candidate_with_the_least_validation_loss():
    store = open_sweep("quantization_qat")
    for arm in arms():
        recipe = arm.recipe
        if recipe.bits != FLOAT and not recipe.learned_step:
            chosen = chosen_rate(store, recipe.model, recipe.bits, task=recipe.model.split("-")[0])
            losses = {candidate.lr: store[candidate]["validation_loss_nats"] for candidate in arm.candidates()}
            assert losses[chosen] == min(losses.values())


def test_what_was_not_measured_takes_the_next_more_bits_of_the_deep_model():
    store = open_sweep("quantization_qat")
    assert chosen_rate(store, "my own", 6, task="text") == chosen_rate(store, "text-deep", 8, task="text")
    assert chosen_rate(store, "my own", 2, task="shells") == chosen_rate(store, "stories-deep", 2, task="stories")
    assert chosen_rate(store, "stories-wide", 2, task="stories") == 3e-4  # its own row
