"""Planted outliers change no logit, break what shares a scale, and are cured by rows and rotations."""

import pytest
import scipy.linalg
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import (
    CHANNEL,
    TENSOR,
    Grid,
    calibrate,
    calibration_data,
    hadamard,
    plant,
    quantize,
    quantize_activations,
    rotate,
)
from mobilellm_lab.quantization.outliers import KINDS
from mobilellm_lab.quantization.rotation import rotation
from mobilellm_lab.reference import load_model

SHAPE = {"vocab_size": 20, "dim": 24, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 32}
SHAPES = [{}, {"ffn": "relu"}, {"tie_embeddings": False}, {"sharing": "immediate"}, {"embed_dim": 12}]


@pytest.fixture(scope="module")
def stories():
    return load_model("stories-deep")


def tokens() -> torch.Tensor:
    return torch.randint(20, (2, 11), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_planting_changes_no_logit_and_not_the_model(kind, shape):
    model = Transformer(ModelConfig(**SHAPE | shape))
    before = fingerprint(model)
    planted = plant(model, kind=kind, channels=2, factor=64)
    assert torch.equal(planted(tokens()), model(tokens()))  # a power of two: not even the last bit
    assert fingerprint(model) == before != fingerprint(planted)
    assert fingerprint(plant(model, kind=kind, channels=2, factor=64)) == fingerprint(planted)
    assert fingerprint(plant(model, kind=kind, channels=2, factor=64, seed=1)) != fingerprint(planted)


@pytest.mark.parametrize("shape", SHAPES)
def test_rotating_changes_no_logit(shape):
    model = Transformer(ModelConfig(**SHAPE | shape))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.uniform_(0.5, 2, generator=torch.Generator().manual_seed(len(name)))  # gains that must be folded
    before = fingerprint(model)
    torch.testing.assert_close(rotate(model)(tokens()), model(tokens()), atol=1e-4, rtol=1e-4)
    assert fingerprint(model) == before


@pytest.mark.parametrize("n", [1, 2, 4, 64, 128])
def test_hadamard_is_scipys(n):
    assert torch.equal(hadamard(n), torch.from_numpy(scipy.linalg.hadamard(n)).float())


@pytest.mark.parametrize("n", [2, 12, 24, 48, 96, 192])
def test_hadamard_rows_are_orthogonal_and_even(n):
    h = hadamard(n)
    assert torch.equal(h.abs(), torch.ones(n, n)) and torch.equal(h @ h.T, n * torch.eye(n))


@pytest.mark.parametrize("n", [6, 32, 96, 224])
def test_a_rotation_is_orthogonal(n):
    torch.testing.assert_close(rotation(n) @ rotation(n).T, torch.eye(n), atol=1e-5, rtol=0)


def test_one_scale_for_the_matrix_breaks_and_one_per_row_survives(stories):
    planted = plant(stories.model, kind="weights", factor=64)

    def loss(model, group_size: int) -> float:
        return stories.task.evaluate(quantize(model, Grid(group_size=group_size)).model, batches=1).loss_nats

    assert loss(planted, TENSOR) > loss(stories.model, TENSOR) + 0.5
    assert loss(planted, CHANNEL) == pytest.approx(loss(stories.model, CHANNEL), abs=0.005)


def test_one_range_for_all_activations_breaks_and_a_rotation_cures(stories):
    planted = plant(stories.model, kind="activations", factor=64)

    def rise(model, *, hadamard: bool = False) -> float:
        seen = calibrate(model, calibration_data(stories.task))
        before = stories.task.evaluate(model, batches=1).loss_nats
        with quantize_activations(model, 8, how="static", calibration=seen, hadamard=hadamard):
            return stories.task.evaluate(model, batches=1).loss_nats - before

    broken = rise(planted)
    assert broken > 5 * max(rise(stories.model), 0.004)
    assert rise(rotate(planted), hadamard=True) < 0.3 * broken


def test_what_cannot_be_is_refused_by_name(stories):
    for options, words in (
        ({"kind": "logits"}, "kind='logits'"),
        ({"factor": 0.5}, "factor=0.5"),
        ({"factor": float("nan")}, "factor=nan"),
        ({"channels": 0}, "channels=0"),
        ({"channels": 3}, "channels=3"),
        ({"channels": 10_000, "kind": "activations"}, "channels=10000"),
    ):
        with pytest.raises(ValueError, match=words):
            plant(stories.model, **options)
    with pytest.raises(ValueError, match="n=7"):
        hadamard(7)
    with pytest.raises(ValueError, match="n=9"):
        rotation(9)
