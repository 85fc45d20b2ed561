"""The plan of chapter 1's measurements, and a tiny one carried out."""

import json
from itertools import product

import pytest
from pretended import made

from mobilellm_lab import footprint
from mobilellm_lab.constraints import (
    BATCHES,
    CONTEXTS,
    SIZES,
    Machine,
    Point,
    ProbePlan,
    Workload,
    cores,
    measure_points,
    measure_probes,
    points,
    predict,
    probe_plans,
)
from mobilellm_lab.constraints.study import sweep as plans
from mobilellm_lab.sweeps import Store, key

PRETENDED = Machine(
    probes=(
        made("read", 2, 50),
        made("matmul", 8, 20, rows=4),
        made("matmul", 8, 30, rows=16),
        made("dispatch", 8, 2.0),
    )
)
TINY = [Point(size="60k", context=64, batch=batch, bits=32) for batch in (1, 4)]


def test_a_key_stays_what_it_is():
    # Another key, and every stored row is orphaned: a new field of Point or ProbePlan means a new sweep.
    assert key(Point(size="25M", context=64, batch=1, bits=32)) == "73eebf6bdade76ed"
    assert key(ProbePlan(name="read", working_set_mib=128)) == "ef416ed6249103f0"


def test_the_plan_is_the_full_product_and_all_cores_for_every_model_alone():
    plan = points()
    assert len(set(plan)) == len(plan)
    one = {(p.size, p.context, p.batch, p.bits) for p in plan if p.threads == 1}
    assert one == set(product(SIZES, CONTEXTS, BATCHES, (32, 16)))
    rest = [p for p in plan if p.threads > 1]
    assert {(p.size, p.bits) for p in rest} == (set(product(SIZES, (32, 16))) if cores() > 1 else set())
    assert all((p.context, p.batch, p.threads) == (64, 1, cores()) for p in rest)


def test_the_sizes_are_what_their_names_say():
    unit = {"k": 1e3, "M": 1e6}
    for name, config in SIZES.items():
        assert footprint.parameters(config) == pytest.approx(float(name[:-1]) * unit[name[-1]], rel=0.02)
        assert config.max_seq_len >= max(CONTEXTS)


def test_every_point_gets_a_row_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "ROUND_S", 0.0)
    store = Store(tmp_path / "constraints.jsonl")
    for point, row in measure_points(TINY, PRETENDED, rounds=3):
        store.add(point, row)
    assert len(store.rows) == 2
    for point in TINY:
        row = json.loads(json.dumps(store[point]))
        workload = Workload(config=point.config, bits_per_weight=32, kv_bits=32, context=64, batch=point.batch)
        assert row["read_bytes"] == workload.read_bytes and row["operations"] == workload.operations
        assert row["parameters"] == footprint.parameters(point.config) and row["rounds"] == 3
        assert 0 < row["tokens_per_s"]["p10"] <= row["tokens_per_s"]["p50"] <= row["tokens_per_s"]["p90"]
        assert row["tokens_per_s"]["p50"] == pytest.approx(1000 * point.batch / row["step_ms"]["p50"], rel=1e-3)
        p = predict(point.config, PRETENDED, batch=point.batch, context=64)
        assert row["predicted"]["tokens_per_s"] == pytest.approx(p.tokens_per_s, rel=1e-3)
        assert row["predicted"]["binds"] == p.binds
        assert row["provenance"]["command"] == "mobilellm-lab sweep constraints" and row["provenance"]["threads"] == 1


def test_points_of_one_model_take_turns(monkeypatch):
    order = []

    def steps(model, *, batch, context):
        while True:
            order.append(batch)
            yield 1.0

    monkeypatch.setattr(plans, "decode_steps", steps)
    monkeypatch.setattr(plans, "ROUND_S", 0.0)
    list(measure_points(TINY, PRETENDED, rounds=2))
    turn = [1] * (1 + plans.ROUND_STEPS) + [4] * (1 + plans.ROUND_STEPS)
    assert order == turn * 2


def test_a_probe_becomes_a_row_and_the_machine_again(tmp_path):
    plan = ProbePlan(name="read", working_set_mib=2)
    assert plan in probe_plans()
    store = Store(tmp_path / "constraints_machine.jsonl")
    for one, row in measure_probes([plan]):
        store.add(one, row)
    (probe,) = Machine.of_rows(store.rows.values()).probes
    assert (probe.name, probe.working_set_mib, probe.unit) == ("read", 2, "GB/s") and probe.runs >= 15
    assert store[plan]["provenance"]["command"] == "mobilellm-lab sweep constraints_machine"


def test_points_are_predicted_from_fresh_probes(monkeypatch, capsys):
    dispatch = ProbePlan(name="dispatch")
    asked = []
    monkeypatch.setattr(plans, "full_plan", lambda: (dispatch,))
    monkeypatch.setattr(
        plans, "measure_points", lambda todo, machine: asked.append((todo, machine.probes)) or iter(todo)
    )
    assert list(plans.measure_predicted(TINY)) == TINY
    assert "probes of this machine: 100%" in capsys.readouterr().err
    assert list(plans.measure_predicted([])) == []
    (todo, (probe,)), (nothing, none) = asked
    assert todo == TINY and (probe.name, probe.threads) == ("dispatch", 1)
    assert (nothing, none) == ([], ())  # no second is spent where no point is missing
    assert "probes" not in capsys.readouterr().err


def test_nothing_to_measure_is_no_row():
    assert list(measure_points([], PRETENDED)) == [] and list(measure_probes([])) == []
