"""Duels with a known truth: every slider's every position, every rule on series that decide it, and the end."""

import time

import numpy as np
import psutil
import pytest

from mobilellm_lab.measuring import compare_samples
from mobilellm_lab.metrics import OUTCOMES, RULES, VERDICTS, DuelRecipe, DuelRun, duel, judge, outcome

SAME = [1.0] * 10


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("slowdown", [0, 2, 5, 10, 20, 100])
def test_every_setting_ends_in_a_verdict_of_its_rule(rule, slowdown):
    run = DuelRun(DuelRecipe(slowdown_percent=slowdown, repeats=7, warmup=1, rule=rule))
    pairs = list(run)
    result = run.result()
    assert [pair.number for pair in pairs] == list(range(1, 8))
    assert result.a_ms == tuple(pair.a_ms for pair in pairs) and result.b_ms == tuple(pair.b_ms for pair in pairs)
    assert result.verdict == pairs[-1].verdict == judge(result.a_ms, result.b_ms, rule) in VERDICTS
    assert result.truth == ("a is faster" if slowdown else "not distinguishable")
    assert result.outcome == outcome(result.verdict, result.truth) in OUTCOMES
    assert result.comparison == compare_samples(result.a_ms, result.b_ms)


@pytest.mark.parametrize("repeats", [1, 2, 200])
@pytest.mark.parametrize("warmup", [0, 20])
def test_every_length(repeats, warmup):
    run = DuelRun(DuelRecipe(repeats=repeats, warmup=warmup, rule="medians"))
    assert len(list(run)) == repeats == len(run.result().a_ms)


def test_b_does_more_work_by_the_share_that_it_says():
    run = DuelRun(DuelRecipe(slowdown_percent=100, repeats=40, rule="medians"), clock=time.process_time)
    for _ in run:
        pass
    assert min(run.b_ms) / min(run.a_ms) == pytest.approx(
        2, rel=0.25
    )  # processor time: another process takes none of it


def test_b_goes_first_in_half_of_the_pairs(monkeypatch):
    units = []

    class Work(duel._Work):
        def timed_ms(self, count, clock):
            units.append(count)
            return 1.0

    monkeypatch.setattr(duel, "_Work", Work)
    for _ in DuelRun(DuelRecipe(slowdown_percent=5, repeats=40, warmup=2, rule="medians")):
        pass
    assert units[:4] == [100, 105, 100, 105]
    pairs = [tuple(units[i : i + 2]) for i in range(4, 84, 2)]
    assert pairs.count((100, 105)) == pairs.count((105, 100)) == 20
    assert pairs != [(100, 105), (105, 100)] * 20


def test_the_same_recipe_asks_for_the_same_order():
    """Times differ, what is done does not."""
    orders = []
    for _ in range(2):
        ticks = iter(range(10**6))
        run = DuelRun(
            DuelRecipe(repeats=8, warmup=0, rule="medians", seed=3), clock=lambda ticks=ticks: float(next(ticks))
        )
        orders.append(list(run))
    assert orders[0] == orders[1]


def test_rules_on_series_that_decide_them():
    spike = [1.0] * 9 + [100.0]
    assert judge(SAME, spike, "medians") == "not distinguishable"
    assert judge(SAME, spike, "means") == "a is faster"
    assert judge(SAME, spike[::-1], "one shot") == "a is faster"
    assert judge(SAME, spike, "one shot") == "not distinguishable"
    assert judge(SAME, spike, "paired interval") == "not distinguishable"
    slower = [1.1] * 10
    assert {judge(SAME, slower, rule) for rule in RULES} == {"a is faster"}
    assert {judge(slower, SAME, rule) for rule in RULES} == {"b is faster"}
    assert {judge(SAME, SAME, rule) for rule in RULES} == {"not distinguishable"}


def test_rules_without_an_interval_have_a_margin():
    for rule in ("one shot", "means", "medians"):
        assert judge(SAME, [1.009] * 10, rule) == "not distinguishable"
        assert judge(SAME, [1.011] * 10, rule) == "a is faster"


def test_drift_misleads_means_of_separate_blocks_but_no_pair():
    """Both slow down to double: within each pair nothing changes."""
    rng = np.random.default_rng(0)
    drift = np.linspace(1, 2, 40)
    a, b = drift * (1 + 0.01 * rng.random(40)), 1.1 * drift * (1 + 0.01 * rng.random(40))
    assert judge(a, b, "paired interval") == "a is faster"


@pytest.mark.parametrize(
    "verdict, truth, expected",
    [
        ("a is faster", "a is faster", "right"),
        ("not distinguishable", "not distinguishable", "right"),
        ("a is faster", "not distinguishable", "false alarm"),
        ("b is faster", "not distinguishable", "false alarm"),
        ("not distinguishable", "a is faster", "missed"),
        ("b is faster", "a is faster", "wrong winner"),
    ],
)
def test_outcomes(verdict, truth, expected):
    assert outcome(verdict, truth) == expected


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


@pytest.mark.parametrize("end", ["last pair", "closed iterator", "close()", "dropped"])
def test_the_neighbour_ends_however_the_duel_does(end):
    before = children()
    run = DuelRun(DuelRecipe(neighbour=True, repeats=3, warmup=0, rule="medians"))
    pairs = iter(run)
    next(pairs)
    assert len(children() - before) == 1
    if end == "last pair":
        assert len(list(pairs)) == 2
    elif end == "closed iterator":
        pairs.close()
    elif end == "close()":
        run.close()
    else:
        del pairs
    assert not children() - before
    assert run.result().verdict in VERDICTS


def test_a_run_may_be_made_again():
    run = DuelRun(DuelRecipe(repeats=4, warmup=0, rule="means"))
    assert len(list(run)) == len(list(run)) == len(run.result().a_ms) == 4


@pytest.mark.parametrize(
    "options, message",
    [
        ({"slowdown_percent": -1}, "slowdown_percent=-1: choose a whole number from 0 to 100"),
        ({"slowdown_percent": 101}, "slowdown_percent=101"),
        ({"repeats": 0}, "repeats=0"),
        ({"repeats": 201}, "repeats=201"),
        ({"warmup": 21}, "warmup=21"),
        ({"rule": "feeling"}, "rule='feeling': choose one of one shot, means"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        DuelRecipe(**options)


def test_what_cannot_be_judged_is_named():
    with pytest.raises(ValueError, match="rule='feeling'"):
        judge(SAME, SAME, "feeling")
    with pytest.raises(ValueError, match="a_ms has 0 samples"):
        judge([], [], "means")
    with pytest.raises(ValueError, match="a_ms has 10 samples and b_ms 1"):
        judge(SAME, [1.0], "means")
    with pytest.raises(ValueError, match="pairs=0 taken"):
        DuelRun(DuelRecipe()).result()
