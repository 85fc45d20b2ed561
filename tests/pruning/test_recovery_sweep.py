"""The plan of chapter 4's recoveries and their controls, and tiny ones carried out."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from mobilellm_lab import checkpoints
from mobilellm_lab.arms import SEEDS, missing, run_plan
from mobilellm_lab.footprint import flops_per_token, parameters
from mobilellm_lab.measuring.start import start
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.study import recovery
from mobilellm_lab.pruning.study.recovery import (
    ARMS,
    PACE,
    PRUNING_UPDATES,
    RATES,
    STEPS,
    RecoveryRecipe,
    arms,
    damage_left,
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
    assert len(set(recipes)) == len(recipes)
    assert {(r.steps, r.batch_size, r.importance, r.compare) for r in recipes} == {(STEPS, 16, "wanda", "row")}
    for model in RATES:
        lines = {(r.arm, r.amount) for r in recipes if r.model == model and r.masks == "held"}
        assert {amount for arm, amount in lines if arm == "one-shot"} == {0.0, *PACE[model]}
        assert {amount for arm, amount in lines if arm == "scratch: seconds"} == set(PACE[model])
    assert {r.arm for r in recipes} == set(ARMS)


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


def test_a_plan_is_carried_out_once_and_damage_is_measured_against_the_dense_arm(folder, tmp_path, monkeypatch):
    base = replace(TINY, steps=2)
    one, rates = arms()[0], (1e-4, 1e-2)
    plan = [replace(one, recipe=replace(base, amount=amount), rates=rates) for amount in (0, 0.5)]
    plan += [replace(plan[1], recipe=replace(base, arm="gradual"))]
    store, run = Store(tmp_path / "sweep.jsonl"), partial(recovery_row, folder=folder)
    with ThreadPoolExecutor(1) as executor:
        assert len(list(run_plan(run, plan, store=store, executor=executor))) == 3 * (2 + 3)
        assert missing(plan, store) == 0
    monkeypatch.setattr(recovery, "arms", lambda: plan)
    tuned, pruned = ([store[r] for r in arm.reported(store)] for arm in plan[:2])
    by_hand = [
        (p["loss_nats"] - t["loss_nats"]) / (p["before"]["loss_nats"] - p["start"]["loss_nats"])
        for p, t in zip(pruned, tuned, strict=True)
    ]
    assert damage_left(store, plan[1]) == by_hand and len(damage_left(store, plan[2])) == len(SEEDS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"arm": "oneshot"}, "arm='oneshot': did you mean one-shot"),
        ({"importance": "taylor"}, "importance='taylor'"),
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
