"""What the sliders of chapter 1 stand for: shapes, formulas on the card, and a decode that is real or refused."""

from dataclasses import replace

import pytest
import torch
from pretended import made

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import (
    BITS,
    DEVICES,
    MODELS,
    Machine,
    Recipe,
    Run,
    Workload,
    cores,
    decode_speed,
    endurance,
    find_device,
    fit,
    predict,
    prefill_speed,
)

TINY = Recipe(depth=2, width=64, context=16, tokens=5)
PRETENDED = Machine(probes=(made("read", 2, 50), made("read", 512, 10), made("dispatch", 8, 2.0)))


@pytest.fixture(scope="module")
def done() -> Run:
    run = Run(TINY, PRETENDED)
    for _ in run:
        pass
    return run


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_shape_and_its_verdicts(name):
    run = Run(Recipe(model=name, bits=4, context=256))  # 4 bits: formulas only, nothing is built
    if name != "own":
        assert run.config.resized(max_seq_len=2048) == zoo.SHAPES[name].config
        assert footprint.parameters(run.config) == zoo.SHAPES[name].weights - zoo.SHAPES[name].extra
    assert run.fit.total_mib > 0 and run.decode.tokens_per_s > 0 and run.prefill.tokens_per_s > 0


@pytest.mark.parametrize("device", DEVICES)
def test_every_card_judges(device):
    result = Run(Recipe(device=device, bits=8)).result()
    card = find_device(device)
    assert result.fit.device is card is result.endurance.device
    assert (result.decode.tokens_per_s is None) == (not card.bandwidth_gb_s.known)
    assert (result.fit.fits is None) == (not card.memory_gib.known)


@pytest.mark.parametrize("bits", BITS)
def test_every_number_of_bits_reaches_the_workload(bits):
    workload = replace(TINY, bits=bits).workload()
    assert workload.bits_per_weight == bits and workload.kv_bits == max(bits, 16)
    assert replace(TINY, bits=bits).runs_here == (bits >= 16)


@pytest.mark.parametrize(
    ("width", "heads"), [(64, (1, 1)), (128, (2, 1)), (192, (3, 1)), (256, (4, 2)), (320, (5, 5)), (576, (9, 3))]
)
def test_an_own_shape_groups_its_heads(width, heads):
    config = Recipe(width=width, depth=3).model_config()
    assert (config.n_heads, config.n_kv_heads) == heads and config.head_dim == 64
    assert (config.dim, config.n_layers) == (width, 3)


def test_a_long_context_gets_its_positions():
    assert Recipe(context=5000).model_config().max_seq_len == 5000
    assert Recipe(model="MobileLLM-125M", context=5000).model_config().max_seq_len == 5000
    assert Recipe(model="MobileLLM-125M").model_config() == zoo.SHAPES["MobileLLM-125M"].config


def test_formulas_are_there_before_anything_runs():
    run = Run(TINY)
    device, workload = find_device(TINY.device), TINY.workload()
    assert run.fit == fit(device, workload) and run.endurance == endurance(device, workload)
    assert run.decode == decode_speed(device, workload) and run.prefill == prefill_speed(device, workload)
    assert isinstance(workload, Workload)


def test_a_run_goes_through_its_phases(done):
    news = list(Run(TINY, PRETENDED))
    phases = list(dict.fromkeys(item.phase for item in news))
    assert phases == ["building", "warming up", "decoding"]
    decoding = [item for item in news if item.phase == "decoding"]
    assert [item.tokens for item in decoding] == [1, 2, 3, 4, 5] and decoding[-1].share == 1.0
    assert all(item.step_ms > 0 for item in decoding)
    assert all(item.step_ms is None for item in news if item.phase != "decoding")


def test_a_result_sets_card_prediction_and_measurement_side_by_side(done):
    result = done.result()
    assert result.recipe == TINY and result.config == TINY.model_config()
    assert result.step.samples_ms == tuple(done.steps_ms) and result.step.runs == 5
    assert result.tokens_per_s == pytest.approx(1000 / result.step.median_ms)
    assert result.predicted == predict(TINY.model_config(), PRETENDED, context=16)
    assert result.note == ""


def test_a_batch_counts_all_of_its_sequences():
    run = Run(replace(TINY, batch=4))
    for _ in run:
        pass
    result = run.result()
    assert result.tokens_per_s == pytest.approx(4000 / result.step.median_ms)


@pytest.mark.parametrize("changes", [{"bits": 16}, {"threads": cores()}, {"context": 300}], ids=str)
def test_every_slider_of_the_real_run_runs(changes):
    run = Run(replace(TINY, tokens=2, **changes))
    before = torch.get_num_threads()
    for _ in run:
        assert torch.get_num_threads() == before
    assert run.result().step.runs == 2 and run.result().step.threads == run.recipe.threads


def test_bits_without_kernels_are_formulas_and_say_so():
    run = Run(replace(TINY, bits=4), PRETENDED)
    assert list(run) == []
    result = run.result()
    assert result.step is None and result.tokens_per_s is None and result.predicted is None
    assert result.note.startswith("4 bits are not run here")


def test_a_machine_without_the_probes_says_what_it_lacks():
    assert Run(TINY).note == "no prediction: this machine is not measured yet"
    run = Run(replace(TINY, batch=2), PRETENDED)
    assert run.predicted is None and run.note == "no prediction: the probes lack 'matmul' at threads=1, bits=32, rows=2"


def test_a_stopped_run_has_a_result_and_one_that_did_not_start_has_none():
    run = Run(replace(TINY, tokens=1000))
    for news in run:
        if news.tokens == 3:
            break
    assert run.result().step.runs == 3
    with pytest.raises(ValueError, match="tokens=0 decoded: iterate over the run before"):
        Run(TINY).result()


def test_a_second_iteration_starts_anew(done):
    run = Run(TINY)
    for _ in range(2):
        for _ in run:
            pass
    assert len(run.steps_ms) == 5


def test_a_model_larger_than_memory_is_refused_with_its_sum_before_it_is_built(monkeypatch):
    def build(*_, **__):
        raise AssertionError("built")

    monkeypatch.setattr("mobilellm_lab.constraints.recipe.random_model", build)
    with pytest.raises(ValueError, match=r"Llama-3.2-1B at 32 bits does not fit.*weights 4,714.3 \+ KV cache"):
        Run(Recipe(model="Llama-3.2-1B"), available_bytes=2**30)
    assert Run(Recipe(model="Llama-3.2-1B", bits=4), available_bytes=2**30).fit  # formulas need no memory
    monkeypatch.setenv("MEM_LIMIT", "1M")
    with pytest.raises(ValueError, match=r"does not fit .* MiB available \(limit: MEM_LIMIT\)"):
        Run(Recipe())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "GPT-5"}, "model='GPT-5': choose one of own, MobileLLM-125M"),
        ({"device": "abacus"}, "device='abacus': choose one of iPhone 13"),
        ({"bits": 3}, "bits=3: choose one of 32, 16, 8, 4"),
        ({"width": 100}, "width=100: heads are 64 wide, choose a multiple of 64"),
        ({"width": 0}, "width=0: heads are 64 wide"),
        ({"depth": 0}, "depth=0: must be at least 1"),
        ({"context": -3}, "context=-3: must be at least 1"),
        ({"batch": 0}, "batch=0: must be at least 1"),
        ({"tokens": 0}, "tokens=0: must be at least 1"),
        ({"threads": 0}, "threads=0: this machine has"),
        ({"threads": cores() + 1}, f"threads={cores() + 1}: this machine has {cores()} cores"),
    ],
    ids=str,
)
def test_what_no_slider_gives_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**changes)
