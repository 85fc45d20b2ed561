"""AWQ's scales: the same function in every shape of model, the best of those tried, and a cure for large inputs."""

from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
import torch
from llama import model as with_gains
from quantization.shapes import SHAPES

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.quantization import CHANNEL, TENSOR, Grid, calibrate, inject_outliers, matrices, quantize, select
from mobilellm_lab.quantization.awq import EXPONENTS, best_scale, output_error, scaled
from mobilellm_lab.tasks import Batch

CONFIG = ModelConfig(vocab_size=40, dim=24, n_layers=2, n_heads=4, n_kv_heads=2, hidden_dim=40, max_seq_len=64)


def tokens(seed: int = 0) -> torch.Tensor:
    return torch.randint(CONFIG.vocab_size, (4, 32), generator=torch.Generator().manual_seed(seed))


def calibrated(model):
    return calibrate(model, [Batch(tokens(), tokens())])


def inputs(channels: int, large: float) -> torch.Tensor:
    """Inputs (tokens, channels) of which two channels are `large` times the others."""
    x = torch.randn(400, channels, generator=torch.Generator().manual_seed(1))
    x[:, [2, 9]] *= large
    return x


@pytest.mark.parametrize(
    ("shape", "group_size"), [*zip(SHAPES.values(), cycle((TENSOR, CHANNEL, 8)), strict=False)], ids=SHAPES
)
@torch.no_grad()
def test_scaled_weights_compute_the_same_function(shape, group_size):
    model = with_gains(replace(CONFIG, head_dim=0, embed_dim=0).resized(**shape))
    for block in model.blocks:
        block.attention_norm.weight[3] *= 20  # inputs worth a scale
        block.ffn_norm.weight[5] *= 20
    before = fingerprint(model)
    grids = dict.fromkeys(matrices(model), Grid(bits=2, group_size=group_size))
    moved, scales = scaled(model, grids, calibrated(model))
    assert fingerprint(model) == before
    assert moved.config == model.config
    assert {n: p.shape for n, p in moved.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}
    wanted, found = model(tokens(1)), moved(tokens(1))
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()
    blocks = {f"blocks.{i}.{part}.weight" for i in range(2) for part in ("attention.qkv", "attention.out")}
    blocks |= {f"blocks.{i}.{part}.weight" for i in range(2) for part in ("ffn.up", "ffn.down")}
    head = {"head.weight"} if shape == SHAPES["untied"] else set()
    assert scales.keys() == blocks | head
    assert any(scale.max() > 1.5 for scale in scales.values())
    assert not torch.equal(moved.blocks[0].attention_norm.weight, model.blocks[0].attention_norm.weight)


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("group_size", [TENSOR, CHANNEL, 8])
def test_the_scale_is_the_best_of_those_tried(bits, group_size):
    grid, x = Grid(bits=bits, group_size=group_size), inputs(32, 30)
    w = torch.randn(12, 32, generator=torch.Generator().manual_seed(2))
    gram, magnitude = x.T @ x, x.abs().mean(0)

    def error(scale: torch.Tensor) -> float:
        rounded = grid.fake(w * scale).double().numpy() / scale.double().numpy()
        return np.square(x.double().numpy() @ (rounded - w.double().numpy()).T).sum()

    errors = []
    for exponent in EXPONENTS:
        scale = magnitude**exponent
        errors.append(error(scale / (scale.max() * scale.min()).sqrt()))
    found = best_scale(w, gram, magnitude, grid)
    assert error(found) == pytest.approx(min(errors), rel=1e-3)
    assert error(found) < 0.9 * errors[0]  # two large channels: better than no scale
    assert found.max() * found.min() == pytest.approx(1, rel=1e-5)


def test_the_error_is_that_of_the_outputs():
    change, x = torch.randn(5, 32, generator=torch.Generator().manual_seed(3)), inputs(32, 3)
    assert output_error(change, x.T @ x) == pytest.approx((x @ change.T).square().sum().item(), rel=1e-4)


def test_inputs_of_one_size_or_of_none_need_no_scale():
    w, grid = torch.randn(6, 16, generator=torch.Generator().manual_seed(4)), Grid(bits=3, group_size=CHANNEL)
    for gram, magnitude in ((torch.eye(16), torch.ones(16)), (torch.zeros(16, 16), torch.zeros(16))):
        assert torch.equal(best_scale(w, gram, magnitude, grid), torch.ones(16))


def test_a_layer_that_is_never_reached_spoils_nothing():
    """Every hidden channel off: `down` sees zeros, and nothing can be learned from them."""
    model = with_gains(replace(CONFIG, ffn="relu"))
    with torch.no_grad():
        model.blocks[0].ffn.up.weight.zero_()
    q = quantize(model, Grid(bits=3), method="awq", calibration=calibrated(model))
    assert q.model(tokens()).isfinite().all()


@pytest.mark.parametrize("layers", ["attention", "ffn", "embedding"])
def test_only_what_is_rounded_is_scaled(layers):
    model = with_gains(CONFIG)
    grids = dict.fromkeys(select(model, layers), Grid(bits=2))
    _, scales = scaled(model, grids, calibrated(model))
    assert scales.keys() == grids.keys() - {"embed.weight"}


def test_large_inputs_are_where_it_is_worth_most():
    """The columns that undo an outlier are tiny, and round-to-nearest loses them; AWQ makes them large again."""
    plain = with_gains(CONFIG)
    planted = inject_outliers(plain, kind="activations", channels=4, factor=64)
    grid, wanted = Grid(bits=4, group_size=CHANNEL), plain(tokens(1)).detach()

    def error(model, method: str) -> float:
        q = quantize(model, grid, method=method, layers="ffn", calibration=calibrated(model))
        return (q.model(tokens(1)) - wanted).square().mean().item()

    assert error(planted, "rtn") > 1.3 * error(plain, "rtn")
    assert error(planted, "awq") < 0.7 * error(planted, "rtn")
    assert error(planted, "awq") < 1.6 * error(plain, "awq")
