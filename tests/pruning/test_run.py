"""A pruning recipe carried out: step by step, the dense model untouched, the same twice, and zeros that are there."""

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.measuring.evaluation import EvalSet
from mobilellm_lab.pruning.layers import LAYER_CHOICES
from mobilellm_lab.pruning.structured import STRUCTURES
from mobilellm_lab.pruning.study.predicted import predicted_bytes
from mobilellm_lab.pruning.study.recipe import BITS, FLOAT, Recipe, plain
from mobilellm_lab.pruning.study.run import Run, seen_key
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.quantization.quantized import matrices, select
from mobilellm_lab.reference import ReferenceModel, load_model

HOW = ({"amount": 0}, {}, {"bits": 4})
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
    assert (result.zeros.sparsity, result.zeros.of_all, result.zeros.by_matrix) == (0, 0, {})


@pytest.mark.parametrize("importance", IMPORTANCES)
def test_every_importance_leaves_the_dense_model_and_removes_its_share(reference, eval_set, importance):
    before = fingerprint(reference.model)
    result = carried_out(reference, eval_set, importance=importance).result()
    assert result.loss_nats > eval_set.float_evaluation.loss_nats
    assert result.zeros.sparsity == pytest.approx(0.5) and set(result.zeros.by_matrix) == set(
        select(reference.model, "blocks")
    )
    assert 0 < result.zeros.of_all < result.zeros.sparsity
    assert fingerprint(reference.model) == before


def test_magnitude_is_what_prune_gives_and_is_better_than_chance(reference, eval_set):
    run, chance = (carried_out(reference, eval_set, importance=importance) for importance in ("l1", "random"))
    assert fingerprint(run.made.masked.model) == fingerprint(prune(reference.model, 0.5).model)
    assert run.result().loss_nats < chance.result().loss_nats


def test_the_loss_rises_with_the_amount(reference, eval_set):
    losses = [carried_out(reference, eval_set, amount=amount).result().loss_nats for amount in (0, 0.3, 0.6, 0.9)]
    assert losses == sorted(losses)


@pytest.mark.parametrize("changes", [{"compare": "matrix"}, {"scope": "global"}, {"granularity": "2:4"}], ids=str)
def test_the_weights_that_compete_make_another_mask_of_the_same_share(reference, eval_set, changes):
    plain_run, other = carried_out(reference, eval_set), carried_out(reference, eval_set, **changes)
    assert other.result().zeros.sparsity == pytest.approx(plain_run.result().zeros.sparsity, abs=1e-3)
    assert fingerprint(other.made.masked.model) != fingerprint(plain_run.made.masked.model)
    rows = [
        (w == 0).float().mean(1) for w in (matrices(other.made.masked.model)[name] for name in other.made.masked.masks)
    ]
    assert all((row == 0.5).all() for row in rows) == ("granularity" in changes)


@pytest.mark.parametrize("granularity", ["weight", "neuron"])
def test_amounts_by_sensitivity_differ_and_add_up(reference, eval_set, granularity):
    seen, model, task = {}, reference.model, reference.task
    recipe = Recipe(model="student-tiny", amount=0.6, scope="sensitivity", granularity=granularity)
    run = Run(recipe, model, task, eval_set=eval_set, seen=seen)
    *scanned, pruning, evaluating = dict.fromkeys(progress.phase for progress in run)
    assert scanned == [f"scanning {number} of {len(scanned)}" for number in range(1, len(scanned) + 1)]
    assert len(scanned) == len(run.costs) and (pruning, evaluating) == ("pruning", "evaluating")
    result = run.result()
    assert (
        0.6 <= result.zeros.sparsity < 0.7 and len({round(share, 2) for share in result.zeros.by_matrix.values()}) > 1
    )
    again = Run(recipe, model, task, eval_set=eval_set, seen=seen)
    assert [progress.phase for progress in again][0] == "pruning" and again.evaluation == run.evaluation


@pytest.mark.parametrize("granularity", STRUCTURES)
def test_whole_groups_leave_a_smaller_model_that_answers_as_its_masked_twin(reference, eval_set, granularity):
    run = carried_out(reference, eval_set, granularity=granularity)
    made, dense = run.made, sum(p.numel() for p in reference.model.parameters())
    assert run.made.answering is made.small and sum(p.numel() for p in made.small.parameters()) < dense
    tokens = eval_set.batches[0].tokens
    assert (made.small(tokens) - made.masked.model(tokens)).abs().max() < 1e-4
    result = run.result()
    assert result.zeros.sparsity > 0.4 and (result.sizes.stored_as, set(result.sizes.theory)) == ("dense", {"dense"})
    assert result.sizes.theory["dense"].bytes == predicted_bytes(reference.model, run.recipe)["smaller model"]


@pytest.mark.parametrize("choice", LAYER_CHOICES)
def test_every_choice_of_layers_removes_as_many(reference, eval_set, choice):
    small = carried_out(reference, eval_set, granularity="layer", choice=choice).made.small
    assert small.config.n_layers == 1 < reference.model.config.n_layers


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 0},
        {"amount": 0, "bits": 4},
        {},
        {"amount": 0.7, "compare": "matrix"},
        {"layers": "ffn"},
        {"granularity": "2:4"},
        {"bits": 4},
        {"granularity": "width", "amount": 0.25},
        {"granularity": "head", "bits": 8},
    ],
    ids=str,
)
def test_bytes_are_known_before_anything_is_removed(reference, eval_set, changes):
    run = carried_out(reference, eval_set, **changes)
    theory, predicted = run.result().sizes.theory, predicted_bytes(reference.model, run.recipe)
    if run.made.small is not None:
        predicted = {form: predicted["smaller model"] for form in theory}
    if "bitmap" in theory and run.recipe.bits != FLOAT:  # rounding adds zeros, and packs each row by itself
        assert theory["bitmap"].bytes == pytest.approx(predicted["bitmap"], rel=0.05)
        return
    assert {form: size.bytes for form, size in theory.items()} == {form: predicted[form] for form in theory}


@pytest.mark.parametrize("bits", [bits for bits in BITS if bits != FLOAT])
def test_what_is_rounded_afterwards_keeps_its_zeros(reference, eval_set, bits):
    run = carried_out(reference, eval_set, bits=bits)
    result = run.result()
    assert result.zeros.sparsity >= 0.5 and run.made.answering is run.made.quantized.model
    for name, mask in run.made.masked.masks.items():
        assert not matrices(run.made.answering)[name][~mask].any()


def test_fewer_weights_are_fewer_bytes_and_zeros_alone_are_none(reference, eval_set):
    dense, half, four = (carried_out(reference, eval_set, **how).result().sizes for how in HOW)
    assert (dense.stored_as, half.stored_as, four.stored_as) == ("dense", "bitmap", "bitmap")
    assert dense.theory["dense"] == half.theory["dense"] > half.theory["bitmap"] > four.theory["bitmap"]
    for sizes in (dense, half, four):
        assert 0 < sizes.on_disk.bytes - sizes.theory[sizes.stored_as].bytes < 20_000  # names, shapes and hashes


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
        run.made.masked.model.norm.weight.zero_()
    assert reference.model.norm.weight.all()
