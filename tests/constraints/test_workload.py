"""Bytes and operations of a run: against the built model, hand-worked numbers and published ones."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mobilellm_lab import footprint, zoo
from mobilellm_lab.constraints import Workload, kv_cache_bytes
from mobilellm_lab.model import KVCache, ModelConfig, Transformer

TINY = ModelConfig(vocab_size=50, dim=32, n_layers=3, n_heads=4, n_kv_heads=2, hidden_dim=48, max_seq_len=64)
SMALL = zoo.SHAPES["MobileLLM-125M"].config


@pytest.mark.parametrize("changes", [{}, {"tie_embeddings": False}, {"embed_dim": 16}, {"ffn": "relu"}], ids=str)
def test_weight_bytes_are_those_of_the_built_model(changes):
    config = TINY.resized(**changes)
    built = sum(p.numel() * p.element_size() for p in Transformer(config).parameters())
    assert Workload(config=config, bits_per_weight=32).weight_bytes == built


@pytest.mark.parametrize("kv_heads", [(), (1, 2, 1)])
@pytest.mark.parametrize("sharing", ["none", "immediate", "repeat"])
def test_kv_bytes_are_those_of_the_allocated_cache(sharing, kv_heads):
    config = TINY.resized(sharing=sharing, kv_heads=kv_heads)
    cache = KVCache(config, batch_size=5, max_len=40)
    assert kv_cache_bytes(config, context=40, batch=5, kv_bits=32) == cache.kv.numel() * cache.kv.element_size()


def test_kv_bytes_by_hand():
    # MobileLLM-125M: k and v of 30 layers, 3 heads of 64, 2 bytes: 23,040 per token, as published 22.5 KiB
    assert kv_cache_bytes(SMALL, context=1) == 2 * 30 * 3 * 64 * 2 == 22.5 * 1024
    assert kv_cache_bytes(SMALL, context=1000, batch=3) == 3000 * 23_040
    assert kv_cache_bytes(SMALL, context=0) == 0


def test_a_window_caps_the_layers_that_have_one():
    everything = kv_cache_bytes(SMALL, context=100)
    assert kv_cache_bytes(SMALL, context=100, window=512, window_layers=30) == everything  # not yet full
    per_layer = everything / 100 / 30
    assert kv_cache_bytes(SMALL, context=100, window=10, window_layers=20) == per_layer * (10 * 100 + 20 * 10)


def test_table_bits_are_of_the_tables_alone():
    tables, rest = 32_000 * 576, footprint.parameters(SMALL) - 32_000 * 576
    mixed = Workload(config=SMALL, bits_per_weight=4, table_bits=8)
    assert mixed.weight_bytes == tables + rest // 2
    assert Workload(config=SMALL, bits_per_weight=4).weight_bytes == (tables + rest) // 2


def test_a_step_reads_every_weight_once_and_the_cache():
    run = Workload(config=SMALL, bits_per_weight=16, context=10)
    assert run.read_bytes == 2 * footprint.parameters(SMALL) + 10 * 23_040


def test_an_input_table_of_its_own_is_not_read_but_for_its_rows():
    untied = Workload(config=replace(SMALL, tie_embeddings=False), context=1, batch=4)
    tied = Workload(config=SMALL, context=1, batch=4)
    assert untied.weight_bytes - tied.weight_bytes == 2 * 32_000 * 576
    assert untied.read_bytes - tied.read_bytes == 2 * 4 * 576


def test_blocks_that_run_twice_in_a_row_are_read_once_others_twice():
    plain, immediate, repeat = (
        Workload(config=SMALL.resized(sharing=sharing), context=1) for sharing in ("none", "immediate", "repeat")
    )
    kv = 23_040
    parts = footprint.parameters_by_part(SMALL)
    assert immediate.read_bytes - plain.read_bytes == kv  # each execution has its own keys and values
    assert repeat.read_bytes - immediate.read_bytes == 2 * (parts["attention"] + parts["ffn"])


def test_operations_are_what_torch_counts():
    model = Transformer(TINY)
    cache = KVCache(TINY, batch_size=2, max_len=8)
    with torch.inference_mode():
        model(torch.zeros(2, 7, dtype=torch.long), cache)
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(2, 1, dtype=torch.long), cache)
    linear = Workload(config=TINY, context=8, batch=2).operations
    attention = 2 * 2 * TINY.n_layers * 2 * TINY.n_heads * TINY.head_dim * 8
    assert counter.get_total_flops() in (linear, linear - attention)  # torch's counter may not know its CPU attention


def test_a_prompt_of_one_token_is_a_decode_step():
    run = Workload(config=TINY, context=1)
    assert run.prefill_operations == run.operations


def test_a_long_prompt_costs_its_tokens_and_one_row_of_logits():
    run = Workload(config=TINY, context=60, batch=2)
    head = 2 * TINY.vocab_size * TINY.dim
    body = footprint.flops_per_token(TINY, context=30) - head
    assert run.prefill_operations == 2 * (60 * body + head)


def test_activations_are_the_widest_place_of_one_layer_or_the_logits():
    wide = TINY.resized(vocab_size=100_000)
    assert Workload(config=wide, batch=3).activation_bytes == 3 * 4 * (2 * 32 + 100_000)
    narrow = TINY.resized(vocab_size=10)
    assert Workload(config=narrow, context=1).activation_bytes == 4 * (2 * 32 + 3 * 48)
    qkv = (4 + 2 * 2) * 8
    assert Workload(config=narrow, context=60).activation_bytes == 4 * (2 * 32 + qkv + 4 * 60)


@pytest.mark.parametrize(
    ("field", "values"), [("context", (1, 64, 512)), ("batch", (1, 2, 8)), ("kv_bits", (4, 8, 16))]
)
def test_more_of_anything_needs_more(field, values):
    runs = [Workload(config=SMALL, **{field: value}) for value in values]
    for name in ("kv_bytes", "total_bytes", "read_bytes"):
        found = [getattr(run, name) for run in runs]
        assert found == sorted(found) and found[0] < found[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": -5}, "context=-5: a token sees at least itself"),
        ({"context": 0}, "context=0: a token sees at least itself"),
        ({"batch": 0}, "batch=0: must be at least 1"),
        ({"bits_per_weight": 0}, "bits_per_weight=0: must be above 0 and at most 64"),
        ({"bits_per_weight": 128}, "bits_per_weight=128"),
        ({"bits_per_weight": float("nan")}, "bits_per_weight=nan"),
        ({"kv_bits": -8}, "kv_bits=-8"),
        ({"table_bits": 65}, "table_bits=65: must be at most 64, or 0"),
        ({"window": -1}, "window=-1: must be at least 0"),
        ({"window_layers": 31}, "window_layers=31: the model runs 30 layers, choose 0 to 30"),
        (
            {"window": 9, "window_layers": 2, "config": replace(TINY, kv_heads=(1, 2, 1))},
            r"window_layers=2 with kv_heads=\(1, 2, 1\): .*choose 0",
        ),
        ({"window_layers": 2}, "window=0 with window_layers=2: say how many positions"),
    ],
    ids=str,
)
def test_bad_input_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        Workload(**{"config": SMALL, **changes})


def test_a_negative_context_has_no_cache():
    with pytest.raises(ValueError, match="context=-1: must be at least 0"):
        kv_cache_bytes(SMALL, context=-1)
