"""Chapter 7's replays over the stored sweeps: the full product is there, and what they say is what was stored."""

import re

import pytest

from mobilellm_lab.metrics.duel import OUTCOMES, RULES
from mobilellm_lab.metrics.figures.replay import duel_replay, pitfalls_replay
from mobilellm_lab.metrics.pitfalls import PITFALLS
from mobilellm_lab.metrics.study.sweep import PITFALL_REPEATS, REPEATS, SLOWDOWNS
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store

MAKERS = {
    "duel": lambda: duel_replay(open_sweep("metrics")),
    "lies": lambda: pitfalls_replay(open_sweep("metrics_lies")),
}


def test_the_first_pictures_hold_marks():
    bars, lines = MAKERS["duel"]().svgs()
    assert len(re.findall(r'aria-roledescription="bar"', bars)) == len(OUTCOMES)
    assert len(re.findall(r'aria-roledescription="circle"', lines)) == len(SLOWDOWNS) + 1  # one is marked
    told, factors = MAKERS["lies"]().svgs()
    assert len(re.findall(r'aria-roledescription="point"', told)) == 2 * PITFALL_REPEATS
    assert len(re.findall(r'aria-roledescription="point"', factors)) == len(PITFALLS) * PITFALL_REPEATS


def test_duels_have_the_full_product():
    replay = MAKERS["duel"]()
    assert [slider.values for slider in replay.sliders] == [SLOWDOWNS, REPEATS, (False, True), RULES]
    assert len(replay.rows) == len(replay.settings) == len(SLOWDOWNS) * len(REPEATS) * 2 * len(RULES)


def test_shares_are_the_stored_ones():
    store = open_sweep("metrics")
    frame = duel_replay(store).rows.set_index(["slowdown", "repeats", "neighbour", "rule"])
    for row in store.rows.values():
        setting = tuple(row["recipe"][name] for name in ("slowdown_percent", "repeats", "neighbour", "rule"))
        shown = frame.loc[setting]
        assert {name: shown[name] for name in OUTCOMES} == row["shares"]
        assert (shown["low"], shown["high"]) == (row["right_low"], row["right_high"])
        assert shown["low"] <= shown["right"] <= shown["high"]


def test_a_duels_sentence_says_setting_shares_and_spread():
    store = open_sweep("metrics")
    replay = duel_replay(store)
    for row in store.rows.values():
        recipe, shares = row["recipe"], row["shares"]
        setting = tuple(recipe[name] for name in ("slowdown_percent", "repeats", "neighbour", "rule"))
        said = replay.readouts[replay.settings.index(setting)]
        slower = f"{recipe['slowdown_percent']} % slower" if recipe["slowdown_percent"] else "no slower"
        machine = "a busy neighbour" if recipe["neighbour"] else "a quiet machine"
        assert said.startswith(f"b truly {slower}, {recipe['repeats']} pairs, {machine}, rule “{recipe['rule']}”: ")
        spread = f"{row['right_low']:.0%} to {row['right_high']:.0%} in {row['series']} series"
        assert f"right in {shares['right']:.0%} of the duels ({spread})" in said
        for name in OUTCOMES[1:]:
            assert (f"{name} {shares[name]:.0%}" in said) == (shares[name] >= 0.005)


def test_a_setting_that_is_not_stored_is_refused(tmp_path):
    store, fewer = open_sweep("metrics"), Store(tmp_path / "fewer.jsonl")
    fewer.rows = dict(list(store.rows.items())[1:])
    with pytest.raises(ValueError, match=f"lack 1 of {len(store.rows)} settings"):
        duel_replay(fewer)


def test_every_lie_is_told_with_its_own_numbers_and_its_cure():
    store = open_sweep("metrics_lies")
    replay = pitfalls_replay(store)
    frame = replay.rows
    (slider,) = replay.sliders
    assert set(slider.values) == set(PITFALLS)
    for name, said in zip(slider.values, replay.readouts, strict=True):
        rows = frame[frame["pitfall"] == name]
        assert len(rows) == PITFALL_REPEATS
        middle = rows.sort_values("factor").iloc[PITFALL_REPEATS // 2]
        assert middle["says_wrong"] in said and middle["says_right"] in said and said.endswith(middle["cure"])
        assert f"{rows['factor'].min():.3g} to {rows['factor'].max():.3g} times" in said


def test_both_numbers_of_a_lie_are_the_stored_ones():
    store = open_sweep("metrics_lies")
    frame = pitfalls_replay(store).rows.set_index(["pitfall", "repeat"])
    for row in store.rows.values():
        shown = frame.loc[(row["recipe"]["name"], row["recipe"]["repeat"])]
        assert (shown["wrong"], shown["right"], shown["unit"]) == (row["wrong"], row["right"], row["unit"])
        assert shown["factor"] == pytest.approx(row["wrong"] / row["right"])
