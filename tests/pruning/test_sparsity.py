"""The article's count of zeros and ours, on a stack of Linears where they agree, and where it is wrong."""

import pytest
import torch
from torch import nn

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.libraries.sparsity import Zeros, article_sparsity, count_zeros, share_of_zeros
from mobilellm_lab.pruning.libraries.torch_prune import linears, mask, remove
from mobilellm_lab.quantization.libraries.copies import with_head
from mobilellm_lab.quantization.libraries.eager import quantize_static
from mobilellm_lab.tasks import Batch

CONFIG = ModelConfig(vocab_size=64, dim=16, n_layers=2, n_heads=4, n_kv_heads=2, hidden_dim=32, max_seq_len=32)
TABLE = 64 * 16


def removed(model: nn.Module) -> nn.Module:
    masked = mask(model, 0.5)
    remove(masked)
    return masked


def test_on_a_stack_of_linears_both_counts_agree():
    stack = nn.Sequential(nn.Linear(8, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        stack[0].weight[1:3] = 0
    assert article_sparsity(stack) == count_zeros(stack).share == pytest.approx(16 / 40)
    assert count_zeros(stack) == Zeros(zeros=16, weights=40)


def test_the_article_counts_a_tied_table_as_the_head_or_not_at_all():
    dense = Transformer(CONFIG)
    in_blocks = sum(layer.weight.numel() for layer in linears(dense).values())
    ours, theirs = removed(dense), removed(with_head(dense))
    assert article_sparsity(ours) == article_sparsity(theirs) == 0.5
    everything = sum(p.numel() for p in dense.parameters())
    assert count_zeros(ours) == Zeros(zeros=in_blocks // 2, weights=everything)  # the table is dense
    assert count_zeros(theirs) == Zeros(zeros=(in_blocks + TABLE) // 2, weights=everything)


def test_the_article_counts_zeros_that_no_file_holds():
    masked = mask(Transformer(CONFIG), 0.5)
    assert article_sparsity(masked) == 0.5 and count_zeros(masked).zeros == 0
    stored = [value for name, value in masked.state_dict().items() if not name.endswith("_mask")]
    assert not any((value == 0).any() for value in stored)


def test_the_article_counts_a_shared_matrix_twice():
    first, second, other = (nn.Linear(4, 4, bias=False) for _ in range(3))
    second.weight = first.weight
    with torch.no_grad():
        first.weight.zero_()
    stack = nn.Sequential(first, second, other)
    assert article_sparsity(stack) == pytest.approx(2 / 3) and count_zeros(stack).share == 0.5


def test_the_article_reports_zero_for_a_quantized_model():
    tokens = torch.arange(24).view(2, 12)
    quantized = quantize_static(removed(Transformer(CONFIG)), [Batch(tokens, tokens)])
    assert not linears(quantized)
    assert article_sparsity(quantized) == 0
    codes = quantized.blocks[0].ffn.down.module.weight().int_repr()
    assert share_of_zeros(codes) >= 0.5  # and they are all there


def test_a_model_without_weights_has_no_zeros():
    assert count_zeros(nn.ReLU()).share == article_sparsity(nn.ReLU()) == 0
