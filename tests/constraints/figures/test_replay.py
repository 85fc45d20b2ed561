"""Chapter 1's replays: the sweep's full product is there, cards are calculated, and what they say is what they show."""

from itertools import product

import pytest

from mobilellm_lab import zoo
from mobilellm_lab.charts.replay import Replay
from mobilellm_lab.charts.report import digits
from mobilellm_lab.constraints import (
    DEVICES,
    EFFICIENCY_RANGE,
    Machine,
    Probe,
    Workload,
    decode_speed,
    endurance,
    fit,
    this_machine,
)
from mobilellm_lab.constraints.figures import replay as module
from mobilellm_lab.constraints.figures.replay import cards_replay, machine_replay
from mobilellm_lab.constraints.study.sweep import BATCHES, CONTEXTS, SIZES
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store


@pytest.fixture(scope="module")
def store() -> Store:
    return open_sweep("constraints")


@pytest.fixture(scope="module")
def cards() -> Replay:
    return cards_replay()


def test_the_machines_replay_has_the_full_product_on_one_thread(store):
    replay = machine_replay(store)
    assert [slider.values for slider in replay.sliders] == [tuple(SIZES), CONTEXTS, BATCHES, (16, 32)]
    assert len(replay.rows) == len(SIZES) * len(CONTEXTS) * len(BATCHES) * 2
    assert replay.badge.startswith("Replay: every point is a stored measurement. Measured on")


def test_rows_are_what_was_stored(store):
    rows = machine_replay(store).rows.set_index(["size", "context", "batch", "bits"])
    stored = [row for row in store.rows.values() if row["recipe"]["threads"] == 1]
    assert len(rows) == len(stored)
    for row in stored:
        mine = rows.loc[tuple(row["recipe"][name] for name in ("size", "context", "batch", "bits"))]
        assert {name: mine[name] for name in ("p10", "p50", "p90")} == row["tokens_per_s"]
        assert mine["predicted"] == row["predicted"]["tokens_per_s"]
        assert mine["step_ms"] == row["step_ms"]["p50"]
    assert rows["parameters"].is_monotonic_increasing


def test_the_sentence_of_a_measurement_says_both_numbers_and_how_far_apart_they_are(store):
    replay = machine_replay(store)
    rows = replay.rows.set_index(["size", "context", "batch", "bits"])
    for setting, said in zip(replay.settings, replay.readouts, strict=True):
        row = rows.loc[setting]
        off = row["p50"] / row["predicted"] - 1
        assert f"measured {digits(row['p50'])} tokens/s" in said
        assert f"predicted {digits(row['predicted'])}: the measurement is {abs(off):.0%} " in said
        assert ("above" in said) == (off >= 0)
        assert f"{digits(max(row['memory_ms'], row['compute_ms']))} ms of " in said


def test_a_setting_that_was_not_measured_is_refused(store, tmp_path):
    fewer = Store(tmp_path / "fewer.jsonl")
    gone = {"size": "60k", "context": CONTEXTS[0], "batch": 1, "bits": 32, "threads": 1}
    fewer.rows = {key: row for key, row in store.rows.items() if row["recipe"] != gone}
    assert len(fewer.rows) == len(store.rows) - 1
    with pytest.raises(ValueError, match="rows lack 1 of 90 settings"):
        machine_replay(fewer)
    fewer.rows = {}
    with pytest.raises(ValueError, match="no stored settings: make them with `mobilellm-lab sweep constraints`"):
        machine_replay(fewer)


def test_cards_are_calculated_and_say_so(cards):
    assert cards.badge.startswith("By formula, not measured")
    assert [slider.values for slider in cards.sliders] == [
        tuple(DEVICES),
        module.MODELS,
        tuple(sorted(module.BITS)),
        module.CONTEXTS,
    ]


@pytest.mark.parametrize("name", DEVICES)
def test_every_setting_of_every_card_is_what_the_formulas_give(cards, name):
    device, rows = DEVICES[name], cards.rows.set_index(["device", "model", "bits", "context"])
    said = dict(zip(cards.settings, cards.readouts, strict=True))
    for model, bits, context in product(module.MODELS, module.BITS, module.CONTEXTS):
        row = rows.loc[(name, model, bits, context)]
        work = Workload(config=zoo.SHAPES[model].config, bits_per_weight=bits, context=context)
        needs, lasts, words = fit(device, work), endurance(device, work), said[(name, model, bits, context)]
        assert row["weights_mib"] + row["kv_mib"] + row["activations_mib"] == pytest.approx(needs.total_mib)
        assert words.startswith(f"{model} at {bits} bits and {context:,} tokens on {name}: {digits(needs.total_mib)}")
        verdict = {True: ": fits.", False: ": too large.", None: "the memory of the device is unknown."}[needs.fits]
        assert verdict in words
        ends = [decode_speed(device, work, efficiency=share).tokens_per_s for share in EFFICIENCY_RANGE]
        speed = "Speed unknown" if ends[0] is None else f"{digits(ends[0])} to {digits(ends[1])} tokens/s"
        assert speed in words
        assert ("battery unknown" in words) == (lasts.hours is None)


def test_the_readers_own_machine_can_stand_among_the_cards():
    rates = {"read": ("GB/s", 12.0, 1), "matmul": ("GFLOP/s", 60.0, 1024), "dispatch": ("us", 2.0, 1)}
    probes = tuple(
        Probe(name=name, threads=1, working_set_mib=8, bits=32, rows=rows, unit=unit, median=m, p10=m, p90=m, runs=5)
        for name, (unit, m, rows) in rates.items()
    )
    replay = cards_replay([DEVICES["iPhone 13"], this_machine(Machine(probes=probes))])
    assert replay.sliders[0].values[-1] == "this machine"
    rows = replay.rows.set_index(["device", "model", "bits", "context"])
    fast = rows.loc[("this machine", "MobileLLM-125M", 16, 512), "high"]
    work = Workload(config=zoo.SHAPES["MobileLLM-125M"].config, context=512)
    assert fast == pytest.approx(EFFICIENCY_RANGE[1] * 12e9 / work.read_bytes)
