"""Every formula against the built model, and against the figures that others publish."""

import pytest
import torch
from test_checkpoints import KINDS
from test_model import SHAPES as PARITY
from test_model import config_of
from torch.utils.flop_counter import FlopCounterMode

from mobilellm_lab.footprint import flops_per_token, kv_bytes_per_token, parameters, parameters_by_part, weight_bytes
from mobilellm_lab.model import KVCache, ModelConfig, Transformer
from mobilellm_lab.zoo import SHAPES

CASES = [PARITY[name] for name in PARITY] + [KINDS[name] for name in KINDS]


def built(config: ModelConfig) -> Transformer:
    with torch.device("meta"):
        return Transformer(config)


def part(name: str) -> str:
    """Of a weight of ours, by its name."""
    if "norm" in name:
        return "norms"
    return "attention" if ".attention." in name else "ffn" if ".ffn." in name else "embedding"


@pytest.mark.parametrize("changes", CASES, ids=str)
def test_parameters_are_those_of_the_model(changes):
    config = config_of(**changes)
    counted = dict.fromkeys(("embedding", "attention", "ffn", "norms"), 0)
    for name, p in built(config).named_parameters():
        counted[part(name)] += p.numel()
    assert parameters_by_part(config) == counted
    assert parameters(config) == sum(counted.values())


@pytest.mark.parametrize("changes", CASES, ids=str)
@pytest.mark.parametrize("length", [1, 12, 64])
def test_flops_of_a_prompt_are_those_that_torch_counts(length, changes):
    """On the meta device, where attention is two plain matrix products; torch's counter knows no CPU attention."""
    config = config_of(**changes)
    model, tokens = built(config), torch.zeros(3, length, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter:
        model(tokens)
    assert counter.get_total_flops() == 3 * length * flops_per_token(config, context=length)


@pytest.mark.parametrize("changes", CASES, ids=str)
def test_flops_of_a_decoded_token_are_those_that_torch_counts(changes):
    config = config_of(**changes)
    model, cache = built(config), KVCache(config, device="meta")
    model(torch.zeros(1, 20, dtype=torch.long, device="meta"), cache)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, dtype=torch.long, device="meta"), cache)
    assert counter.get_total_flops() == flops_per_token(config, context=21)


@pytest.mark.parametrize("changes", CASES, ids=str)
def test_kv_bytes_are_those_of_the_cache(changes):
    config = config_of(**changes)
    for dtype, size in ((torch.float16, 2), (torch.float32, 4)):
        cache = KVCache(config, max_len=10, dtype=dtype)
        assert 10 * kv_bytes_per_token(config, bytes_per_value=size) == cache.nbytes


@pytest.mark.parametrize(
    ("name", "kib"),
    [
        ("MobileLLM-125M", 22.5),
        ("MobileLLM-LS-125M", 45),  # every execution of a shared block keeps its own
        ("MobileLLM-350M", 40),
        ("MobileLLM-600M", 60),
        ("MobileLLM-1B", 67.5),
        ("MobileLLM-1.5B", 67.5),
        ("MobileLLM-R1-140M", 11.25),
        ("Qwen2.5-0.5B", 12),
        ("Qwen3-0.6B", 112),
        ("Gemma 3 270M", 18),
        ("TinyLlama-1.1B", 22),
        ("Llama-3.2-1B", 32),
    ],
)
def test_kv_bytes_of_published_models(name, kib):
    assert kv_bytes_per_token(SHAPES[name].config) == kib * 1024


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("MobileLLM-125M", 14.8),
        ("MobileLLM-350M", 8.9),
        ("MobileLLM-1B", 4.1),
        ("SmolLM2-135M", 21.0),
        ("Llama-3.2-1B", 21.3),
        ("TinyLlama-1.1B", 11.9),  # two tables
    ],
)
def test_share_of_the_embedding_in_published_models(name, share):
    parts = parameters_by_part(SHAPES[name].config)
    assert 100 * parts["embedding"] / sum(parts.values()) == pytest.approx(share, abs=0.05)


def test_weight_bytes():
    config = SHAPES["MobileLLM-125M"].config
    assert weight_bytes(config) == 2 * 124_635_456  # the 249.3 MB that fit the paper's measured latencies
    assert weight_bytes(config, bits_per_weight=32) == sum(p.nbytes for p in built(config).parameters())
    assert weight_bytes(config, bits_per_weight=4.5) == 124_635_456 * 9 // 16
    assert weight_bytes(config_of(), bits_per_weight=1e-9) == 1  # a broken byte counts


def test_sharing_stores_nothing_more_and_computes_twice():
    once, twice = SHAPES["MobileLLM-125M"].config, SHAPES["MobileLLM-LS-125M"].config
    assert parameters(once) == parameters(twice)
    head = 2 * 32_000 * 576
    flops = [flops_per_token(config, context=100) - head for config in (once, twice)]
    assert flops[1] == 2 * flops[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: flops_per_token(c, context=0), "context=0"),
        (lambda c: weight_bytes(c, bits_per_weight=0), "bits_per_weight=0"),
        (lambda c: weight_bytes(c, bits_per_weight=float("inf")), "bits_per_weight=inf"),
        (lambda c: kv_bytes_per_token(c, bytes_per_value=-1), "bytes_per_value=-1"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call(config_of())
