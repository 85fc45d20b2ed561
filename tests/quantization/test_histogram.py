"""Counts before and after rounding, held against NumPy's, and the values of the group with the largest weight."""

import numpy as np
import pytest
import torch

from mobilellm_lab.quantization.grid import BITS, CHANNEL, TENSOR, Grid, QTensor
from mobilellm_lab.quantization.histogram import BINS, histogram

W = torch.randn(8, 48, generator=torch.Generator().manual_seed(0))


def test_counts_are_numpys():
    tensor = QTensor.of(W, Grid(bits=3, group_size=TENSOR))
    found = histogram(W, tensor)
    for counts, weights in ((found.before, W), (found.after, tensor.dequantize())):
        theirs, _ = np.histogram(weights.numpy(), BINS, range=(-found.end, found.end))
        assert np.abs(np.array(counts) - theirs).sum() <= 4  # a value on an edge may fall on either side
        assert sum(counts) == W.numel()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("group_size", [TENSOR, CHANNEL, 32])
def test_the_values_are_those_that_the_widest_group_takes(bits, group_size):
    grid = Grid(bits=bits, group_size=group_size)
    tensor = QTensor.of(W, grid)
    found = histogram(W, tensor)
    assert len(found.values) == grid.levels and list(found.values) == sorted(found.values)
    assert found.groups == tensor.scale.numel()
    if group_size == TENSOR:
        assert set(tensor.dequantize().unique().tolist()) <= set(torch.tensor(found.values).tolist())
    assert max(map(abs, found.values)) >= tensor.dequantize().abs().max().item() - 1e-6


def test_the_mean_error_falls_with_bits():
    errors = [histogram(W, QTensor.of(W, Grid(bits=bits))).error for bits in (2, 3, 4, 6, 8)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.01


def test_an_affine_grid_holds_zero_and_reaches_both_ends():
    w = W.abs() + 1
    found = histogram(w, QTensor.of(w, Grid(bits=4, group_size=TENSOR, symmetric=False)))
    assert min(found.values) == 0 and max(found.values) == pytest.approx(w.max().item(), rel=0.01)


def test_a_matrix_that_stays_float_has_no_grid():
    found = histogram(W)
    assert found.before == found.after and found.values == () and (found.groups, found.error) == (0, 0.0)


def test_no_weights_and_nan_are_refused():
    with pytest.raises(ValueError, match="give a matrix with at least one weight"):
        histogram(torch.zeros(0, 4))
    with pytest.raises(ValueError, match="NaN"):
        histogram(torch.full((2, 2), torch.nan))
