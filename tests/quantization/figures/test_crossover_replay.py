"""Chapter 3's replay of speed: every backend at every size, as stored, and the flip that the rows have."""

import re

import pytest

from mobilellm_lab.quantization import BACKENDS, CROSSOVER_SIZES, crossover_size
from mobilellm_lab.quantization.figures.crossover_replay import crossover_replay
from mobilellm_lab.reference import open_sweep


@pytest.fixture(scope="module")
def store():
    return open_sweep("quantization_speed")


@pytest.fixture(scope="module")
def replay(store):
    return crossover_replay(store)


def test_the_first_pictures_hold_every_size_and_every_backend(replay):
    lines, bars = replay.svgs()
    assert len(re.findall(r'aria-roledescription="circle"', lines)) >= len(CROSSOVER_SIZES)
    assert len(re.findall(r'aria-roledescription="bar"', bars)) >= len(BACKENDS)


def test_every_backend_is_there_at_every_size(replay, store):
    assert [slider.values for slider in replay.sliders] == [tuple(BACKENDS), tuple(CROSSOVER_SIZES)]
    assert len(replay.rows) == len(BACKENDS) * len(CROSSOVER_SIZES)


def test_points_and_sentences_are_the_stored_rows(replay, store):
    table = replay.rows
    for row in store.rows.values():
        backend, size = row["recipe"]["backend"], row["recipe"]["size"]
        mine = table[(table["backend"] == backend) & (table["size"] == size)].iloc[0]
        assert (mine["low"], mine["speedup"], mine["high"]) == (
            row["speedup_low"],
            row["speedup"],
            row["speedup_high"],
        )
        assert mine["file_mb"] == row["file_bytes"] / 1e6 and mine["operations"] == row["operations"]
        said = replay.readouts[replay.settings.index((backend, size))]
        assert said.startswith(f"{backend}, {size}: {row['speedup']:.2f} times as fast as float32")
        assert row["verdict"] in said


def test_the_sentence_says_where_it_flips(replay, store):
    for backend in BACKENDS:
        flip = crossover_size(store.rows.values(), backend)
        said = replay.readouts[replay.settings.index((backend, "125M"))]
        if backend == "float32":
            assert "what differs is noise" in said
        elif flip:
            assert f"From {flip} on it is faster than float32." in said
        else:
            assert "At no size is it surely faster" in said
