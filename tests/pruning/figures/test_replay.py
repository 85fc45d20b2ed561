"""Chapter 4's replays: the full product is there, and what they say is what was stored."""

import pytest
from pruning.made_up import store

from mobilellm_lab.pruning.figures import replay as module
from mobilellm_lab.pruning.figures.replay import calibration_replay, granularity_replay, importance_replay
from mobilellm_lab.pruning.study.evidence import runs
from mobilellm_lab.pruning.study.recipe import COMPARED, DATA_DRIVEN
from mobilellm_lab.pruning.study.sweep import AMOUNTS, DEEP, GRAIN_AMOUNTS, GRAINS, RANKED, SEQUENCES
from mobilellm_lab.sweeps import Store

SETTINGS = {
    importance_replay: ("grid", [DEEP, AMOUNTS, RANKED, COMPARED]),
    granularity_replay: ("grains", [DEEP, GRAIN_AMOUNTS, GRAINS]),
    calibration_replay: ("sequences", [DEEP, SEQUENCES, DATA_DRIVEN]),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Store:
    return store(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("make", SETTINGS, ids=lambda make: make.__name__)
def test_the_full_product_is_there_and_points_are_the_stored_runs(make, made):
    study, values = SETTINGS[make]
    replay, names = make(made), []
    assert [slider.values for slider in replay.sliders] == values
    for slider in replay.sliders:
        names.append(slider.column)
    groups = runs(made, study).groupby(names)
    assert len(replay.rows) == len(groups) == len(replay.settings)
    for setting, group in groups:
        row = module._row(replay.rows, **dict(zip(names, setting, strict=True)))
        assert row["loss_increase"] == group["loss_increase_nats"].median() and row["seeds"] == len(group)
        low, high = group["loss_increase_nats"].min(), group["loss_increase_nats"].max()
        if len(group) == 1:
            low, high = group["loss_increase_low_nats"].iloc[0], group["loss_increase_high_nats"].iloc[0]
        assert (row["low"], row["high"]) == (low, high)
        assert row["kib"] == group["on_disk_bytes"].median() / 1024


def test_sentences_say_what_was_measured(made):
    replay = importance_replay(made)
    assert replay.readouts[replay.settings.index(("stories-deep", 0.5, "wanda", "row"))] == (
        "stories-deep, 50 % of the weights by Wanda, per output row: the loss is +0.1262 nats beside dense (+0.1250 to "
        "+0.1275, 3 seeds), two-hop answers 0.900."
    )
    replay = granularity_replay(made)
    said = replay.readouts[replay.settings.index(("text-deep", 0.25, "layer"))]
    assert said.startswith("text-deep, 25 % of the layers: the loss is +0.0631 nats") and "KiB on disk" in said
    replay = calibration_replay(made)
    said = replay.readouts[replay.settings.index(("text-deep", 1, "taylor"))]
    assert "by Taylor, calibrated on 1 sequence: " in said and "1.500 bits per byte" in said


def test_a_row_that_is_not_stored_is_named_with_its_command(tmp_path):
    with pytest.raises(ValueError, match="make it with `mobilellm-lab sweep pruning`"):
        importance_replay(Store(tmp_path / "none.jsonl"))
