"""Planted outliers change no logit, break what shares a scale, and are cured by rows and rotations."""

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import (
    CHANNEL,
    TENSOR,
    Grid,
    calibrate,
    calibration_data,
    inject_outliers,
    quantize,
    quantize_activations,
    rotate,
)
from mobilellm_lab.quantization.outliers import KINDS
from mobilellm_lab.tasks import evaluate

SHAPE = {"vocab_size": 20, "dim": 24, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 32}
SHAPES = [{}, {"ffn": "relu"}, {"tie_embeddings": False}, {"sharing": "immediate"}, {"embed_dim": 12}]
SHAPES += [{"hidden_dims": (32, 6), "kv_heads": (1, 2)}]


def tokens() -> torch.Tensor:
    return torch.randint(20, (2, 11), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_planting_changes_no_logit_and_not_the_model(kind, shape):
    model = Transformer(ModelConfig(**SHAPE | shape))
    before = fingerprint(model)
    planted = inject_outliers(model, kind=kind, channels=2, factor=64)
    assert torch.equal(planted(tokens()), model(tokens()))  # a power of two: not even the last bit
    assert fingerprint(model) == before != fingerprint(planted)
    assert fingerprint(inject_outliers(model, kind=kind, channels=2, factor=64)) == fingerprint(planted)
    assert fingerprint(inject_outliers(model, kind=kind, channels=2, factor=64, seed=1)) != fingerprint(planted)


def test_one_scale_for_the_matrix_breaks_and_one_per_row_survives(stories):
    planted = inject_outliers(stories.model, kind="weights", factor=64)

    def loss(model, group_size: int) -> float:
        rounded = quantize(model, Grid(group_size=group_size)).model
        return evaluate(stories.task, rounded, batches=1, batch_size=16).loss_nats

    assert loss(planted, TENSOR) > loss(stories.model, TENSOR) + 0.5
    assert loss(planted, CHANNEL) == pytest.approx(loss(stories.model, CHANNEL), abs=0.005)


def test_one_range_for_all_activations_breaks_and_a_rotation_cures(stories):
    planted = inject_outliers(stories.model, kind="activations", factor=64)

    def loss_increase(model, *, hadamard: bool = False) -> float:
        seen = calibrate(model, calibration_data(stories.task))
        before = evaluate(stories.task, model, batches=1, batch_size=16).loss_nats
        with quantize_activations(model, 8, how="static", calibration=seen, hadamard=hadamard):
            return evaluate(stories.task, model, batches=1, batch_size=16).loss_nats - before

    broken = loss_increase(planted)
    assert broken > 5 * max(loss_increase(stories.model), 0.004)
    assert loss_increase(rotate(planted), hadamard=True) < 0.3 * broken
    assert loss_increase(planted, hadamard=True) < 0.3 * broken  # the rotation that is done as the model runs, alone
    assert loss_increase(rotate(planted)) > 0.7 * broken  # those ahead of time do not reach what enters `down`


@pytest.mark.parametrize(("kind", "ends"), [("activations", "ffn.down"), ("inputs", ("attention.qkv", "ffn.up"))])
def test_what_flows_is_larger_by_the_factor_in_these_channels_only(stories, kind, ends):
    planted = inject_outliers(stories.model, kind=kind, channels=3, factor=32)
    before, after = (
        calibrate(model, calibration_data(stories.task, sequences=2)).inputs for model in (stories.model, planted)
    )
    for name in before:
        ratio = after[name].mean_abs / before[name].mean_abs
        larger = ratio > 2
        assert larger.sum() == (3 if name.endswith(ends) else 0)
        torch.testing.assert_close(ratio, torch.where(larger, 32.0, 1.0), rtol=1e-3, atol=0)


def test_planted_rows_differ_by_the_square_of_the_factor(stories):
    planted, head_dim = (
        inject_outliers(stories.model, kind="weights", channels=2, factor=8),
        stories.model.config.head_dim,
    )
    for before, after in zip(stories.model.blocks, planted.blocks, strict=True):
        ratio = (after.attention.qkv.weight / before.attention.qkv.weight).mean(1).unflatten(0, (-1, head_dim))
        n_heads, n_kv_heads = stories.model.config.n_heads, stories.model.config.n_kv_heads
        heads = dict(zip(("q", "k", "v"), ratio.split((n_heads, n_kv_heads, n_kv_heads)), strict=True))
        assert (heads["q"] == 8).sum() == 2 * n_heads and (heads["k"] == 1 / 8).sum() == 2 * n_kv_heads
        assert (heads["v"] == 1).all() and torch.equal(heads["q"][0] == 8, heads["k"][0] == 1 / 8)


def test_what_cannot_be_is_refused_by_name(stories):
    for options, words in (
        ({"kind": "logits"}, "kind='logits'"),
        ({"factor": 0.5}, "factor=0.5"),
        ({"factor": float("nan")}, "factor=nan"),
        ({"channels": 0}, "channels=0"),
        ({"channels": 3}, "channels=3"),
        ({"channels": 10_000, "kind": "activations"}, "channels=10000"),
        ({"channels": 97, "kind": "inputs"}, "channels=97: choose 1 to 96"),
    ):
        with pytest.raises(ValueError, match=words):
            inject_outliers(stories.model, **options)
