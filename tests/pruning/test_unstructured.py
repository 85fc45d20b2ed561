"""Pruning of a model: every importance in every group, its limits, its trend, its speed, and what is refused."""

import inspect
import time

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning import COMPARE, IMPORTANCES, PrunedModel, apply, gradients, prune, pruning_data
from mobilellm_lab.quantization import LAYERS, Grid, calibrate, matrices, quantize, select
from mobilellm_lab.reference import ReferenceModel, load_model
from mobilellm_lab.tasks import evaluate


@pytest.fixture(scope="module")
def small() -> ReferenceModel:
    """A trained model that no test may change."""
    found = load_model("student-small")
    before = fingerprint(found.model)
    yield found
    assert fingerprint(found.model) == before


@pytest.fixture(scope="module")
def needed(small) -> dict:
    """What some importances need to know."""
    batches = pruning_data(small.task)
    return {"calibration": calibrate(small.model, batches), "gradients": gradients(small.model, batches)}


def loss(found: ReferenceModel, model: Transformer) -> float:
    return evaluate(found.task, model, batches=1, batch_size=32).loss_nats


@pytest.mark.parametrize("compare", COMPARE)
@pytest.mark.parametrize("importance", IMPORTANCES)
def test_masks_nest_begin_with_the_model_itself_and_are_the_same_twice(small, needed, importance, compare):
    options = {"importance": importance, "compare": compare, **needed}
    pruned = [prune(small.model, amount, **options) for amount in (0.0, 0.3, 0.6, 0.6)]
    assert fingerprint(pruned[0].model) == fingerprint(small.model)
    assert [p.sparsity for p in pruned] == pytest.approx([0, 0.3, 0.6, 0.6], abs=0.01)
    assert fingerprint(pruned[2].model) == fingerprint(pruned[3].model)
    for name in select(small.model, "blocks"):
        first, second, third = (p.masks[name] for p in pruned[:3])
        assert first.all() and (third <= second).all() and second.sum() > third.sum()
        if importance != "sparsegpt":
            kept = small.model.get_parameter(name) * third
            assert torch.equal(pruned[2].model.get_parameter(name), kept)


@pytest.mark.parametrize("importance", IMPORTANCES)
def test_a_pattern_holds_in_every_group_of_inputs(small, needed, importance):
    pruned = prune(small.model, 0.5, importance=importance, pattern="2:4", **needed)
    for name in pruned.masks:
        w = pruned.model.get_parameter(name)
        assert ((w != 0).view(-1, 4).sum(1) == 2).all()
    assert prune(small.model, 0.75, importance=importance, pattern="2:8", **needed).sparsity == 0.75


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("importance", ["l1", "sparsegpt"])
def test_only_the_chosen_layers_are_pruned(small, needed, importance, layers):
    pruned = prune(small.model, 0.5, importance=importance, layers=layers, **needed)
    assert set(pruned.masks) == set(select(small.model, layers))
    for name, p in small.model.named_parameters():
        assert torch.equal(p, pruned.model.get_parameter(name)) == (name not in pruned.masks)


def test_a_dict_gives_each_matrix_its_own_amount(small):
    names = list(select(small.model, "ffn"))[:2]
    pruned = prune(small.model, {names[0]: 0.25, names[1]: 0.75})
    assert pruned.zeros_by_layer() == pytest.approx({names[0]: 0.25, names[1]: 0.75})


def test_zeros_that_are_there_already_count(small):
    """So an amount is of all weights, whatever was removed before, and gradual pruning ends where it should."""
    half = prune(small.model, 0.5).model
    assert fingerprint(prune(half, 0.5).model) == fingerprint(half)
    assert fingerprint(prune(half, 0.75).model) == fingerprint(prune(small.model, 0.75).model)


