"""Tables from a small store whose numbers are made up, so that every entry is known."""

from dataclasses import replace

import pytest

from mobilellm_lab.arms import SEEDS, VALIDATION_SEED, Arm
from mobilellm_lab.deep_narrow import Recipe, band
from mobilellm_lab.deep_narrow.study.evidence import answers, curves, moves_solved, phone_overhead, reported, speeds
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store

BASE = Recipe(steps=100)
PLAN = [Arm(study="depth", recipe=replace(BASE, depth=depth), rates=(1e-3, 2e-3)) for depth in (1, 4)]
PLAN.append(Arm(study="longer", recipe=replace(BASE, depth=4, steps=900), rates=(1e-3, 2e-3)))


def accuracy(recipe: Recipe) -> float:
    """Made up: rises with depth and steps, and a little with the seed."""
    return recipe.depth / 10 + recipe.steps / 10_000 + recipe.seed / 100


def row(recipe: Recipe) -> dict:
    return {
        "shape": {"dim": 8, "hidden_dim": 24, "n_layers": recipe.depth, "head_dim": 2},
        "parameters": 60_000 + recipe.depth,
        "flops_per_token": 1000,
        "kv_bytes_per_token": 64,
        "train_s": 1.5,
        "loss_nats": 2 - accuracy(recipe) if recipe.seed in SEEDS else 9.0,
        "headline": "accuracy",
        "scores": {"accuracy": accuracy(recipe) if recipe.seed in SEEDS else 0.99, "other": 0.5},
        "validation_loss_nats": 1 + abs(recipe.lr - (1e-3 if recipe.depth == 1 else 2e-3)),
        "curve": [[50, 1.5, 0.1], [recipe.steps, 1.0, accuracy(recipe)]],
    }


@pytest.fixture
def store(tmp_path) -> Store:
    """Every run of PLAN."""
    store = Store(tmp_path / "sweep.jsonl")
    for arm in PLAN:
        for recipe in arm.candidates():
            store.add(recipe, row(recipe))
        for recipe in arm.reported(store):
            store.add(recipe, row(recipe))
    return store


def test_every_reported_run_is_a_row_and_no_other(store):
    frame = reported(store, PLAN)
    assert len(frame) == 3 * 3
    assert list(frame["study"]) == ["depth"] * 6 + ["longer"] * 3
    assert list(frame["seed"]) == [*SEEDS] * 3 and VALIDATION_SEED not in set(frame["seed"])
    assert list(frame["lr"]) == [1e-3] * 3 + [2e-3] * 6  # each arm at its own
    first = frame.iloc[0].to_dict()
    assert first == {
        "study": "depth",
        "task": "shells",
        "budget": 60_000,
        "steps": 100,
        "depth": 1,
        "lr": 1e-3,
        "seed": 0,
        "dim": 8,
        "hidden_dim": 24,
        "n_layers": 1,
        "head_dim": 2,
        "parameters": 60_001,
        "flops_per_token": 1000,
        "kv_bytes_per_token": 64,
        "train_s": 1.5,
        "loss_nats": 2 - 0.11,
        "score": 0.11,
        "accuracy": 0.11,
        "other": 0.5,
    }


@pytest.mark.parametrize("seed", [VALIDATION_SEED, 1])
def test_a_missing_run_is_named_with_the_command_that_makes_it(store, seed):
    recipe = replace(PLAN[1].reported(store)[0], seed=seed)
    incomplete = Store(store.path.with_name("incomplete.jsonl"))
    for kept in store.rows.values():
        if kept["recipe"] != store[recipe]["recipe"]:
            incomplete.add(Recipe(**kept["recipe"]), {k: v for k, v in kept.items() if k not in ("key", "recipe")})
    with pytest.raises(ValueError, match=r"depth=4.*make it with `mobilellm-lab sweep deep_narrow`") as error:
        reported(incomplete, PLAN)
    assert f"seed={seed}" in str(error.value)


def test_the_plan_is_the_chapters_own_unless_another_is_given(tmp_path):
    with pytest.raises(ValueError, match="no stored run for Recipe"):
        reported(Store(tmp_path / "none.jsonl"))


def test_curves_hold_every_point_of_the_reported_runs(store):
    frame = curves(store, PLAN[:2])
    assert list(frame.columns) == ["depth", "seed", "step", "loss_nats", "score"]
    assert len(frame) == 2 * 3 * 2
    last = frame[(frame["depth"] == 4) & (frame["seed"] == 2)].iloc[-1]
    assert (last["step"], last["loss_nats"], last["score"]) == (100, 1.0, pytest.approx(0.43))


def test_the_band_holds_runs_that_differ_in_depth_rate_and_seed_only(store):
    found = sorted(band(store, replace(BASE, depth=8, lr=5e-3, seed=77)))
    assert [depth for depth, _ in found] == [1, 1, 1, 4, 4, 4]
    assert [score for _, score in found] == pytest.approx([0.11, 0.12, 0.13, 0.41, 0.42, 0.43])
    assert [d for d, _ in band(store, replace(BASE, steps=900))] == [4, 4, 4]
    assert len(band(store, replace(BASE, seconds=2.0))) == 9  # stopped by the clock: beside runs of any length
    for other in ({"n_kv_heads": 2}, {"budget": 200_000}, {"task": "text"}, {"hold_out": True}, {"ffn": "relu"}):
        assert band(store, replace(BASE, **other)) == []


def test_the_band_of_the_default_number_of_steps(store):
    assert band(store, Recipe()) == []
    arm = Arm(study="depth", recipe=replace(BASE, steps=BASE.defaults.steps), rates=(1e-3,))
    for recipe in (replace(arm.recipe, lr=1e-3, seed=seed) for seed in (*SEEDS, VALIDATION_SEED)):
        store.add(recipe, row(recipe))
    assert len(band(store, Recipe())) == 3  # steps=0 means the default; the run that chose the rate is not shown


def test_an_accuracy_is_a_number_of_solved_moves():
    assert moves_solved(1 / 6) == pytest.approx(0) and moves_solved(1.0) == pytest.approx(12)
    assert moves_solved((6 + 6 / 6) / 12) == pytest.approx(6)  # six right, six guessed


def test_the_phone_pays_for_layers_what_the_papers_second_pass_took():
    extra_ms = 18 * (16.0 - 15.6) / 30
    assert phone_overhead() == pytest.approx(extra_ms / (15.6 - extra_ms))
    assert 0.01 < phone_overhead() < 0.02


def test_the_answers_are_what_was_stored():
    rates = speeds(open_sweep("deep_narrow_cost")).set_index(["budget", "depth"])["p50"]
    said = {name: float(text) for name, text in answers().items()}
    assert all(name.startswith("deep_") for name in said)
    phone, tiny = rates[125_000_000], rates[1_000_000]
    assert said["deep_slower"] == pytest.approx(100 * (1 - phone[30] / phone[12]), abs=0.5)
    assert said["deep_tiny_slower"] == pytest.approx(tiny[1] / tiny[16], abs=0.05)
    assert said["deep_cache_full"] == 9 / 3 * said["deep_cache_grouped"] == 30 * 2 * 576 * 2 / 1024
    assert said["deep_lead_long"] > 1.5 * said["deep_lead_short"] > 0
    assert said["deep_paper_points"] == pytest.approx(44.8 - 43.9)
