"""Bytes by format: those of scipy's CSR and numpy's packed bits, and the amount from which each pays."""

import math

import numpy as np
import pytest
import scipy.sparse
from llama import model
from test_model import config_of

from mobilellm_lab import footprint
from mobilellm_lab.pruning import FORMATS, matrix_bytes, prune, shares, smaller_from, theoretical_bytes

FORMULAS = tuple(format for format in FORMATS if format != "zlib")
SHAPE = (24, 20)


@pytest.mark.parametrize("kept", [0, 1, 100, 480])
def test_bytes_are_those_of_scipy_and_numpy(kept):
    flat = np.zeros(480, dtype=np.float32)
    flat[np.random.default_rng(0).permutation(480)[:kept]] = 1
    csr = scipy.sparse.csr_matrix(flat.reshape(SHAPE))
    for format, index in (("csr int32", np.int32), ("csr int64", np.int64)):
        parts = csr.data, csr.indices.astype(index), csr.indptr.astype(index)
        assert matrix_bytes(SHAPE, kept, format) == sum(part.nbytes for part in parts)
    assert matrix_bytes(SHAPE, kept, "bitmap") == np.packbits(flat != 0).nbytes + flat[flat != 0].nbytes
    assert matrix_bytes(SHAPE, kept, "dense") == flat.nbytes


def test_values_of_fewer_bits_make_the_positions_dear():
    assert matrix_bytes((8, 16), 64, "dense", bits=4) == 64
    assert matrix_bytes((8, 16), 64, "bitmap", bits=4) == 16 + 32
    assert matrix_bytes((8, 16), 64, "csr int32", bits=4) == 4 * (64 + 9) + 32


@pytest.mark.parametrize("bits", [32, 16, 4])
@pytest.mark.parametrize("format", [format for format in FORMULAS if format != "dense"])
def test_a_format_is_smaller_from_its_share_of_zeros_on_and_not_before(format, bits):
    share = smaller_from(SHAPE, format, bits=bits)
    dense = matrix_bytes(SHAPE, 480, "dense", bits=bits)
    kept = round(480 * (1 - share))
    assert matrix_bytes(SHAPE, kept, format, bits=bits) < dense <= matrix_bytes(SHAPE, kept + 1, format, bits=bits)


def test_a_large_matrix_needs_3_half_or_two_thirds_of_zeros():
    shape = (3072, 576)  # the up matrix of MobileLLM-125M
    assert smaller_from(shape, "bitmap") == pytest.approx(1 / 32, abs=1e-6)
    assert smaller_from(shape, "csr int32") == pytest.approx(0.5 + 1 / 1152, abs=1e-5)
    assert smaller_from(shape, "csr int64") == pytest.approx(2 / 3 + 2 / 3 / 576, abs=1e-5)
    assert smaller_from(shape, "dense") == smaller_from((8, 8), "bitmap", bits=1) == math.inf


def test_whole_models_add_up_and_nothing_is_counted_twice():
    ours = model(config_of())
    pruned = prune(ours, 0.5)
    dense = theoretical_bytes(pruned, "dense")
    assert dense.bytes == 4 * footprint.parameters(ours.config)
    masked = sum(mask.numel() for mask in pruned.masks.values())
    assert dense.bytes - theoretical_bytes(pruned, "bitmap").bytes == 4 * masked // 2 - masked // 8
    models = [prune(ours, amount) for amount in (0.0, 0.5, 0.9)]
    for format in FORMULAS:
        few, more, most = (theoretical_bytes(each, format) for each in models)
        assert few >= more >= most


def test_one_amount_has_three_denominators():
    ours = model(config_of())
    found = shares(prune(ours, 0.5))
    prunable = sum(p.numel() for name, p in ours.named_parameters() if name.startswith("blocks") and p.ndim == 2)
    everything = sum(p.numel() for p in ours.parameters())
    assert found.of_prunable == 0.5
    assert found.of_all == pytest.approx(0.5 * prunable / everything)
    assert found.of_bytes == pytest.approx((0.5 - 1 / 32) * prunable / everything)
    assert shares(prune(ours, 0.5), format="csr int64").of_bytes < 0
    none = shares(prune(ours, 0.0), format="dense")
    assert none.of_prunable == none.of_all == none.of_bytes == 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="format='coo': choose one of dense, zlib, bitmap"):
        matrix_bytes(SHAPE, 3, "coo")
    with pytest.raises(ValueError, match="format='zlib' has no formula: write it with save_sparse"):
        smaller_from(SHAPE, "zlib")
    with pytest.raises(ValueError, match="kept=481: a 24 x 20 matrix keeps 0 to 480 weights"):
        matrix_bytes(SHAPE, 481, "bitmap")
