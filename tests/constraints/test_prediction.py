"""Predictions from probes that are known, and a real one that is tried."""

import pytest
from pretended import made

from mobilellm_lab import footprint
from mobilellm_lab.constraints import (
    LAB_MODELS,
    Machine,
    ProbePlan,
    Workload,
    measure,
    measure_machine,
    predict,
    torch_operations,
)
from mobilellm_lab.model import ModelConfig

TINY = ModelConfig(vocab_size=50, dim=32, n_layers=3, n_heads=4, n_kv_heads=2, hidden_dim=48, max_seq_len=64)
PRETENDED = Machine(
    probes=(
        made("read", 2, 50),
        made("read", 512, 10),
        made("matmul", 8, 20, rows=4),
        made("matmul", 8, 40, rows=16),
        made("dispatch", 8, 2.0),
    )
)


def test_the_parts_by_hand():
    config = LAB_MODELS["125M"]
    p = predict(config, PRETENDED, context=64)
    assert p.read_bytes == 4 * 124_635_456 + 64 * 2 * 23_040
    assert p.bandwidth_gb_s == pytest.approx(PRETENDED.bandwidth_gb_s(p.read_bytes / 2**20))
    assert p.memory_ms == pytest.approx(1000 * p.read_bytes / (p.bandwidth_gb_s * 1e9))
    assert p.dispatch_ms == pytest.approx(torch_operations(config) * 2e-3)
    assert p.compute_ms == 0 and p.binds == "memory"
    assert p.step_ms == p.memory_ms + p.dispatch_ms
    assert p.tokens_per_s == pytest.approx(1000 / p.step_ms)


def test_a_batch_is_bound_by_its_products():
    p = predict(LAB_MODELS["25M"], PRETENDED, batch=16)
    operations = Workload(config=LAB_MODELS["25M"], context=64, batch=16).operations
    assert p.compute_ms == pytest.approx(1000 * operations / 40e9)
    assert p.binds == "compute" and p.step_ms == p.compute_ms + p.dispatch_ms
    assert p.tokens_per_s == pytest.approx(16_000 / p.step_ms)


def test_a_tiny_model_is_all_dispatch():
    p = predict(LAB_MODELS["60k"], PRETENDED)
    assert p.binds == "dispatch" and p.dispatch_ms > 0.9 * p.step_ms


def test_the_lab_has_one_model_of_dispatch_and_two_of_memory():
    assert [predict(config, PRETENDED).binds for config in LAB_MODELS.values()] == ["dispatch", "memory", "memory"]
    sizes = [footprint.parameters(config) for config in LAB_MODELS.values()]
    assert sizes == pytest.approx([60e3, 25e6, 125e6], rel=0.02)


def test_bits_and_context_reach_the_bytes():
    full, half = (predict(LAB_MODELS["25M"], _with_16_bits(), bits=bits) for bits in (32, 16))
    assert full.read_bytes == 2 * half.read_bytes
    longer = predict(LAB_MODELS["25M"], PRETENDED, context=1024)
    assert longer.read_bytes > full.read_bytes and longer.tokens_per_s < full.tokens_per_s


def _with_16_bits() -> Machine:
    more = (made("read", 8, 10, bits=16), made("dispatch", 8, 2.0, bits=16))
    return Machine(probes=PRETENDED.probes + more)


def test_without_the_probes_there_is_no_prediction():
    with pytest.raises(ValueError, match="no probe 'read' at threads=1, bits=16"):
        predict(TINY, PRETENDED, bits=16)
    with pytest.raises(ValueError, match="context=0: a token sees at least itself"):
        predict(TINY, PRETENDED, context=0)


def test_an_outcome_sets_measured_beside_predicted():
    outcome = measure(predict(TINY, PRETENDED, context=32), seconds=0.05)
    assert outcome.step.runs >= 5 and outcome.step.warmup == 2
    assert outcome.tokens_per_s == pytest.approx(1000 / outcome.step.median_ms)
    assert outcome.error == pytest.approx(outcome.prediction.tokens_per_s / outcome.tokens_per_s - 1)


def test_a_tiny_model_decodes_as_its_probe_says():
    """Ten times either way: a busy minute must not fail this, a wrong unit must."""
    machine = measure_machine((ProbePlan(name="read", working_set_mib=2), ProbePlan(name="dispatch")))
    outcome = measure(predict(LAB_MODELS["60k"], machine), seconds=0.2)
    assert 0.1 < 1 + outcome.error < 10


@pytest.mark.parametrize("changes", [{"repeats": 0}, {"warmup": -1}, {"seconds": -1.0}], ids=str)
def test_a_measurement_of_nothing_is_refused(changes):
    with pytest.raises(ValueError, match="give at least 1 repeat, nothing negative"):
        measure(predict(TINY, PRETENDED, context=32), **changes)
