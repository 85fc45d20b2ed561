"""Hadamard matrices are scipy's and orthogonal; a rotated model answers as before, and its outliers are spread."""

import pytest
import scipy.linalg
import torch
from llama import model as with_gains
from quantization.shapes import SHAPES

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, generate
from mobilellm_lab.quantization import Grid, calibrate, calibration_data, hadamard, quantize, rotate
from mobilellm_lab.quantization.rotation import rotation
from mobilellm_lab.reference import load_model
from mobilellm_lab.tasks import evaluate

CONFIG = ModelConfig(vocab_size=20, dim=24, n_layers=2, n_heads=4, n_kv_heads=2, hidden_dim=36, max_seq_len=64)
EVERY = SHAPES | {"no Hadamard matrix of this width": {"dim": 20, "n_heads": 2, "n_kv_heads": 1}}


def tokens() -> torch.Tensor:
    return torch.randint(20, (2, 11), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("n", [1, 2, 4, 8, 64, 128, 256])
def test_hadamard_is_scipys_for_powers_of_two(n):
    assert torch.equal(hadamard(n), torch.from_numpy(scipy.linalg.hadamard(n)).float())


@pytest.mark.parametrize("n", [2, 12, 24, 32, 48, 96, 192, 384])
def test_hadamard_rows_are_orthogonal_and_even(n):
    h = hadamard(n)
    assert torch.equal(h.abs(), torch.ones(n, n)) and torch.equal(h @ h.T, n * torch.eye(n))


@pytest.mark.parametrize(("n", "block"), [(2, 2), (6, 2), (20, 4), (24, 24), (32, 32), (36, 12), (96, 96), (224, 32)])
def test_a_rotation_is_orthogonal_and_spreads_one_channel_over_its_whole_block(n, block):
    turn = rotation(n)
    torch.testing.assert_close(turn @ turn.T, torch.eye(n), atol=1e-5, rtol=0)
    for row in turn.abs():  # where a single outlier in this channel goes
        assert (row > 0).sum() == block
        torch.testing.assert_close(row[row > 0], torch.full((block,), block**-0.5))
    assert not torch.equal(turn, rotation(n, seed=1)) or n == 2
    assert torch.equal(turn, rotation(n))


@pytest.mark.parametrize("shape", EVERY.values(), ids=EVERY)
@torch.no_grad()
def test_rotating_changes_no_logit(shape):
    model = with_gains(CONFIG.resized(**shape))
    before, turned = fingerprint(model), rotate(model, seed=1)
    wanted = model(tokens())
    assert (turned(tokens()) - wanted).abs().max() < 1e-5 * wanted.abs().max().clamp(min=1)
    assert fingerprint(model) == before and fingerprint(turned) == fingerprint(rotate(model, seed=1))
    assert all((p == 1).all() for p in turned.parameters() if p.ndim == 1)
    assert (turned.blocks[0].ffn.up.weight - model.blocks[0].ffn.up.weight).abs().max() > 0.01
    assert turned.training == model.training and turned.blocks[1].training == model.training
    said = [torch.stack(list(generate(m, tokens()[:, :3], 8)), 1) for m in (model, turned)]
    assert torch.equal(*said)


@pytest.mark.parametrize("name", ["stories-deep", "text-wide"])
@torch.no_grad()
def test_rotating_a_trained_model_changes_no_logit_by_more_than_rounding(name):
    found = load_model(name)
    x = found.task.batch(0, 4, split="test").tokens
    assert (rotate(found.model)(x) - found.model(x)).abs().max() < 1e-4


def test_a_tied_head_becomes_a_matrix_of_its_own_and_a_factorised_one_does_not():
    for shape, untied in (({}, True), ({"embed_dim": 12}, False), ({"tie_embeddings": False}, True)):
        model = with_gains(CONFIG.resized(**shape))
        turned = rotate(model)
        assert turned.config.tie_embeddings != untied
        more = sum(p.numel() for p in turned.parameters()) - sum(p.numel() for p in model.parameters())
        assert more == (20 * 24 if model.config.tie_embeddings and untied else 0)


@torch.no_grad()
def test_an_outlier_of_the_stream_is_spread_over_all_channels(stories):
    """A channel of a norm's gains made 50 times larger, its columns as much smaller; seen before and after."""
    model = rotate(stories.model)  # gains of 1
    for block in model.blocks:
        block.attention_norm.weight[7] *= 50
        block.attention.qkv.weight[:, 7] /= 50
    before, after = (
        calibrate(m, calibration_data(stories.task, sequences=2)).inputs["blocks.3.attention.qkv"]
        for m in (model, rotate(model))
    )

    before, after = (seen.high - seen.low for seen in (before, after))
    assert before.argmax() == 7 and before.max() > 20 * before.median()
    assert after.max() < 3 * after.median()


def test_a_rotated_model_is_quantized_as_any_other(small):
    turned = rotate(small.model)
    seen = calibrate(turned, calibration_data(small.task))
    before = evaluate(small.task, small.model, batches=1).loss_nats
    for method in ("rtn", "mse", "gptq", "awq"):
        q = quantize(turned, Grid(bits=4), method=method, calibration=seen)
        assert "head.weight" in q.tensors
        assert evaluate(small.task, q.model, batches=1).loss_nats == pytest.approx(before, abs=0.02)


def test_what_cannot_be_rotated_is_refused_by_name():
    for n in (0, 3, 7, 20, 28, 36):
        with pytest.raises(ValueError, match=f"n={n}: there is one for"):
            hadamard(n)
    for n in (1, 9):
        with pytest.raises(ValueError, match=f"n={n}: must be even"):
            rotation(n)
    with pytest.raises(ValueError, match="n=25: must be even"):
        rotate(with_gains(CONFIG.resized(dim=25, head_dim=6)))