def test_more_is_worse_and_knowing_the_inputs_is_better_for_the_outputs(small, needed):
    """Mean error of the matrices' outputs on the calibration inputs; the loss may put neighbours the other way."""

    def error(pruned: PrunedModel) -> float:
        total = []
        for name in pruned.masks:
            w, gram = small.model.get_parameter(name), needed["calibration"].inputs[name.removesuffix(".weight")].gram
            change = pruned.model.get_parameter(name) - w
            total.append((((change @ gram) * change).sum() / ((w @ gram) * w).sum()).item())
        return sum(total) / len(total)

    kinds = ("random", "l1", "wanda", "sparsegpt")
    pruned = {kind: prune(small.model, 0.5, importance=kind, **needed) for kind in kinds}
    errors = [error(pruned[kind]) for kind in kinds]
    assert errors == sorted(errors, reverse=True) and errors[-1] > 0
    assert loss(small, pruned["random"].model) > loss(small, pruned["l1"].model) + 1
    by_amount = [loss(small, prune(small.model, amount).model) for amount in (0.3, 0.5, 0.7, 0.9)]
    assert by_amount == sorted(by_amount)


def test_wanda_takes_half_a_second_for_the_whole_model_with_its_calibration():
    """In a test ten times as long, by the CPU's clock."""
    found = load_model("stories-deep")
    batches = pruning_data(found.task)
    started = time.process_time()
    pruned = prune(found.model, 0.5, importance="wanda", calibration=calibrate(found.model, batches))
    assert time.process_time() - started < 5
    assert pruned.sparsity == 0.5


def test_what_cannot_be_pruned_is_refused_with_the_remedy(small, needed):
    model, plain = small.model, inspect.unwrap(prune)  # types are checked in tests only
    with pytest.raises(ValueError, match="PrunedModel: prune the dense model that it was made from"):
        plain(prune(model, 0.5), 0.7)
    with pytest.raises(ValueError, match="QuantizedModel: give the float model"):
        plain(quantize(model, Grid(bits=4)), 0.5)
    with pytest.raises(ValueError, match="bfloat16"):
        prune(Transformer(model.config).bfloat16(), 0.5)
    for amount in (-0.5, 1.0):
        with pytest.raises(ValueError, match=f"amount={amount}"):
            prune(model, amount, importance="wanda")  # before a calibration is missed
    with pytest.raises(ValueError, match="calibration is of another model"):
        prune(Transformer(model.config), 0.5, importance="wanda", **needed)
    with pytest.raises(ValueError, match="layers='heads'"):
        prune(model, 0.5, layers="heads")
    with pytest.raises(ValueError, match="compare='global': the table has no inputs.*choose layers='blocks'"):
        prune(model, 0.5, importance="wanda", compare="global", layers="all", **needed)
    with pytest.raises(ValueError, match="the matrices to prune are blocks.0"):
        prune(model, {"embed.weight": 0.5})


def test_a_matrix_that_a_global_comparison_would_empty_is_named(small):
    name = "blocks.1.ffn.down.weight"
    weak = apply(small.model, {}).model
    with torch.no_grad():
        matrices(weak)[name].mul_(1e-3)
    with pytest.raises(ValueError, match=f"amount=0.6 empties {name}.*compare='row' or 'matrix'"):
        prune(weak, 0.6, compare="global")
    assert not prune(weak, 0.6, compare="matrix").zeros_by_layer()[name] == 1


@pytest.mark.parametrize(
    ("amount", "pattern", "said"),
    [
        (0.5, "2of4", "pattern='2of4': give n:m"),
        (0.5, "0:4", "pattern='0:4': give n:m"),
        (0.3, "2:4", "amount=0.3 with pattern='2:4': the pattern's own is 0.5"),
        (0.5, "4:2", "pattern 4:2: keep 1 to 2 of 2"),
        (0.5, "5:10", "has 48 inputs, no multiple of 10"),
        ({"blocks.0.ffn.up.weight": 0.5}, "2:4", "amounts by matrix with pattern='2:4': give one amount"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused_by_name(small, amount, pattern, said):
    with pytest.raises(ValueError, match=said):
        prune(small.model, amount, pattern=pattern)
