"""Pruned and quantized: zeros survive every grid that has a code for them, and files take the formula's bytes."""

import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.pruning import prune, quantize_pruned, with_zeros, zeros_in_backend, zeros_kept
from mobilellm_lab.pruning.combined import bitmap_bytes, from_bitmap, to_bitmap
from mobilellm_lab.quantization import (
    BITS,
    CHANNEL,
    TENSOR,
    Grid,
    QTensor,
    calibrate,
    calibration_data,
    packed_bytes,
    quantize,
)
from mobilellm_lab.reference import load_model

GRIDS = [
    Grid(bits=bits, group_size=size, symmetric=symmetric)
    for bits in BITS
    for size in (TENSOR, CHANNEL, 32)
    for symmetric in (True, False)
    if bits > 1 and (symmetric or bits >= 2)
]


@pytest.fixture(scope="module")
def tiny():
    found = load_model("student-tiny")
    before = fingerprint(found.model)
    pruned = prune(found.model, 0.5)
    yield found, pruned, calibrate(pruned.model, calibration_data(found.task))
    assert fingerprint(found.model) == before
    assert pruned.sparsity == pytest.approx(0.5, abs=0.01)


def weights() -> torch.Tensor:
    return torch.randn(24, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_rounding_keeps_every_zero_on_grids_with_a_code_for_it(tiny, grid):
    _, pruned, _ = tiny
    plain, ours = quantize(pruned.model, grid, layers="blocks"), quantize_pruned(pruned, grid)
    assert zeros_kept(plain.model, pruned.masks) == 1
    assert fingerprint(ours.model) == fingerprint(plain.model)


def test_one_bit_fills_every_zero_and_gptq_some_until_they_are_set_again(tiny):
    _, pruned, seen = tiny
    assert zeros_kept(quantize(pruned.model, Grid(bits=1)).model, pruned.masks) == 0
    for bits in (1.58, 4):
        plain = quantize(pruned.model, Grid(bits=bits), layers="blocks", method="gptq", calibration=seen)
        assert 0.5 < zeros_kept(plain.model, pruned.masks) < 1
        q = quantize_pruned(pruned, Grid(bits=bits), method="gptq", calibration=seen)
        assert zeros_kept(q.model, pruned.masks) == 1
        for name, mask in pruned.masks.items():
            assert torch.equal(q.tensors[name].codes[mask], plain.tensors[name].codes[mask])


def test_pruning_a_quantized_model_keeps_its_grid(tiny):
    found, _, _ = tiny
    for grid in (Grid(bits=4), Grid(bits=3, symmetric=False)):
        q = quantize(found.model, grid, layers="blocks")
        before = fingerprint(q.model)
        masks = prune(q.model, 0.5).masks
        sparse = with_zeros(q, masks)
        assert fingerprint(q.model) == before
        for name, tensor in sparse.tensors.items():
            assert torch.equal(tensor.scale, q.tensors[name].scale)
            assert torch.equal(tensor.dequantize(), q.tensors[name].dequantize().masked_fill(~masks[name], 0))
        assert fingerprint(with_zeros(q, masks).model) == fingerprint(sparse.model)


def test_a_grid_with_a_float_zero_fills_every_zero_and_one_with_a_code_none():
    """torchao's tinygemm layout has a float offset for each group, in which 0 need not be a value."""
    pruned = prune(load_model("stories-wide").model, 0.5, layers="ffn")
    assert zeros_in_backend(pruned, "packed 4-bit (ours)") == 1
    assert zeros_in_backend(pruned, "torchao int8 weight-only") == 1
    assert zeros_in_backend(pruned, "torchao int4 (prototype)") < 0.05


@pytest.mark.parametrize("grid", [Grid(bits=4), Grid(bits=1.58), Grid(bits=3, symmetric=False, group_size=20)], ids=str)
def test_bitmap_and_codes_come_back_from_a_file_and_take_the_bytes_of_the_formula(grid, tmp_path):
    w = weights()
    tensor = QTensor.of(w.masked_fill(w.abs() < 0.7, 0), grid)
    parts = to_bitmap(tensor)
    save_file(parts, tmp_path / "matrix.safetensors")
    back = from_bitmap(load_file(tmp_path / "matrix.safetensors"), grid, tensor.shape)
    assert torch.equal(back.codes, tensor.codes) and torch.equal(back.dequantize(), tensor.dequantize())
    assert bitmap_bytes(tensor) == sum(part.nbytes for part in parts.values())


def test_half_the_weights_at_four_bits_take_as_many_bytes_as_all_at_three():
    """Hand-worked: a bit for each of 1,536 weights and four for 768 are three for each; scales are the same."""
    w = weights().sign() * (1 + weights().abs().clamp(max=1))
    w[:, ::2] = 0
    four = QTensor.of(w, Grid(bits=4))
    assert bitmap_bytes(four) == 192 + packed_bytes(768, 4) + 24 * 2 * 2 == Grid(bits=3).nbytes((24, 64))


def test_what_cannot_be_kept_is_refused_by_name(tiny):
    found, pruned, seen = tiny
    for options, words in (
        ({"method": "gptq"}, "method='gptq' needs"),
        ({"method": "gptq", "calibration": calibrate(found.model, calibration_data(found.task))}, "calibration is of"),
    ):
        with pytest.raises(ValueError, match=words):
            quantize_pruned(pruned, Grid(), **options)
    with pytest.raises(ValueError, match="bits=1: .* no code for 0"):
        quantize_pruned(pruned, Grid(bits=1))
    with pytest.raises(ValueError, match="mask embed.weight: the matrix is not quantized"):
        with_zeros(quantize(found.model, Grid(), layers="ffn"), prune(found.model, 0.5, layers="embedding").masks)
    with pytest.raises(ValueError, match="backend='int5'"):
        zeros_in_backend(pruned, "int5")
    assert math.isnan(zeros_in_backend(prune(found.model, 0.0, layers="embedding"), "torchao int8 weight-only"))
