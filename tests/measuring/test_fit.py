"""Will it fit: the sum against the built model, and a refusal before anything is built."""

import math

import pytest
import torch

from mobilellm_lab import zoo
from mobilellm_lab.measuring import activation_bytes, peak_memory, require_memory
from mobilellm_lab.model import KVCache, Transformer

MIB = 2**20
CONFIG = zoo.solve(60_000, 2, vocab_size=64, n_heads=4, max_seq_len=64)

PREFILL = """
import torch
from mobilellm_lab import zoo
from mobilellm_lab.model import Transformer
torch.set_num_threads(1)
model = Transformer(zoo.solve({budget}, 2, vocab_size={vocab_size}, max_seq_len=4096))
with torch.inference_mode():
    model(torch.zeros((1, {tokens}), dtype=torch.long))
"""


def test_the_sum_is_that_of_its_parts():
    need = require_memory(CONFIG, context=50, batch=2, bits_per_weight=32, bits_per_value=32)
    model, cache = Transformer(CONFIG), KVCache(CONFIG, batch_size=2, max_len=50)
    assert need.weights.bytes == sum(p.nbytes for p in model.parameters())
    assert need.kv.bytes == cache.kv.nbytes
    assert need.activations.bytes == activation_bytes(CONFIG, tokens=50, batch=2)
    assert need.total == need.weights + need.kv + need.activations and need.fits


@pytest.mark.parametrize("vocab_size", [64, 8192])  # the widest place is inside a layer, and at the logits
def test_activations_are_what_the_operating_system_sees(vocab_size, monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")  # glibc gives freed tensors back at once
    options = {"budget": 3_000_000, "vocab_size": vocab_size}
    config = zoo.solve(3_000_000, 2, vocab_size=vocab_size, max_seq_len=4096)
    short, long = (peak_memory(PREFILL.format(tokens=tokens, **options)).peak_mib for tokens in (64, 4096))
    expected = (activation_bytes(config, tokens=4096) - activation_bytes(config, tokens=64)) / MIB
    assert expected > 30
    assert long - short == pytest.approx(expected, rel=0.2)


def test_too_large_a_model_is_refused_before_it_is_built(monkeypatch):
    monkeypatch.setattr(torch.nn, "Linear", lambda *sizes, **options: pytest.fail("a layer was built"))
    config = zoo.SHAPES["MobileLLM-1B"].config
    with pytest.raises(
        ValueError, match=r"weights 3,835\.\d \+ KV cache .* = .* MiB of 2,048\.0 MiB available; choose a smaller"
    ):
        require_memory(config, context=64, available_bytes=2048 * MIB)


def test_the_remedy_is_that_of_the_largest_part():
    with pytest.raises(ValueError, match="shorten the context or the batch"):
        require_memory(CONFIG, context=64, batch=10_000, available_bytes=MIB)


def test_the_system_is_asked_where_nothing_is_said():
    assert require_memory(CONFIG, context=8).available_bytes > MIB
    with pytest.raises(ValueError, match="Cannot fit the model"):
        require_memory(zoo.SHAPES["MobileLLM-1B"].config, context=2048, batch=100_000)


def test_the_limit_that_decides_is_named(monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", str(2 * MIB))
    with pytest.raises(ValueError, match=r"= .* MiB of 0\.0 MiB available \(limit: MEM_LIMIT\)"):
        require_memory(CONFIG, context=8)


def test_exactly_enough_is_enough():
    need = require_memory(CONFIG, context=8)
    assert require_memory(CONFIG, context=8, available_bytes=need.total.bytes).fits
    with pytest.raises(ValueError, match="Cannot fit the model"):
        require_memory(CONFIG, context=8, available_bytes=math.ceil(need.total.bytes) - 1)


def test_fewer_bits_need_less():
    needs = [
        require_memory(CONFIG, context=32, bits_per_weight=bits, bits_per_value=16).total.bytes for bits in (32, 16, 4)
    ]
    assert needs == sorted(needs, reverse=True) and len(set(needs)) == 3


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: require_memory(CONFIG, context=-1), "context=-1"),
        (lambda: require_memory(CONFIG, context=8, batch=0), "batch=0"),
        (lambda: require_memory(CONFIG, context=8, bits_per_weight=0), "bits_per_weight=0"),
        (lambda: activation_bytes(CONFIG, tokens=0), "tokens=0"),
        (lambda: activation_bytes(CONFIG, tokens=1, batch=0), "batch=0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
