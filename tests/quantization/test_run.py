"""A recipe carried out: step by step, the float model untouched, the same twice, and bytes that were really written."""

import math

import pytest
import torch

from mobilellm_lab import footprint
from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.measuring.evaluation import EvalSet
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.ptq import METHODS, quantize
from mobilellm_lab.quantization.quantized import LAYERS, matrices, select
from mobilellm_lab.quantization.study.recipe import FLOAT, Recipe
from mobilellm_lab.quantization.study.run import Run, calibration_key, stored_bytes
from mobilellm_lab.reference import ReferenceModel, load_model


@pytest.fixture(scope="module")
def reference() -> ReferenceModel:
    return load_model("student-tiny")


@pytest.fixture(scope="module")
def eval_set(reference) -> EvalSet:
    return EvalSet(reference.model, reference.task, batches=2, batch_size=16)


def carried_out(reference, eval_set, **changes) -> Run:
    run = Run(Recipe(model="student-tiny", **changes), reference.model, reference.task, eval_set=eval_set)
    shares = [progress.share for progress in run]
    assert shares == sorted(shares) and shares[-1] == 1.0
    return run


def test_float_bits_leave_the_model_as_it_is(reference, eval_set):
    result = carried_out(reference, eval_set, bits=FLOAT).result()
    assert result.evaluation == eval_set.float_evaluation and result.evaluation.agreement == 1
    assert result.sizes.theory.bytes == footprint.weight_bytes(reference.model.config, bits_per_weight=32)
    assert result.sizes.bits_per_weight == 32


@pytest.mark.parametrize("method", METHODS)
def test_every_method_comes_close_at_eight_bits_and_is_what_quantize_gives(reference, eval_set, method):
    before = fingerprint(reference.model)
    run = carried_out(reference, eval_set, bits=8, method=method)
    result = run.result()
    assert abs(result.loss_nats - eval_set.float_evaluation.loss_nats) < 0.01
    assert result.perplexity == pytest.approx(math.exp(result.loss_nats))
    again = quantize(reference.model, Grid(bits=8), method=method, calibration=run.calibration)
    assert fingerprint(again.model) == fingerprint(run.quantized.model)
    assert fingerprint(reference.model) == before  # the caller's model is untouched


def test_the_mean_loss_rises_as_bits_fall_and_so_do_the_bytes(reference, eval_set):
    results = [carried_out(reference, eval_set, bits=bits).result() for bits in (8, 4, 3, 2)]
    losses, sizes = [r.loss_nats for r in results], [r.sizes.on_disk for r in results]
    assert losses[3] > losses[2] > losses[0] and losses[3] > losses[1]
    assert sizes == sorted(sizes, reverse=True)
    for result in results:
        assert result.sizes.theory.bytes < result.sizes.on_disk.bytes < result.sizes.theory.bytes + 20_000


@pytest.mark.parametrize("layers", LAYERS)
def test_only_the_chosen_layers_are_rounded(reference, eval_set, layers):
    run = carried_out(reference, eval_set, bits=3, layers=layers)
    assert set(run.quantized.tensors) == set(select(reference.model, layers))
    for name, weight in matrices(run.quantized.model).items():
        same = torch.equal(weight, matrices(reference.model)[name])
        assert same == (name not in run.quantized.tensors)
    stored = stored_bytes(run.quantized)
    assert sum(stored.values()) == run.result().sizes.theory.bytes


@pytest.mark.parametrize("how", [{}, {"activation": "static"}, {"activation": "static", "ranges": "percentile"}])
def test_activations_of_few_bits_cost_more_than_those_of_many(reference, eval_set, how):
    runs = (carried_out(reference, eval_set, bits=FLOAT, activation_bits=bits, **how) for bits in (8, 4))
    eight, four = (run.result() for run in runs)
    assert eval_set.float_evaluation.loss_nats < eight.loss_nats + 0.01 and eight.loss_nats < four.loss_nats
    assert eight.sizes.on_disk == four.sizes.on_disk  # they are not in the file


def test_outside_of_its_run_the_model_flows_in_float_again(reference, eval_set):
    run = carried_out(reference, eval_set, bits=FLOAT, activation_bits=4)
    tokens = eval_set.batches[0].tokens
    assert torch.equal(run.quantized.model(tokens), reference.model(tokens))
    with run.activations(run.quantized.model):
        assert not torch.equal(run.quantized.model(tokens), reference.model(tokens))


def test_a_cache_of_four_bits_costs_more_than_one_of_eight(reference, eval_set):
    eight, four = (carried_out(reference, eval_set, bits=FLOAT, kv_bits=bits).result() for bits in (8, 4))
    assert eight.evaluation.agreement > four.evaluation.agreement
    before = eval_set.float_evaluation.loss_nats
    assert abs(eight.loss_nats - before) < abs(four.loss_nats - before)


@pytest.mark.parametrize("change", [{"rotate": True}, {"planted": "weights"}, {"planted": "activations"}])
def test_what_is_done_to_the_float_model_first_leaves_its_answers(reference, eval_set, change):
    run = carried_out(reference, eval_set, bits=FLOAT, **change)
    assert run.result().loss_nats == pytest.approx(eval_set.float_evaluation.loss_nats, abs=1e-4)
    assert fingerprint(run.start) != fingerprint(reference.model)


def test_planted_outliers_break_one_scale_for_the_matrix(reference, eval_set):
    plain, planted = (
        carried_out(reference, eval_set, bits=4, group_size=-1, **change).result()
        for change in ({}, {"planted": "weights", "factor": 64})
    )
    assert planted.loss_nats > plain.loss_nats


def test_the_same_recipe_gives_the_same_twice_and_another_seed_another_calibration(reference, eval_set):
    one, again, other = (carried_out(reference, eval_set, bits=2, method="gptq", seed=seed) for seed in (0, 0, 1))
    assert one.evaluation == again.evaluation != other.evaluation


def test_runs_share_what_they_have_seen(reference, eval_set):
    seen = {}
    for method in ("gptq", "awq"):
        recipe = Recipe(model="student-tiny", bits=3, method=method)
        list(Run(recipe, reference.model, reference.task, eval_set=eval_set, calibrations=seen))
    assert list(seen) == [calibration_key(recipe)]
    other = Recipe(model="student-tiny", bits=3, method="gptq", data="random", seed=1, rotate=True)
    list(Run(other, reference.model, reference.task, eval_set=eval_set, calibrations=seen))
    assert len(seen) == 2


def test_a_run_that_is_stopped_has_its_evaluation_so_far_and_nothing_before(reference, eval_set):
    run = Run(Recipe(model="student-tiny"), reference.model, reference.task, eval_set=eval_set)
    with pytest.raises(ValueError, match="nothing was evaluated yet"):
        run.result()
    for progress in run:
        if progress.evaluation is not None:
            break
    result = run.result()
    assert len(result.evaluation.losses) == 1 < len(eval_set.batches)
    assert result.sizes.on_disk.bytes > 0


def test_without_an_exam_of_its_own_a_run_makes_one(reference):
    run = Run(Recipe(model="student-tiny"), reference.model, reference.task)
    assert len(run.eval_set.batches) * run.eval_set.batch_size == 256 and run.eval_set.split == "test"
