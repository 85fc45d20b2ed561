"""The stored rows of chapter 1: of today's shapes, with predictions that follow from their own parts."""

import pytest

from mobilellm_lab import footprint
from mobilellm_lab.constraints import (
    CONTEXTS,
    SIZES,
    Machine,
    Point,
    Workload,
    predict,
    torch_operations,
)
from mobilellm_lab.constraints.decode import DTYPES
from mobilellm_lab.constraints.machine import UNITS
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import key

STORE, PROBES = open_sweep("constraints"), open_sweep("constraints_machine")
ROWS = [(Point(**row["recipe"]), row) for row in STORE.rows.values()]
MACHINE = Machine.of_rows(PROBES.rows.values())


def test_every_model_was_also_decoded_alone_on_all_cores():
    """How many there were, the measuring machine knows; a machine with one core has no such rows."""
    more = [point for point, _ in ROWS if point.threads > 1]
    counts = {point.threads for point in more}
    assert len(counts) <= 1 and all((point.context, point.batch) == (CONTEXTS[0], 1) for point in more)
    if more:
        assert {(point.size, point.bits) for point in more} == {(size, bits) for size in SIZES for bits in DTYPES}


def test_every_row_is_of_the_shape_that_its_size_means_now():
    for point, row in ROWS:
        config = point.config
        sizes = {"bits_per_weight": point.bits, "kv_bits": point.bits}
        workload = Workload(config=config, context=point.context, batch=point.batch, **sizes)
        assert row["key"] == key(point)
        assert row["shape"] == {name: getattr(config, name) for name in ("dim", "hidden_dim", "n_layers", "head_dim")}
        assert row["parameters"] == footprint.parameters(config)
        assert (row["read_bytes"], row["operations"]) == (workload.read_bytes, workload.operations)


def test_every_row_was_measured_in_rounds():
    for point, row in ROWS:
        rate, step = row["tokens_per_s"], row["step_ms"]
        assert row["rounds"] >= 3
        assert 0 < rate["p10"] <= rate["p50"] <= rate["p90"] and 0 < step["p10"] <= step["p50"] <= step["p90"]
        assert rate["p50"] == pytest.approx(1000 * point.batch / step["p50"], rel=1e-3)


def test_every_prediction_is_the_sum_of_its_parts():
    for point, row in ROWS:
        p = row["predicted"]
        step = max(p["memory_ms"], p["compute_ms"]) + p["dispatch_ms"]
        assert p["step_ms"] == pytest.approx(step, rel=1e-3)
        assert p["tokens_per_s"] == pytest.approx(1000 * point.batch / step, rel=1e-3)
        assert p["memory_ms"] == pytest.approx(1e-6 * row["read_bytes"] / p["bandwidth_gb_s"], rel=1e-3)
        assert (p["compute_ms"] > 0) == (point.batch > 1)
        each_us = 1000 * p["dispatch_ms"] / torch_operations(point.config)
        assert 0.05 < each_us < 5000


def test_the_probes_can_predict_every_row_of_one_thread():
    assert {probe.unit for probe in MACHINE.probes} == set(UNITS.values())
    for point, _ in ROWS:
        if point.threads == 1:
            sizes = {"bits": point.bits, "batch": point.batch, "context": point.context}
            assert predict(point.config, MACHINE, **sizes).tokens_per_s > 0


def test_every_probe_has_its_spread_and_no_two_are_the_same_measurement():
    for probe in MACHINE.probes:
        assert 0 < probe.p10 <= probe.median <= probe.p90 and probe.runs >= 2
    assert len({(probe.name, probe.median, probe.p10, probe.p90) for probe in MACHINE.probes}) == len(MACHINE.probes)


def test_reading_was_probed_past_what_any_model_of_the_sweep_reads_alone():
    largest = max(row["read_bytes"] for point, row in ROWS if point.batch == 1) / 2**20
    for bits in DTYPES:
        assert MACHINE.find("read", bits=bits)[-1].working_set_mib >= largest


def test_a_larger_model_decodes_slower():
    sizes = list(SIZES)
    for bits in DTYPES:
        at = {p.size: r for p, r in ROWS if (p.context, p.batch, p.bits, p.threads) == (CONTEXTS[0], 1, bits, 1)}
        rates = [at[size]["tokens_per_s"]["p50"] for size in sizes]
        assert rates == sorted(rates, reverse=True)
