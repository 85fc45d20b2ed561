"""Rounding after training: the four methods, what they leave alone, and who is better at three bits."""

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import (
    LAYERS,
    METHODS,
    Grid,
    QTensor,
    calibrate,
    calibration_data,
    matrices,
    quantize,
    select,
)
from mobilellm_lab.quantization.awq import scaled
from mobilellm_lab.quantization.gptq import gptq
from mobilellm_lab.quantization.ptq import CALIBRATED
from mobilellm_lab.reference import load_model


@pytest.fixture(scope="module")
def text():
    found = load_model("text-deep")
    return found, calibrate(found.model, calibration_data(found.task))


def loss(found, model) -> float:
    return found.task.evaluate(model, batches=1).loss_nats


@pytest.mark.parametrize("method", METHODS)
def test_a_copy_lies_on_its_grids_and_the_model_is_untouched(text, method):
    found, calibration = text
    before = fingerprint(found.model)
    q, again = (quantize(found.model, Grid(bits=3), method=method, calibration=calibration) for _ in range(2))
    assert fingerprint(found.model) == before
    assert fingerprint(q.model) == fingerprint(again.model)  # the same twice
    assert set(q.tensors) == set(matrices(found.model))
    for name, tensor in q.tensors.items():
        assert torch.equal(tensor.dequantize(), q.model.get_parameter(name))


@pytest.mark.parametrize("layers", LAYERS)
def test_only_the_chosen_layers_are_rounded(text, layers):
    found, _ = text
    q = quantize(found.model, Grid(bits=4), layers=layers)
    assert set(q.tensors) == set(select(found.model, layers))
    same = {n for n, p in matrices(found.model).items() if torch.equal(p, q.model.get_parameter(n))}
    assert same == set(matrices(found.model)) - set(q.tensors)


def test_a_dict_gives_each_matrix_its_own_grid(text):
    found, _ = text
    chosen = {"blocks.0.ffn.up.weight": Grid(bits=2), "blocks.1.ffn.down.weight": Grid(bits=8)}
    assert {name: t.grid for name, t in quantize(found.model, chosen).tensors.items()} == chosen


@pytest.mark.parametrize("group_size", [0, 32])
def test_error_compensation_and_activation_awareness_beat_nearest_at_three_bits(text, group_size):
    """On three calibration sets, and clearly: at least a quarter of what rounding to nearest loses is won back."""
    found, _ = text
    grid, start = Grid(bits=3, group_size=group_size), loss(found, found.model)
    nearest = loss(found, quantize(found.model, grid).model) - start
    for seed in range(3):
        seen = calibrate(found.model, calibration_data(found.task, seed=seed))
        for method in CALIBRATED:
            rise = loss(found, quantize(found.model, grid, method=method, calibration=seen).model) - start
            assert rise < 0.75 * nearest, (method, seed)


def test_fewer_bits_lose_more_and_eight_lose_nothing(text):
    found, _ = text
    rises = [loss(found, quantize(found.model, Grid(bits=b)).model) - loss(found, found.model) for b in (8, 4, 3, 2)]
    assert rises == sorted(rises)
    assert abs(rises[0]) < 0.005 and rises[-1] > 1


# GPTQ


def inputs(n: int, c: int, *, correlated: bool) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, c, generator=generator)
    return x @ torch.randn(c, c, generator=generator) if correlated else x


def test_gptq_with_inputs_that_are_not_correlated_rounds_to_nearest():
    w = torch.randn(6, 16, generator=torch.Generator().manual_seed(1))
    grid = Grid(bits=3, group_size=8)
    assert torch.equal(gptq(w, torch.eye(16), grid, clip=False).codes, QTensor.of(w, grid).codes)


@pytest.mark.parametrize(
    ("bits", "group_size", "symmetric"), [(2, 0, True), (3, 8, True), (3, 5, False), (4, -1, True)]
)
def test_gptq_changes_the_product_less_than_nearest(bits, group_size, symmetric):
    grid = Grid(bits=bits, group_size=group_size, symmetric=symmetric)
    w, x = torch.randn(8, 16, generator=torch.Generator().manual_seed(2)), inputs(200, 16, correlated=True)

    def error(tensor: QTensor) -> float:
        return (x @ (tensor.dequantize() - w).T).square().sum().item()

    assert error(gptq(w, x.T @ x, grid, clip=False)) < 0.8 * error(QTensor.of(w, grid))


def test_gptq_is_near_the_best_of_all_roundings():
    """Every code of a row of six 2-bit weights is tried: no rounding can be better, and GPTQ's is not far off."""
    w, x = torch.randn(1, 6, generator=torch.Generator().manual_seed(3)), inputs(100, 6, correlated=True)
    grid, gram = Grid(bits=2, group_size=0), x.T @ x
    scale, zero = grid.fit(w)
    every = torch.cartesian_prod(*[torch.arange(grid.low, grid.high + 1)] * 6).to(torch.int8)
    e = every.float() * scale - w
    best = ((e @ gram) * e).sum(1).min().item()
    found = gptq(w, gram, grid, clip=False).dequantize() - w
    nearest = QTensor.of(w, grid).dequantize() - w
    found, nearest = (((d @ gram) * d).sum().item() for d in (found, nearest))
    assert best <= found * (1 + 1e-5) and found <= nearest
    assert found < best + 0.5 * (nearest - best) or nearest == pytest.approx(best)


# AWQ


def test_awq_scales_compute_the_same_function(text):
    found, calibration = text
    moved, scales = scaled(found.model, dict.fromkeys(matrices(found.model), Grid(bits=3)), calibration)
    tokens = found.task.batch(0, 2, split="test").tokens
    torch.testing.assert_close(moved(tokens), found.model(tokens), atol=2e-3, rtol=1e-3)
    assert any(not torch.allclose(scale, torch.ones_like(scale)) for scale in scales.values())


# What is refused


def test_what_cannot_be_quantized_is_refused_by_name(text):
    found, calibration = text
    with pytest.raises(ValueError, match="method='best'"):
        quantize(found.model, Grid(), method="best")
    with pytest.raises(ValueError, match="layers='norms'"):
        quantize(found.model, Grid(), layers="norms")
    with pytest.raises(ValueError, match="gptq.*calibrat"):
        quantize(found.model, Grid(), method="gptq")
    with pytest.raises(ValueError, match="no.such.weight"):
        quantize(found.model, {"no.such.weight": Grid()})
    other = Transformer(ModelConfig(vocab_size=16, dim=16, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=32))
    with pytest.raises(ValueError, match="another model"):
        quantize(other, Grid(), method="awq", calibration=calibration)
    with torch.no_grad():
        other.blocks[0].ffn.up.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="blocks.0.ffn.up.weight.*NaN"):
        quantize(other, Grid())
    with pytest.raises(ValueError, match="gram: NaN"):
        gptq(torch.ones(2, 4), torch.full((4, 4), torch.nan), Grid())
