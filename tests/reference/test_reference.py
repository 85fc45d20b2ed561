"""The measured sweeps in the repository: whole, made by today's recipes, and each row says where it comes from."""

import math
import re
from functools import cache

import pytest

from mobilellm_lab import footprint
from mobilellm_lab.arms import SEEDS
from mobilellm_lab.deep_narrow import DEFAULTS, Recipe, arms, costs, training
from mobilellm_lab.deep_narrow.study.evidence import reported
from mobilellm_lab.deep_narrow.study.sweep import EVALUATIONS
from mobilellm_lab.reference import FOLDER, open_sweep, sweep_names
from mobilellm_lab.sweeps import key

STORES = {name: open_sweep(name) for name in sweep_names()}
RUNS, COSTS = STORES["deep_narrow"].rows.values(), STORES["deep_narrow_cost"].rows.values()
SOURCE = {"command", "commit", "machine", "python", "torch", "numpy", "threads", "date"}


@cache
def task_of(name: str, hold_out: bool):
    return Recipe(task=name, hold_out=hold_out).make_task()


def recipes():
    for row in RUNS:
        recipe = Recipe(**row["recipe"])
        yield recipe, row, recipe.model_config(task_of(recipe.task, recipe.hold_out))


def test_nothing_half_written_is_left():
    assert not list(FOLDER.glob("*.tmp"))


def test_an_unknown_sweep_is_refused():
    with pytest.raises(ValueError, match="sweep='wide': choose one of constraints, .*deep_narrow, deep_narrow_cost"):
        open_sweep("wide")


def test_every_arm_reports_each_of_its_seeds():
    assert len(reported(STORES["deep_narrow"])) == len(arms()) * len(SEEDS)


def test_every_run_was_trained_as_its_task_is_trained_now():
    stale = {recipe for recipe, row, _ in recipes() if row["training"] != training(recipe)}
    assert not stale, "delete these rows and type `mobilellm-lab sweep deep_narrow`"
    assert all(row["key"] == key(recipe) for recipe, row, _ in recipes())


def test_every_run_is_of_the_shape_that_its_recipe_stands_for_now():
    for recipe, row, config in recipes():
        assert row["shape"] == {name: getattr(config, name) for name in ("dim", "hidden_dim", "n_layers", "head_dim")}
        assert row["parameters"] == footprint.parameters(config)
        assert abs(row["parameters"] - recipe.budget) <= 0.02 * recipe.budget
        seq_len = task_of(recipe.task, recipe.hold_out).seq_len
        assert row["flops_per_token"] == footprint.flops_per_token(config, context=seq_len)
        assert row["kv_bytes_per_token"] == footprint.kv_bytes_per_token(config)


def test_every_run_has_its_quality_and_its_curve():
    for recipe, row, _ in recipes():
        task = task_of(recipe.task, recipe.hold_out)
        steps = [step for step, *_ in row["curve"]]
        assert steps == sorted(set(steps)) and steps[-1] == recipe.steps and len(steps) >= EVALUATIONS
        assert row["validation_loss_nats"] == pytest.approx(row["curve"][-1][1], abs=1e-5)
        assert row["headline"] == task.headline and row["headline"] in row["scores"]
        assert 0 < row["loss_nats"] < math.log(task.vocab_size)  # better than guessing evenly
        assert row["floor_nats"] is None or row["loss_nats"] > row["floor_nats"]
        assert all(0 <= value <= 1 for name, value in row["scores"].items() if name != "bits_per_byte")
        assert row["train_s"] > 0
        longest = recipe.steps * DEFAULTS[recipe.task].batch_size * task.seq_len
        assert DEFAULTS[recipe.task].start_length * longest < row["tokens"] <= longest


@pytest.mark.parametrize("name", STORES)
def test_every_row_says_where_it_comes_from(name):
    rows = STORES[name].rows.values()
    assert rows
    for row in rows:
        found = row["provenance"]
        assert set(found) >= SOURCE and all(found[field] for field in SOURCE)
        assert found["command"] == f"mobilellm-lab sweep {name}"
        assert re.fullmatch("[0-9a-f]{40}", found["commit"]), "measure in a git checkout"
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", found["date"])
        assert found["threads"] == 1


def test_runs_on_text_carry_the_hash_of_one_corpus():
    for recipe, row, _ in recipes():
        assert (row["provenance"]["corpus_sha256"] == "no corpus") == (recipe.task != "text")
    corpora = {row["provenance"]["corpus_sha256"] for row in RUNS if row["recipe"]["task"] == "text"}
    assert len(corpora) == 1 and re.fullmatch("[0-9a-f]{64}", *corpora)


def test_no_two_runs_are_the_same_measurement():
    assert len({(row["loss_nats"], row["validation_loss_nats"]) for row in RUNS}) == len(RUNS)


def test_every_cost_is_of_the_shape_solved_now():
    for cost in costs():
        row, config = STORES["deep_narrow_cost"][cost], cost.config
        assert row["shape"] == {name: getattr(config, name) for name in ("dim", "hidden_dim", "n_layers", "head_dim")}
        assert row["parameters"] == footprint.parameters(config)
        assert row["kv_bytes_per_token"] == footprint.kv_bytes_per_token(config)
        rate = row["tokens_per_s"]
        assert 0 < rate["p10"] <= rate["p50"] <= rate["p90"] and row["rounds"] >= 5


def test_the_rows_stay_small():
    sizes = [path.stat().st_size for path in FOLDER.glob("*.jsonl")]
    assert max(sizes) < 2**20 and sum(sizes) < 4 * 2**20  # eight chapters, of which five are there
