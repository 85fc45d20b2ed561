"""The plan of chapter 2's measurements, and a tiny one carried out, interrupted and resumed."""

import json
import math
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from mobilellm_lab import footprint
from mobilellm_lab.arms import SEEDS, VALIDATION_SEED, Arm, missing, run_plan
from mobilellm_lab.deep_narrow import Recipe, arms, roadmap
from mobilellm_lab.deep_narrow.study import sweep as plans
from mobilellm_lab.stored import as_stored
from mobilellm_lab.sweeps import Store, key
from mobilellm_lab.tasks import make

TINY = Recipe(hold="width", width=16, depth=1, steps=2)
PLAN = [Arm(study="depth", recipe=replace(TINY, depth=depth), rates=(1e-3, 4e-3)) for depth in (1, 2)]


class Interrupt(Exception):
    """Stands for Ctrl-C."""


class AtOnce(ThreadPoolExecutor):
    """Runs each job when it is submitted."""

    def submit(self, run, recipe):
        future = Future()
        try:
            future.set_result(run(recipe))
        except Interrupt as error:
            future.set_exception(error)
        return future


class Pretended:
    """Rows without training: loss `1 + |lr - best|`, best at 4e-3 for one layer and at 1e-3 for more."""

    def __init__(self, *, stop_after: int = 10**9):
        self.asked, self.stop_after = [], stop_after

    def __call__(self, recipe: Recipe) -> dict:
        if len(self.asked) == self.stop_after:
            raise Interrupt
        self.asked.append(recipe)
        return {"validation_loss_nats": 1 + abs(recipe.lr - (4e-3 if recipe.depth == 1 else 1e-3))}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "sweep.jsonl")


def test_a_key_stays_what_it_is():
    # Another key, and every stored run is orphaned: a new field of Recipe means a new sweep.
    assert key(Recipe()) == "0ccbe1396a0923b1"
    assert key(Recipe(task="text", depth=8, budget=200_000, steps=400, lr=2e-3, seed=1000)) == "86499b9da6d46ea6"


def test_seeds_that_choose_are_never_reported():
    assert VALIDATION_SEED not in SEEDS and len(set(SEEDS)) == 3


def test_every_arm_can_be_built_within_its_budget():
    tasks = {}
    for arm in arms():
        r = arm.recipe
        task = tasks.setdefault((r.task, r.hold_out), r.make_task())
        config = r.model_config(task)
        assert (config.n_layers, r.hold) == (r.depth, "budget")
        assert abs(footprint.parameters(config) - r.budget) <= 0.02 * r.budget
        assert (r.lr, r.seed, r.seconds) == (0, 0, 0) and r.steps > 0  # rate and seed are the arm's to fill in
        assert len(set(arm.rates)) == len(arm.rates) >= 3 and min(arm.rates) > 0


def test_no_arm_is_measured_twice_under_one_name():
    plan = arms()
    assert len({(arm.study, arm.recipe) for arm in plan}) == len(plan)
    recipes = {arm.recipe for arm in plan}
    for recipe in recipes:  # what is in two studies chooses from the same rates, so that it is run once
        assert len({arm.rates for arm in plan if arm.recipe == recipe}) == 1


def test_the_plan_answers_the_questions_of_the_chapter():
    plan = arms()
    depths = defaultdict(list)
    for arm in plan:
        if arm.study == "depth":
            depths[arm.recipe.task, arm.recipe.budget].append(arm.recipe.depth)
    assert depths["shells", 60_000] == depths["shells", 200_000] == [1, 2, 3, 4, 6, 8, 12, 16]
    assert depths["text", 1_000_000] == [2, 6, 12]
    assert len(depths["text", 200_000]) >= 3 and len(depths["stories", 200_000]) >= 3
    longer = {arm.recipe.depth: arm.recipe.steps for arm in plan if arm.study == "longer"}
    short = {arm.recipe.depth: arm.recipe.steps for arm in plan if arm.study == "depth"}
    assert len(longer) >= 3 and all(steps > short[depth] for depth, steps in longer.items())
    assert all(arm.recipe.hold_out == (arm.study == "unseen") for arm in plan)


def test_the_whole_plan_is_affordable():
    """At most 3 core-hours: 60 GFLOP/s is what a core gives at best, so this bounds from below what is asked of it."""
    runs = {r for arm in arms() for r in (*arm.candidates(), *(replace(arm.recipe, seed=seed) for seed in SEEDS))}
    tokens = {r: r.steps * r.defaults.batch_size * {"shells": 12, "stories": 96, "text": 128}[r.task] for r in runs}
    operations = sum(3 * 2 * r.budget * tokens[r] for r in runs)  # forward, and twice as much back
    assert len(runs) < 450
    assert operations / 60e9 < 3 * 3600


def test_the_roadmap_changes_one_thing_at_a_time_at_one_budget():
    steps = roadmap(Recipe(task="text", budget=200_000, depth=2, steps=10), deep=8, n_kv_heads=2)
    assert list(steps) == ["baseline", "SwiGLU", "deep and narrow", "tied embeddings", "GQA", "layer sharing"]
    changed = {}
    for (_, before), (name, after) in zip(list(steps.items())[:-1], list(steps.items())[1:], strict=True):
        old, new = asdict(before), asdict(after)
        changed[name] = {field: (old[field], new[field]) for field in old if old[field] != new[field]}
    assert changed == {
        "SwiGLU": {"ffn": ("relu", "swiglu")},
        "deep and narrow": {"depth": (2, 8)},
        "tied embeddings": {"tie_embeddings": (False, True)},
        "GQA": {"n_kv_heads": (4, 2)},
        "layer sharing": {"sharing": ("none", "immediate")},
    }
    task = steps["baseline"].make_task()
    for recipe in steps.values():
        assert abs(footprint.parameters(recipe.model_config(task)) - 200_000) <= 0.02 * 200_000


