"""What torch.nn.utils.prune does to a model of ours: each effect measured, and the model it started from left alone."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.measuring import started_operations
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.libraries.sparsity import article_sparsity
from mobilellm_lab.pruning.libraries.torch_prune import (
    METHODS,
    ONE_BY_ONE,
    file_bytes,
    linears,
    mask,
    remove,
    repeated,
    rows_of_equal_weights,
    tied_head,
    times,
    zeros_after_training,
    zeros_by_layer,
)
from mobilellm_lab.quantization.libraries.copies import with_head
from mobilellm_lab.tasks import Batch

CONFIG = ModelConfig(vocab_size=32, dim=16, n_layers=2, n_heads=4, n_kv_heads=2, hidden_dim=32, max_seq_len=32)
STEPS = (0.2, 0.4, 0.6, 0.8)


def tokens(seed: int = 0) -> torch.Tensor:
    return torch.randint(CONFIG.vocab_size, (4, 16), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model():
    found = Transformer(CONFIG)
    before = fingerprint(found)
    yield found
    assert fingerprint(found) == before and not torch_prune.is_pruned(found)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_prunes_half_and_the_same_half_twice(model, method):
    masked, again = mask(model, 0.5, method), mask(model, 0.5, method)
    assert article_sparsity(masked) == 0.5
    for layer, same in zip(linears(masked).values(), linears(again).values(), strict=True):
        assert torch.equal(layer.weight_mask, same.weight_mask)
    assert torch.equal(mask(model, 0.0, method)(tokens()), model(tokens()))


def test_an_unknown_method_and_an_impossible_amount_are_refused(model):
    with pytest.raises(ValueError, match="method='l1'"):
        mask(model, 0.5, "l1")
    with pytest.raises(ValueError, match=r"amount=1\.5"):  # torch's own words
        mask(model, 1.5)


def test_the_file_doubles_until_remove(model):
    found = file_bytes(model)
    assert found["removed"] == found["dense"]
    in_linears = sum(layer.weight.nbytes for layer in linears(model).values())
    assert found["masked"] - found["dense"] == pytest.approx(in_linears, rel=0.2)
    masked = mask(model, 0.5)
    assert {f"{name}{end}" for name in linears(model) for end in ("_orig", "_mask")} <= set(masked.state_dict())
    assert all(layer.weight_mask.dtype == torch.float32 for layer in linears(masked).values())  # four bytes for a bit


def test_remove_zeroes_the_embedding_of_a_tied_head_and_changes_the_output(model):
    found = tied_head(model, tokens())
    assert (found.head, found.embedding) == (0.5, 0.0)
    assert (found.head_after, found.embedding_after) == (0.5, 0.5)
    assert found.logits_change > 0.01
    with pytest.raises(ValueError, match="tie_embeddings=False"):
        tied_head(Transformer(CONFIG.resized(tie_embeddings=False)), tokens())


def test_where_nothing_is_tied_remove_changes_nothing(model):
    masked = mask(model, 0.5)  # our tied output layer is no Linear, and stays dense
    before = masked(tokens())
    remove(masked)
    assert torch.equal(masked(tokens()), before) and not torch_prune.is_pruned(masked)


@pytest.mark.parametrize("method", ONE_BY_ONE)
def test_an_amount_is_of_what_is_left(method):
    left = repeated(STEPS, method=method, remove_between=False)
    assert left == pytest.approx([0.2, 0.52, 0.808, 0.9616], abs=0.003)
    between = repeated(STEPS, method=method, remove_between=True)
    if method == "random_unstructured":  # it no longer knows which are 0, and hits some of them again
        assert between == pytest.approx(left, abs=0.02) and between != left
    else:
        assert between == pytest.approx(STEPS)
    assert all(a < b for a, b in pairwise(between))


def test_a_global_threshold_empties_a_matrix_of_small_weights_without_a_word(model):
    small = copy.deepcopy(model)
    with torch.no_grad():  # the same function: what the norm gains, the matrix loses
        small.blocks[0].ffn_norm.weight *= 1000
        small.blocks[0].ffn.up.weight /= 1000
    assert torch.allclose(small(tokens()), model(tokens()), atol=1e-4)
    assert max(zeros_by_layer(mask(model, 0.3, "global_unstructured")).values()) < 1
    zeros = zeros_by_layer(mask(small, 0.3, "global_unstructured"))
    assert [name for name, share in zeros.items() if share == 1] == ["blocks.0.ffn.up.weight"]
    assert set(zeros_by_layer(mask(small, 0.5)).values()) == {0.5}


def test_of_equal_magnitudes_whole_rows_go():
    signs = torch.randint(2, (64, 32), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    assert rows_of_equal_weights(signs) == (32, 32)
    assert rows_of_equal_weights(torch.randn(64, 32, generator=torch.Generator().manual_seed(0))) == (0, 0)


def test_masks_add_work_and_zeros_take_none_away(model):
    def started(some: nn.Module) -> int:
        with torch.no_grad():
            return started_operations(lambda: some(tokens()))

    masked = mask(model, 0.9)
    assert started(masked) >= started(model) + len(linears(model))
    remove(masked)
    assert started(masked) == started(model)


def test_times_are_taken_in_pairs(model):
    found = times(model, tokens(), 0.9, repeats=6, warmup=1)
    assert list(found) == ["masked", "removed"] and all(each.a.runs == 6 for each in found.values())
    assert 0.1 < found["removed"].ratio < 10


def test_what_is_removed_first_grows_back(model):
    batches = [Batch(tokens(seed), tokens(seed)) for seed in range(3)]
    assert zeros_after_training(model, batches[:1], remove_first=True) < 0.01
    assert zeros_after_training(model, batches, remove_first=False) == 0.5


def test_a_masked_model_cannot_be_copied_before_it_has_run(model):
    """Why `mask` copies first: a panel or an average of weights that copies later gets torch's error."""
    masked = mask(model, 0.5)
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(masked)


def test_the_tied_head_is_masked_where_a_library_sees_a_linear(model):
    assert "head.weight" in linears(with_head(model)) and "head.weight" not in linears(model)
