"""The speed sweep: a full plan, twins that compute what they should, and rows from models small enough to measure."""

import itertools

import pytest
import torch
from llama import model
from test_model import config_of, tokens_for

from mobilellm_lab import footprint
from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.measuring import in_memory
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.kernels import INDEX
from mobilellm_lab.pruning.study.speed import (
    CROSSOVER_SIZES,
    SMALLER,
    SPEED_SIZES,
    STRUCTURED_AMOUNTS,
    WORKS,
    ZEROS,
    PruningKernelRecipe,
    PruningSpeedRecipe,
    measure_speed,
    smaller_config,
    speed_plan,
    without_weights,
    work_of,
)
from mobilellm_lab.sweeps import key


def test_the_plan_is_a_full_product_without_repetition():
    plan = speed_plan()
    assert len({key(recipe) for recipe in plan}) == len(plan)
    models = [recipe for recipe in plan if isinstance(recipe, PruningSpeedRecipe)]
    found = {(recipe.size, recipe.granularity, recipe.amount, recipe.work) for recipe in models}
    assert found >= set(itertools.product(SPEED_SIZES, SMALLER, STRUCTURED_AMOUNTS, WORKS))
    assert all(recipe.pairs >= 14 for recipe in plan)


@pytest.mark.parametrize("granularity", SMALLER)
def test_a_smaller_shape_lost_its_share_of_units_and_no_other(granularity):
    config = config_of(dim=32, n_heads=8, n_kv_heads=4, head_dim=8, hidden_dim=80, n_layers=4)
    small = smaller_config(config, granularity, 0.25)
    changed = {name for name in vars(config) if getattr(config, name) != getattr(small, name)}
    units = {"neuron": ("hidden_dim", 60), "head": ("n_kv_heads", 3), "width": ("dim", 24), "layer": ("n_layers", 3)}
    name, left = units[granularity]
    assert getattr(small, name) == left and small.head_dim == 8
    assert changed == {name} | {"head": {"n_heads"}, "width": {"embed_dim"}}.get(granularity, set())
    assert footprint.parameters(small) < footprint.parameters(config)
    assert smaller_config(config, granularity, 0.999) != small  # one unit stays
    Transformer(smaller_config(config, granularity, 0.999))


@pytest.mark.parametrize("amount", [0.5, 0.9])
@torch.inference_mode()
def test_zeros_and_csr_are_one_model_and_share_the_rest(amount):
    ours = model(config_of(dim=64, hidden_dim=256, head_dim=0))
    before = fingerprint(ours)
    zeros, *csr = (without_weights(ours, granularity, amount) for granularity in ZEROS)
    tokens = tokens_for(ours.config, 2, 12)
    logits = zeros(tokens)
    assert not torch.allclose(logits, ours(tokens), atol=0.1)
    for sparse in csr:
        assert torch.allclose(sparse(tokens), logits, atol=1e-4)
    weights = torch.cat([p.flatten() for p in zeros.blocks.parameters() if p.ndim == 2])
    assert (weights == 0).double().mean() == pytest.approx(amount, abs=0.01)
    for other in (zeros, *csr):
        assert other.embed.weight.data_ptr() == ours.embed.weight.data_ptr()
        assert other.config == ours.config
    assert in_memory(zeros).bytes == in_memory(ours).bytes
    assert fingerprint(ours) == before


@pytest.mark.parametrize("work", WORKS)
def test_a_work_may_be_done_again_and_again(work):
    ours = model(config_of(max_seq_len=64))
    sequences = []
    ours.blocks[0].ffn.down.register_forward_hook(lambda _, inputs, __: sequences.append(inputs[0].shape[:-1]))
    do = work_of(ours, work)
    for _ in range(3):
        do()
    assert len(sequences) == 3 and len(set(sequences)) == 1
    assert sequences[0].numel() == WORKS[work][0] * WORKS[work][1]


def test_rows_of_small_models_and_products(monkeypatch):
    monkeypatch.setitem(CROSSOVER_SIZES, "1M", config_of(max_seq_len=64))
    models = [
        PruningSpeedRecipe(size="1M", granularity=granularity, amount=0.5, work=work, pairs=6)
        for granularity, work in zip(SMALLER + ZEROS, 3 * tuple(WORKS), strict=False)
    ]
    kernels = [PruningKernelRecipe(shape="24 x 16", format=format, batch=2, sparsity=0.5, pairs=6) for format in INDEX]
    found = dict(measure_speed(kernels + models))
    assert list(found) == kernels + models
    for recipe, row in found.items():
        assert 0 < row["speedup_low"] <= row["speedup"] <= row["speedup_high"], recipe
        assert row["verdict"] in ("faster", "slower", "not distinguishable")
        assert 0 < row["cpu_ms"]["p10"] <= row["cpu_ms"]["p90"] and row["provenance"]["commit"]
    for recipe in models:
        row = found[recipe]
        assert (row["removed"] > 0) == (recipe.granularity in SMALLER) == (row["parameters"] < row["dense_parameters"])
        assert (row["memory_bytes"] < row["dense_memory_bytes"]) == (recipe.granularity in SMALLER)
        assert row["tokens_per_s"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "7B"}, "size='7B': choose one of 1M; 125M"),
        ({"granularity": "2:4"}, "granularity='2:4': choose one of neuron; head; width; layer; dense with zeros"),
        ({"work": "chat"}, "work='chat': choose one of decode; decode, batch 8; prompt"),
        ({"amount": 1.0}, "amount=1.0: give a share between 0 and 1"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        PruningSpeedRecipe(**options)
