"""Tables from a small store whose numbers are made up, so that every entry is known."""

import math

import pytest
from pruning.made_up import LAYERS, loss_increase_nats, store

from mobilellm_lab.pruning.study import evidence
from mobilellm_lab.pruning.study.recipe import SCAN_AMOUNTS, Recipe
from mobilellm_lab.pruning.study.sweep import DEEP, distances, studies
from mobilellm_lab.sweeps import Store, key


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Store:
    return store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("study", studies())
def test_every_run_of_a_study_is_a_row_and_no_other(made, study):
    frame = evidence.runs(made, study)
    assert len(frame) == len(studies()[study]) and set(frame["study"]) == {study}
    for (_, row), recipe in zip(frame.iterrows(), studies()[study], strict=True):
        assert (row["model"], row["amount"], row["seed"]) == (recipe.model, recipe.amount, recipe.seed)
        assert row["loss_increase_nats"] == pytest.approx(loss_increase_nats(recipe))
        assert row["perplexity"] == pytest.approx(math.exp(row["loss_nats"]))
        assert row["score"] == (0.9 if "stories" in recipe.model else 1.5)
        assert row["sparsity"] == recipe.amount and row["on_disk_bytes"] <= row["float_bytes"]


def test_increases_by_part_are_paired_with_the_dense_models_parts(made):
    row = evidence.runs(made, "pattern").iloc[0]
    assert row["loss_increase_low_nats"] == pytest.approx(row["loss_increase_nats"] - 0.2 + 0.05)
    assert row["loss_increase_high_nats"] == pytest.approx(row["loss_increase_nats"] + 0.2 - 0.05)


def test_a_scan_has_every_layer_at_every_amount_once(made):
    frame = evidence.scans(made)
    assert len(frame) == len(DEEP) * len(LAYERS) * len(SCAN_AMOUNTS)
    row = frame[(frame["layer"] == LAYERS[1]) & (frame["amount"] == 0.7)].iloc[0]
    assert row["loss_increase_nats"] == pytest.approx(1.7)


def test_an_unknown_study_and_a_missing_row_are_named(made, tmp_path):
    with pytest.raises(ValueError, match="study='all': choose one of dense, grid"):
        evidence.runs(made, "all")
    with pytest.raises(ValueError, match=r"no stored run for Recipe\(.*make it with `mobilellm-lab sweep pruning`"):
        evidence.runs(Store(tmp_path / "none.jsonl"), "dense")
    fewer = Store(tmp_path / "fewer.jsonl")
    gone = key(Recipe(model=DEEP[0], amount=0))
    fewer.rows = {name: row for name, row in made.rows.items() if name != gone}
    with pytest.raises(ValueError, match=r"no stored run for Recipe\(model='stories-deep', amount=0"):
        evidence.runs(fewer, "pattern")


def test_distances_are_those_of_one_model(tmp_path):
    few = Store(tmp_path / "sweep.jsonl")
    for amount, loss_nats in ((0, 1.0), (0.5, 1.1), (0.7, 1.5)):
        recipe = Recipe(amount=amount)
        few.add(recipe, {"loss_nats": loss_nats, "bytes": {"on_disk": int(1000 * (1 - amount))}})
    few.add(Recipe(model="text-deep"), {"loss_nats": 9.0, "bytes": {"on_disk": 400}})
    assert distances(few, "stories-deep") == [(500, pytest.approx(0.1)), (300, pytest.approx(0.5))]
    assert distances(few, "text-deep") == []  # nothing to hold it against
