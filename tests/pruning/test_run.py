"""A pruning recipe carried out: step by step, the dense model untouched, the same twice, and zeros that are there."""

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.measuring.evaluation import EvalSet
from mobilellm_lab.pruning.study.recipe import BITS, FLOAT, Recipe, plain
from mobilellm_lab.pruning.study.run import Run, seen_key
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization.quantized import matrices, select
from mobilellm_lab.reference import ReferenceModel, load_model

IMPORTANCES = ("random", "l1", "l2", "taylor", "wanda", "sparsegpt")


@pytest.fixture(scope="module")
def reference() -> ReferenceModel:
    return load_model("student-tiny")


@pytest.fixture(scope="module")
def eval_set(reference) -> EvalSet:
    return EvalSet(reference.model, reference.task, batches=2, batch_size=16)


def carried_out(reference, eval_set, **changes) -> Run:
    run = Run(plain({"model": "student-tiny", **changes}), reference.model, reference.task, eval_set=eval_set)
    shares = [progress.share for progress in run]
    assert shares == sorted(shares) and shares[-1] == 1.0
    return run


def test_an_amount_of_zero_is_the_dense_model(reference, eval_set):
    result = carried_out(reference, eval_set, amount=0).result()
    assert result.evaluation == eval_set.float_evaluation and result.evaluation.agreement == 1
    assert (result.sparsity, result.of_all, result.zeros) == (0, 0, {})


@pytest.mark.parametrize("importance", IMPORTANCES)
def test_every_importance_leaves_the_dense_model_and_removes_its_share(reference, eval_set, importance):
    before = fingerprint(reference.model)
    result = carried_out(reference, eval_set, importance=importance).result()
    assert result.loss_nats > eval_set.float_evaluation.loss_nats
    assert result.sparsity == pytest.approx(0.5) and set(result.zeros) == set(select(reference.model, "blocks"))
    assert 0 < result.of_all < result.sparsity
    assert fingerprint(reference.model) == before


def test_magnitude_is_what_prune_gives_and_is_better_than_chance(reference, eval_set):
    run, chance = (carried_out(reference, eval_set, importance=importance) for importance in ("l1", "random"))
    assert fingerprint(run.pruned.model) == fingerprint(prune(reference.model, 0.5).model)
    assert run.result().loss_nats < chance.result().loss_nats


def test_the_loss_rises_with_the_amount(reference, eval_set):
    losses = [carried_out(reference, eval_set, amount=amount).result().loss_nats for amount in (0, 0.3, 0.6, 0.9)]
    assert losses == sorted(losses)


@pytest.mark.parametrize("changes", [{"compare": "matrix"}, {"scope": "global"}, {"granularity": "2:4"}], ids=str)
def test_the_weights_that_compete_make_another_mask_of_the_same_share(reference, eval_set, changes):
    plain_run, other = carried_out(reference, eval_set), carried_out(reference, eval_set, **changes)
    assert other.result().sparsity == pytest.approx(plain_run.result().sparsity, abs=1e-3)
    assert fingerprint(other.pruned.model) != fingerprint(plain_run.pruned.model)
    rows = [(w == 0).float().mean(1) for w in (matrices(other.pruned.model)[name] for name in other.pruned.masks)]
    assert all((row == 0.5).all() for row in rows) == ("granularity" in changes)


def test_amounts_by_sensitivity_differ_and_add_up(reference, eval_set):
    seen, model, task = {}, reference.model, reference.task
    recipe = Recipe(model="student-tiny", amount=0.6, scope="sensitivity")
    run = Run(recipe, model, task, eval_set=eval_set, seen=seen)
    assert {progress.phase for progress in run} == {"scanning", "pruning", "evaluating"}
    result = run.result()
    assert 0.6 <= result.sparsity < 0.7 and len({round(share, 2) for share in result.zeros.values()}) > 1
    again = Run(recipe, model, task, eval_set=eval_set, seen=seen)
    assert "scanning" not in {progress.phase for progress in again} and again.evaluation == run.evaluation


@pytest.mark.parametrize("bits", [bits for bits in BITS if bits != FLOAT])
def test_what_is_rounded_afterwards_keeps_its_zeros(reference, eval_set, bits):
    run = carried_out(reference, eval_set, bits=bits)
    result = run.result()
    assert result.sparsity >= 0.5 and run.answering is run.quantized.model
    for name, mask in run.pruned.masks.items():
        assert not matrices(run.answering)[name][~mask].any()


def test_the_same_recipe_gives_the_same_twice_and_another_seed_another_calibration(reference, eval_set):
    one, again, other = (carried_out(reference, eval_set, importance="taylor", seed=seed) for seed in (0, 0, 1))
    assert one.evaluation == again.evaluation != other.evaluation


@pytest.mark.parametrize("changes", [{"data": "random"}, {"data": "self"}, {"sequences": 1}, {"length": 8}], ids=str)
def test_what_is_looked_at_makes_a_difference(reference, eval_set, changes):
    usual, other = (carried_out(reference, eval_set, importance="wanda", **how) for how in ({}, changes))
    assert usual.evaluation != other.evaluation


def test_runs_share_what_they_have_seen(reference, eval_set):
    seen = {}
    for importance, amount in (("wanda", 0.5), ("wanda", 0.7), ("taylor", 0.5)):
        recipe = Recipe(model="student-tiny", importance=importance, amount=amount)
        list(Run(recipe, reference.model, reference.task, eval_set=eval_set, seen=seen))
    assert list(seen) == [seen_key(Recipe(model="student-tiny", importance=name)) for name in ("wanda", "taylor")]


def test_a_run_that_is_stopped_has_its_evaluation_so_far_and_nothing_before(reference, eval_set):
    run = Run(Recipe(model="student-tiny"), reference.model, reference.task, eval_set=eval_set)
    with pytest.raises(ValueError, match="nothing was evaluated yet"):
        run.result()
    for progress in run:
        if progress.evaluation is not None:
            break
    assert len(run.result().evaluation.losses) == 1 < len(eval_set.batches)


def test_without_an_evaluation_set_a_run_makes_one(reference):
    run = Run(Recipe(model="student-tiny"), reference.model, reference.task)
    assert len(run.eval_set.batches) * run.eval_set.batch_size == 256 and run.eval_set.split == "test"


def test_pruned_and_dense_share_no_weights(reference, eval_set):
    run = carried_out(reference, eval_set, amount=0)
    with torch.no_grad():
        run.pruned.model.norm.weight.zero_()
    assert reference.model.norm.weight.all()
