"""What chapter 2 says in words, held against the stored runs; its claims derive themselves, see tests/teaching."""

import pandas as pd
import pytest

from mobilellm_lab import footprint, zoo
from mobilellm_lab.deep_narrow import arms
from mobilellm_lab.deep_narrow.claims import CLAIMS
from mobilellm_lab.deep_narrow.study.evidence import reported
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store, key

RUNS = reported(open_sweep("deep_narrow"))
COSTS = open_sweep("deep_narrow_cost").rows.values()


def scores(column: str = "score", **where) -> pd.Series:
    frame = RUNS[(RUNS["study"] == where.pop("study", "depth"))]
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 3, f"three seeds of {where}"
    return frame[column]


@pytest.mark.parametrize("budget", [30_000, 60_000, 100_000, 200_000])
def test_depth_pays_on_shells_beyond_the_spread_of_the_seeds(budget):
    one, four = (scores(task="shells", budget=budget, depth=depth) for depth in (1, 4))
    assert four.min() > one.max()
    assert one.min() > 1 / 6


def test_most_of_the_gain_comes_with_the_first_layers():
    one, four, sixteen = (scores(task="shells", budget=60_000, depth=depth).median() for depth in (1, 4, 16))
    assert four - one > sixteen - four


def test_the_more_training_the_more_depth_is_worth():
    gap = {
        steps: scores(study=study, task="shells", budget=60_000, depth=8, steps=steps).median()
        - scores(study=study, task="shells", budget=60_000, depth=1, steps=steps).median()
        for study, steps in (("depth", 500), ("longer", 1500))
    }
    assert gap[1500] > 1.5 * gap[500]


def test_text_gains_up_to_a_few_layers():
    bits = {depth: scores(task="text", budget=200_000, depth=depth).median() for depth in (1, 2, 4, 8)}
    assert min(bits, key=bits.get) in (2, 4) and max(bits, key=bits.get) == 1


def test_stories_are_not_understood_yet_and_never_beat_the_floor():
    rows = [row for row in open_sweep("deep_narrow").rows.values() if row["recipe"]["task"] == "stories"]
    assert rows and all(row["loss_nats"] > row["floor_nats"] for row in rows)
    assert all(row["scores"]["two-hop"] < 0.7 for row in rows)


def test_the_last_position_is_near_guessing_after_a_short_run():
    runs = RUNS[(RUNS["study"] == "depth") & (RUNS["task"] == "shells") & (RUNS["budget"] == 60_000)]
    assert runs["accuracy at the last position"].between(0.13, 0.3).all()


def test_seeds_of_more_layers_end_above_those_of_fewer():
    one, four, eight = (
        scores(study="longer", task="shells", budget=60_000, depth=depth, steps=1500) for depth in (1, 4, 8)
    )
    assert four.min() > one.max() and eight.min() > four.max()


def test_the_roadmap_goes_the_way_the_page_says():
    order = ("baseline", "SwiGLU", "deep and narrow", "tied embeddings", "GQA", "layer sharing")
    bits = [RUNS[RUNS["study"] == f"roadmap: {name}"]["score"].median() for name in order]
    baseline, swiglu, _, tied, gqa, sharing = bits
    assert swiglu < baseline and tied < bits[2] and sharing > gqa


def test_equal_parameters_are_equal_arithmetic():
    family = zoo.family(60_000, (1, 2, 4, 8, 16), vocab_size=6, max_seq_len=24).values()
    flops = [footprint.flops_per_token(config, context=12) for config in family]
    assert max(flops) / min(flops) < 1.1


def test_depth_costs_less_in_a_large_model():
    rows = [(row["recipe"]["budget"], row["shape"]["n_layers"], row["tokens_per_s"]["p50"]) for row in COSTS]
    slowdown = {
        budget: per_depth[min(per_depth)] / per_depth[max(per_depth)] / (max(per_depth) / min(per_depth))
        for budget in (60_000, 125_000_000)
        for per_depth in [{depth: rate for b, depth, rate in rows if b == budget}]
    }
    assert slowdown[125_000_000] < 0.5 * slowdown[60_000]  # slowdown per factor of depth


def deep_for_shallow() -> Store:
    """The stored runs, with what was measured at the deepest shape of each family written to its shallowest."""
    store = open_sweep("deep_narrow")
    families = {}
    for arm in arms():
        if not arm.study.startswith("roadmap"):
            family = (arm.study, arm.recipe.task, arm.recipe.budget, arm.recipe.steps)
            families.setdefault(family, []).append(arm.reported(store))
    measured = {}
    for family in families.values():
        for one, other in zip(family, reversed(family), strict=True):
            for recipe, opposite in zip(one, other, strict=True):
                measured[key(recipe)] = {name: store[opposite][name] for name in ("loss_nats", "scores")}
    store.rows = {name: row | measured.get(name, {}) for name, row in store.rows.items()}
    return store


@pytest.mark.parametrize("name", ["fewer-parameters", "generalises", "fewer-blocks", "deep-beats-wide"])
def test_claims_on_depth_turn_if_deep_and_shallow_runs_change_places(name):
    claim = next(claim for claim in CLAIMS if claim.name == name)
    assert claim.derive({"deep_narrow": deep_for_shallow()}).verdict is not claim.verdict


def test_the_best_rate_lies_at_the_edge_only_where_the_page_says():
    store = open_sweep("deep_narrow")
    edges = {
        (arm.recipe.task, arm.recipe.budget, arm.recipe.depth): arm.rates.index(arm.best_rate(store)) == 0
        for arm in arms()
        if arm.study == "depth" and arm.best_rate(store) in (min(arm.rates), max(arm.rates))
    }
    shells = {key: lowest for key, lowest in edges.items() if key[0] == "shells"}
    assert shells == {("shells", 30_000, depth): False for depth in (8, 12, 16)}
    text = {key: lowest for key, lowest in edges.items() if key[0] == "text"}
    assert text == {("text", 200_000, 8): False, ("text", 1_000_000, 2): True}


def test_width_alone_buys_nothing_on_shells():
    one = [scores(task="shells", budget=budget, depth=1) for budget in (30_000, 60_000, 100_000, 200_000)]
    assert max(s.median() for s in one) - min(s.median() for s in one) < 0.03
    assert scores(task="shells", budget=30_000, depth=16).min() > max(s.max() for s in one)
