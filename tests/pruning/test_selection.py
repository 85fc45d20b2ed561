"""Masks against those of torch.nn.utils.prune and torch.ao.pruning, nesting, ties, and what is refused."""

import pytest
import torch
from torch import nn
from torch.ao.pruning import WeightNormSparsifier
from torch.nn.utils import prune as torch_prune

from mobilellm_lab.pruning import COMPARE, n_of_m, select

AMOUNTS = (0.0, 0.1, 0.33, 0.5, 0.75, 0.9)


def layers() -> dict[str, nn.Linear]:
    made = {"a": nn.Linear(12, 7, bias=False), "b": nn.Linear(8, 24, bias=False)}
    generator = torch.Generator().manual_seed(0)
    for layer in made.values():
        layer.weight.data = torch.randn(layer.weight.shape, generator=generator)
    return made


def magnitudes() -> dict[str, torch.Tensor]:
    return {name: layer.weight.detach().abs() for name, layer in layers().items()}


@pytest.mark.parametrize("amount", AMOUNTS)
def test_masks_of_a_matrix_are_torchs(amount):
    ours = select(magnitudes(), amount, "matrix")
    for name, layer in layers().items():
        torch_prune.l1_unstructured(layer, "weight", amount)
        assert torch.equal(ours[name], layer.weight_mask.bool())


@pytest.mark.parametrize("amount", AMOUNTS)
def test_masks_of_rows_are_torchs_of_each_row_alone(amount):
    ours = select(magnitudes(), amount, "row")
    for name, layer in layers().items():
        for row, mask in zip(layer.weight.detach(), ours[name], strict=True):
            alone = nn.Linear(len(row), 1, bias=False)
            alone.weight = nn.Parameter(row[None].clone())
            torch_prune.l1_unstructured(alone, "weight", amount)
            assert torch.equal(mask[None], alone.weight_mask.bool())


@pytest.mark.parametrize("amount", AMOUNTS)
def test_global_masks_are_torchs(amount):
    theirs = layers()
    parameters = [(layer, "weight") for layer in theirs.values()]
    torch_prune.global_unstructured(parameters, pruning_method=torch_prune.L1Unstructured, amount=amount)
    ours = select(magnitudes(), amount, "global")
    for name, layer in theirs.items():
        assert torch.equal(ours[name], layer.weight_mask.bool())


def test_two_of_four_is_torchs_sparsifiers_and_exactly_two():
    theirs = nn.Sequential(*layers().values())
    sparsifier = WeightNormSparsifier(sparsity_level=1.0, sparse_block_shape=(1, 4), zeros_per_block=2)
    sparsifier.prepare(theirs, [{"tensor_fqn": "0.weight"}, {"tensor_fqn": "1.weight"}])
    sparsifier.step()
    for mask, layer in zip(n_of_m(magnitudes(), 2, 4).values(), theirs, strict=True):
        assert torch.equal(mask, layer.parametrizations.weight[0].mask.bool())
        assert (mask.view(-1, 4).sum(1) == 2).all()


@pytest.mark.parametrize(("n", "m"), [(1, 4), (3, 4), (4, 8), (1, 2), (1, 1), (4, 4)])
def test_n_of_m_are_kept_and_they_are_the_highest(n, m):
    scores = {"b": magnitudes()["b"]}
    groups, kept = scores["b"].view(-1, m), n_of_m(scores, n, m)["b"].view(-1, m)
    assert (kept.sum(1) == n).all()
    lowest_kept = groups.masked_fill(~kept, torch.inf).amin(1)
    assert (groups.masked_fill(kept, -torch.inf).amax(1) < lowest_kept).all()


@pytest.mark.parametrize("compare", COMPARE)
def test_masks_nest_as_the_amount_grows_and_begin_at_all(compare):
    kept = [select(magnitudes(), amount, compare) for amount in AMOUNTS]
    assert all(mask.all() for mask in kept[0].values())
    for more, less in zip(kept, kept[1:], strict=False):
        for name in more:
            assert (less[name] <= more[name]).all() and less[name].sum() < more[name].sum()


@pytest.mark.parametrize("compare", COMPARE)
def test_of_equal_scores_the_first_go_and_exactly_as_many(compare):
    equal = {"a": torch.ones(4, 10), "b": torch.ones(4, 10)}
    masks = select(equal, 0.3, compare)
    assert sum((~mask).sum().item() for mask in masks.values()) == 24
    by_hand = {"row": "0001111111" * 4, "matrix": "0" * 12 + "1" * 28, "global": "0" * 24 + "1" * 16}[compare]
    assert "".join(str(int(kept)) for kept in masks["a"].flatten()) == by_hand
    assert torch.equal(masks["b"], torch.ones(4, 10, dtype=torch.bool) if compare == "global" else masks["a"])


@pytest.mark.parametrize("compare", ["row", "matrix"])
def test_a_dict_gives_each_matrix_its_own_amount(compare):
    scores = magnitudes()
    masks = select(scores, {"b": 0.25}, compare)
    assert set(masks) == {"b"} and torch.equal(masks["b"], select(scores, 0.25, compare)["b"])


def test_scores_stay_as_they_are_and_the_comparison_matters():
    scores = magnitudes()
    found = [select(scores, 0.5, compare)["a"] for compare in COMPARE]
    assert all(torch.equal(scores[name], own) for name, own in magnitudes().items())
    assert not torch.equal(found[0], found[1]) and not torch.equal(found[1], found[2])


@pytest.mark.parametrize("amount", [-0.1, 1.0, 1.5, float("nan"), float("inf")])
def test_an_amount_that_is_no_share_is_refused(amount):
    for given in (amount, {"a": amount}):
        with pytest.raises(ValueError, match=f"amount={amount}.*0 or more and less than 1"):
            select(magnitudes(), given)


def test_what_cannot_be_selected_is_refused_by_name():
    scores = magnitudes()
    with pytest.raises(ValueError, match="compare='rows': did you mean row"):
        select(scores, 0.5, "rows")
    with pytest.raises(ValueError, match="compare='global': choose compare='row'"):
        select(scores, {"a": 0.5}, "global")
    with pytest.raises(ValueError, match="amount for 'c': the matrices to prune are a, b"):
        select(scores, {"c": 0.5})
    with pytest.raises(ValueError, match="amount=0.99 empties a"):
        select(scores, 0.99)  # of 12 inputs none is left
    with pytest.raises(ValueError, match="amount=0.5 empties a.*choose less, or compare='row'"):
        select({"a": torch.zeros(4, 4), "b": torch.ones(4, 4)}, 0.5, "global")
    with pytest.raises(ValueError, match="scores of a hold NaN"):
        select({"a": torch.full((2, 2), torch.nan)}, 0.5)
    with pytest.raises(ValueError, match="pattern 2:5: a has 12 inputs, no multiple of 5"):
        n_of_m(scores, 2, 5)
    for n, m in ((5, 4), (0, 4)):
        with pytest.raises(ValueError, match=f"pattern {n}:{m}: keep 1 to {m}"):
            n_of_m(scores, n, m)
