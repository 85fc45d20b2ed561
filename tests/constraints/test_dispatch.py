"""Counted operations: against torch's profiler, and proportional to the layers that run."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from mobilellm_lab.constraints import build, decode_steps, dispatch, torch_operations
from mobilellm_lab.constraints.dispatch import SMALLEST
from mobilellm_lab.model import ModelConfig

TINY = ModelConfig(vocab_size=50, dim=32, n_layers=3, n_heads=4, n_kv_heads=2, hidden_dim=48, max_seq_len=64)


def test_every_matrix_and_attention_is_among_what_the_profiler_saw():
    steps = decode_steps(build(TINY))
    next(steps)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        next(steps)
    calls = {event.key: event.count for event in seen.key_averages()}
    assert calls["aten::linear"] == 4 * 3 + 1  # qkv, out, up, down of each layer, and the output layer
    assert calls["aten::scaled_dot_product_attention"] == 3
    # The profiler also lists what an operation calls inside; at the top level there are as many as were counted.
    top = [
        e
        for e in seen.events()
        if e.name.startswith("aten::") and (e.cpu_parent is None or "aten" not in e.cpu_parent.name)
    ]
    assert torch_operations(TINY) == pytest.approx(len(top), abs=3)


def test_operations_grow_with_the_layers_that_run_and_with_nothing_else():
    counts = [torch_operations(TINY.resized(n_layers=n)) for n in (1, 2, 3, 10)]
    per_layer = counts[1] - counts[0]
    assert 15 < per_layer < 60
    assert counts[2] - counts[1] == per_layer and counts[3] - counts[0] == 9 * per_layer
    assert torch_operations(TINY.resized(sharing="repeat")) == counts[2] + 3 * per_layer  # stored once, run twice
    assert torch_operations(TINY.resized(dim=256, n_heads=8, vocab_size=1000)) == counts[2]


@pytest.mark.parametrize("changes", [{"ffn": "relu"}, {"embed_dim": 16}], ids=str)
def test_another_block_is_counted_anew(changes):
    assert torch_operations(TINY.resized(**changes)) != torch_operations(TINY)


def test_counting_does_not_disturb():
    before = torch.random.get_rng_state()
    dispatch._counted.cache_clear()
    torch_operations(SMALLEST)
    assert torch.equal(before, torch.random.get_rng_state())