def test_an_arm_tries_its_rates_and_reports_the_best_over_the_seeds(store):
    arm = PLAN[0]
    assert [(r.lr, r.seed) for r in arm.candidates()] == [(1e-3, VALIDATION_SEED), (4e-3, VALIDATION_SEED)]
    for recipe, loss in zip(arm.candidates(), (1.2, 1.1), strict=True):
        store.add(recipe, {"validation_loss_nats": loss, "loss_nats": -loss})  # the test loss has no say
    assert arm.best_rate(store) == 4e-3
    assert [(r.lr, r.seed) for r in arm.reported(store)] == [(4e-3, seed) for seed in SEEDS]
    assert {replace(r, lr=0.0, seed=0) for r in arm.reported(store)} == {arm.recipe}
    store.add(arm.candidates()[0], {"validation_loss_nats": 1.0})
    assert arm.best_rate(store) == 1e-3


def test_a_plan_is_carried_out_rates_first_each_run_once(store):
    runs = Pretended()
    assert missing(PLAN, store) == 2 * (2 + 3)
    done = list(run_plan(runs, PLAN, store=store, executor=AtOnce(1)))
    assert set(done) == set(runs.asked) and len(done) == len(runs.asked) == 10
    assert {r.seed for r in done[:4]} == {VALIDATION_SEED} and {r.seed for r in done[4:]} == set(SEEDS)
    assert {(r.depth, r.lr) for r in done[4:]} == {(1, 4e-3), (2, 1e-3)}
    assert missing(PLAN, store) == 0
    assert list(run_plan(runs, PLAN, store=Store(store.path), executor=AtOnce(1))) == []


@pytest.mark.parametrize("stop_after", range(10))
def test_an_interrupted_plan_goes_on_and_repeats_nothing(store, stop_after):
    first, second = Pretended(stop_after=stop_after), Pretended()
    with pytest.raises(Interrupt):
        list(run_plan(first, PLAN, store=store, executor=AtOnce(1)))
    again = Store(store.path)
    assert len(again.rows) == stop_after
    left = missing(PLAN, again)
    assert set(run_plan(second, PLAN, store=again, executor=AtOnce(1))) == set(second.asked)
    assert len(second.asked) == left == 10 - stop_after
    assert not set(first.asked) & set(second.asked)


def test_a_recipe_of_two_studies_is_run_once(store):
    runs = Pretended()
    plan = [PLAN[0], replace(PLAN[0], study="roadmap: baseline"), PLAN[1]]
    assert missing(plan, store) == 10
    list(run_plan(runs, plan, store=store, executor=AtOnce(1)))
    assert len(runs.asked) == len(set(runs.asked)) == 10


def test_the_real_plan_counts_its_runs(store):
    runs = {r for arm in arms() for r in (*arm.candidates(), *(replace(arm.recipe, seed=seed) for seed in SEEDS))}
    assert missing(arms(), store) == len(runs)


def test_a_tiny_plan_is_really_trained(store):
    plan = [Arm(study="depth", recipe=TINY, rates=(1e-3, 4e-3))]
    with ThreadPoolExecutor(1) as executor:
        done = list(run_plan(plans.train_row, plan, store=store, executor=executor))
    assert len(done) == 5 and missing(plan, store) == 0
    for recipe in done:
        row = Store(store.path)[recipe]
        assert row["recipe"] == as_stored(recipe) and row["key"] == key(recipe)
        assert row["training"] == plans.training(recipe)
        assert row["shape"] == {"dim": 16, "hidden_dim": 40, "n_layers": 1, "head_dim": 4}
        config = recipe.model_config(recipe.make_task())
        assert row["parameters"] == footprint.parameters(config)
        assert row["flops_per_token"] == footprint.flops_per_token(config, context=12)
        assert row["kv_bytes_per_token"] == footprint.kv_bytes_per_token(config)
        assert [step for step, *_ in row["curve"]] == [1, 2]
        assert row["validation_loss_nats"] == pytest.approx(row["curve"][-1][1], abs=1e-5) != row["loss_nats"]
        assert math.isfinite(row["loss_nats"]) and row["headline"] in row["scores"]
        assert row["provenance"]["command"] == "mobilellm-lab sweep deep_narrow"
        assert row["provenance"]["corpus_sha256"] == "no corpus" and row["provenance"]["threads"] == 1
        assert json.loads(json.dumps(row)) == row
    seeds = [store[r]["loss_nats"] for r in done if r.seed != VALIDATION_SEED]
    assert len(set(seeds)) == 3


def test_a_row_comes_out_the_same_again():
    first, again = (plans.train_row(replace(TINY, seed=7)) for _ in range(2))
    for row in (first, again):
        assert row.pop("train_s") >= 0
    assert first == again
    assert len(plans.train_row(replace(TINY, steps=25))["curve"]) == 13  # every 2 of 25, and the last


def test_text_carries_the_hash_of_its_corpus():
    row = plans.train_row(replace(TINY, task="text", steps=1))
    assert row["provenance"]["corpus_sha256"] == make("text").corpus_sha256
    assert row["headline"] == "bits_per_byte"
