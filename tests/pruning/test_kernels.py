"""CSR layers: scipy's product, the masked model's logits and tokens, and a crossover found by a made-up clock."""

import numpy as np
import pytest
import scipy.sparse
import torch
import torch.nn.functional as F
from llama import model
from test_model import config_of, tokens_for

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.measuring import in_memory
from mobilellm_lab.model import generate
from mobilellm_lab.pruning import (
    CSRLinear,
    compare_csr,
    crossover,
    in_pairs,
    kernels,
    matrix_bytes,
    prune,
    theoretical_bytes,
    with_csr,
)

CSR = ("csr int32", "csr int64")


def masked(rows: int, columns: int, sparsity: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(rows, columns, generator=generator) >= sparsity
    return torch.randn(rows, columns, generator=generator) * mask, mask


class Clock:
    """Seconds that pass only when `advance` is called."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("format", CSR)
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.97, 1.0])
@torch.inference_mode()
def test_the_product_is_scipys(sparsity, format):
    w, mask = masked(40, 24, sparsity)
    layer, theirs = CSRLinear(w, mask, format=format), scipy.sparse.csr_matrix(w.numpy())
    assert np.array_equal(layer.rows, theirs.indptr) and np.array_equal(layer.columns, theirs.indices)
    for batch in (1, 2, 33):
        x = torch.randn(batch, 24, generator=torch.Generator().manual_seed(batch))
        assert np.allclose(layer(x), (theirs @ x.numpy().T).T, atol=1e-5)
    x = torch.randn(2, 3, 24)
    assert layer(x).is_contiguous() and torch.allclose(layer(x), F.linear(x, w), atol=1e-5)
    assert layer(x[:1, :1]).shape == (1, 1, 40)


@torch.inference_mode()
def test_the_product_with_a_matrix_serves_where_there_is_none_with_a_vector(monkeypatch):
    def lacking(*_):
        raise RuntimeError("Calling addmv on a sparse CPU tensor requires Linux platform.")

    kernels._multiplies_vectors.cache_clear()
    monkeypatch.setattr(torch, "mv", lacking)
    w, mask = masked(8, 6, 0.5)
    layer, x = CSRLinear(w, mask), torch.randn(1, 6)
    kernels._multiplies_vectors.cache_clear()
    assert not layer.by_vector and torch.allclose(layer(x), F.linear(x, w), atol=1e-6)


@pytest.mark.parametrize("format", CSR)
@torch.inference_mode()
def test_a_model_of_csr_layers_says_the_same_and_weighs_what_the_formula_says(format):
    pruned = prune(model(config_of()), 0.8)
    before = fingerprint(pruned.model)
    sparse = with_csr(pruned, format=format)
    tokens = tokens_for(pruned.model.config, 2, 12)
    assert torch.allclose(sparse(tokens), pruned.model(tokens), atol=1e-4)
    for prompt in (tokens[:1, :3], tokens[:, :3]):
        ours, theirs = (torch.stack(list(generate(each, prompt, 8))) for each in (sparse, pruned.model))
        assert torch.equal(ours, theirs)
    tables = 4 * (pruned.model.cos.numel() + pruned.model.sin.numel())
    assert in_memory(sparse).bytes - tables == theoretical_bytes(pruned, format).bytes
    assert sum(isinstance(layer, CSRLinear) for layer in sparse.modules()) == len(pruned.masks)
    assert fingerprint(pruned.model) == before


@torch.inference_mode()
def test_a_table_stays_dense():
    pruned = prune(model(config_of(tie_embeddings=False)), 0.5, layers="all")
    sparse = with_csr(pruned)
    assert type(sparse.embed) is torch.nn.Embedding and type(sparse.head) is CSRLinear
    tokens = tokens_for(pruned.model.config, 1, 5)
    assert torch.allclose(sparse(tokens), pruned.model(tokens), atol=1e-4)


def test_a_layer_holds_the_bytes_of_its_format():
    w, mask = masked(40, 24, 0.9)
    for format in CSR:
        held = sum(buffer.nbytes for buffer in CSRLinear(w, mask, format=format).buffers())
        assert held == matrix_bytes((40, 24), int(mask.sum()), format)


def test_pairs_are_made_of_samples_long_enough_for_the_clock():
    clock, calls = Clock(), []

    def call(name: str, ms: float) -> None:
        calls.append(name)
        clock.advance(ms / 1000)

    found = in_pairs(lambda: call("a", 0.5), lambda: call("b", 1.5), pairs=8, clock=clock)
    assert found.ratio == pytest.approx(3) and found.verdict == "a is faster"
    assert found.a.samples_ms == pytest.approx([0.5] * 8)  # of one call
    assert calls.count("a") == calls.count("b") == 2 + 8 * 9  # prepared, timed once, then 8 calls a sample


def test_a_real_comparison_has_its_pairs_and_finds_what_is_beyond_doubt():
    found = compare_csr((1024, 1024), 0.999, pairs=8)
    assert found.a.runs == found.b.runs == 8
    assert found.ratio < 1  # a thousand products instead of a million; the interval is the machine's


def test_the_crossover_is_where_csr_stays_faster():
    a, b, tie = "a is faster", "b is faster", "not distinguishable"
    assert crossover([(0.5, a), (0.8, tie), (0.9, b), (0.98, b)]) == 0.9
    assert crossover([(0.98, b), (0.5, b), (0.9, b), (0.8, a)]) == 0.9  # in any order; a lucky 0.5 does not count
    assert crossover([(0.5, a), (0.98, tie)]) is None
    assert crossover([(0.5, b)]) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 1.0}, "sparsity=1.0, batch=1: give a share in"),
        ({"sparsity": 0.5, "batch": 0}, "batch=0: give a share in .* at least 1 input"),
        ({"sparsity": 0.5, "format": "bitmap"}, "format='bitmap': choose one of csr int32, csr int64"),
        ({"sparsity": 0.5, "pairs": 5}, "at least 6 pairs"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        compare_csr((8, 8), **options)
    with pytest.raises(ValueError, match="format='coo': choose one of csr int32"):
        with_csr(prune(model(config_of()), 0.5), format="coo")
