"""Chapter 2's replays over the stored sweeps: the full product is there, and what they say is what was stored."""

from dataclasses import asdict

import pytest

from mobilellm_lab.deep_narrow import arms
from mobilellm_lab.deep_narrow.exercises.predictions import NARROW
from mobilellm_lab.deep_narrow.figures import replay as module
from mobilellm_lab.deep_narrow.figures.replay import cost_replay, landing_replay, quality, quality_replay, shells_arms
from mobilellm_lab.deep_narrow.study.sweep import SEEDS
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store, key

DEPTHS, BUDGETS = (1, 2, 3, 4, 6, 8, 12, 16), (30_000, 60_000, 100_000, 200_000)


@pytest.fixture(scope="module")
def store() -> Store:
    return open_sweep("deep_narrow")


def rows_of(frame, column: str, depth: int, budget: int) -> list[float]:
    return sorted(frame[(frame["depth"] == depth) & (frame["budget"] == budget)][column])


def test_quality_has_the_full_product(store):
    replay = quality_replay(store)
    assert [slider.values for slider in replay.sliders] == [DEPTHS, BUDGETS]
    assert len(replay.rows) == len(DEPTHS) * len(BUDGETS) == len(shells_arms())


def test_the_first_page_shows_every_budget_but_the_one_to_predict(store):
    replay, (_, hidden) = landing_replay(store), NARROW
    assert [slider.values for slider in replay.sliders] == [DEPTHS, tuple(one for one in BUDGETS if one != hidden)]
    assert set(replay.rows["budget"]) == set(BUDGETS) - {hidden}
    assert f"{hidden}" not in replay.html() and f"{hidden:,}" not in replay.html()


def test_points_are_the_stored_runs(store):
    data = quality(store)
    for arm in shells_arms():
        depth, budget = arm.recipe.depth, arm.recipe.budget
        stored = [store[recipe] for recipe in arm.reported(store)]
        assert rows_of(data.runs, "score", depth, budget) == sorted(row["scores"]["accuracy"] for row in stored)
        assert rows_of(data.curves, "score", depth, budget) == sorted(p[2] for row in stored for p in row["curve"])
        said = data.row(depth=depth, budget=budget)
        assert {name: said[name] for name in ("parameters", "flops_per_token", "kv_bytes_per_token")} == {
            name: stored[0][name] for name in ("parameters", "flops_per_token", "kv_bytes_per_token")
        }
        assert said["lr"] == arm.best_rate(store)
        assert said["low"] <= said["median"] <= said["high"]


def test_the_readout_says_shape_cost_quality_and_rate(store):
    data = quality(store)
    row = data.row(depth=4, budget=60_000)
    said = quality_replay(store).readouts[DEPTHS.index(4) * len(BUDGETS) + BUDGETS.index(60_000)]
    assert said == (
        f"4 layers, {row['dim']:.0f} wide, FFN {row['hidden_dim']:.0f}: {row['parameters']:,.0f} parameters, "
        f"{row['flops_per_token']:,.0f} FLOPs and {row['kv_bytes_per_token']:,.0f} bytes of KV cache per token. "
        f"Accuracy {row['median']:.2f} (median of {len(SEEDS)} seeds, {row['low']:.2f} to {row['high']:.2f}; "
        f"guessing 0.17), at a learning rate of {row['lr']:g}, the best of {len(shells_arms()[0].rates)}."
    )


def test_a_run_that_is_not_stored_is_named_with_its_command(store, tmp_path):
    gone = shells_arms()[0].reported(store)[0]
    assert asdict(gone)["budget"] == 30_000
    fewer = Store(tmp_path / "fewer.jsonl")
    fewer.rows = {name: row for name, row in store.rows.items() if name != key(gone)}
    with pytest.raises(ValueError, match="mobilellm-lab sweep deep_narrow"):
        quality_replay(fewer)


def test_a_budget_that_lacks_a_depth_is_refused(store):
    plan = [arm for arm in shells_arms() if (arm.recipe.depth, arm.recipe.budget) != (6, 100_000)]
    with pytest.raises(ValueError, match=r"lack 1 of 32 settings, the first \{'depth': 6, 'budget': 100000\}"):
        quality_replay(store, plan)


def test_only_the_study_of_depth_on_shells_is_shown():
    shown = shells_arms()
    assert {(arm.study, arm.recipe.task, arm.recipe.hold_out, arm.recipe.steps) for arm in shown} == {
        ("depth", "shells", False, 500)
    }
    assert set(shown) < set(arms())


def test_cost_says_what_was_timed():
    store = open_sweep("deep_narrow_cost")
    replay = cost_replay(store)
    (slider,) = replay.sliders
    assert slider.values == (60_000, 1_000_000, 10_000_000, 125_000_000)
    assert slider.words == tuple(f"{name} parameters" for name in ("60k", "1M", "10M", "125M"))
    for budget, said in zip(slider.values, replay.readouts, strict=True):
        speeds = {
            row["shape"]["n_layers"]: row["tokens_per_s"]["p50"]
            for row in store.rows.values()
            if row["recipe"]["budget"] == budget
        }
        shallow, deep = min(speeds), max(speeds)
        assert said.startswith(f"At {module.short(budget)} parameters {shallow} layer")
        assert said.endswith(f": {speeds[shallow] / speeds[deep]:.1f} times slower.")
    assert len(replay.rows) == len(store.rows)
    assert set(replay.rows.groupby("budget")["times_slower"].first()) == {1.0}


@pytest.mark.parametrize(("budget", "said"), [(30_000, "30k"), (1_000_000, "1M"), (125_000_000, "125M")])
def test_budgets_are_short(budget, said):
    assert module.short(budget) == said
