"""Rounded activations: every number of bits, both kinds of range, in forward and in generation, and off again."""

import pytest
import torch

from mobilellm_lab.model import generate
from mobilellm_lab.quantization import RANGES, calibrate, calibration_data, quantize_activations
from mobilellm_lab.reference import load_model


@pytest.fixture(scope="module")
def stories():
    found = load_model("stories-deep")
    return found, calibrate(found.model, calibration_data(found.task))


def rise(found, *args, **options) -> float:
    before = found.task.evaluate(found.model, batches=1).loss_nats
    with quantize_activations(found.model, *args, **options):
        return found.task.evaluate(found.model, batches=1).loss_nats - before


def test_dynamic_loses_more_with_fewer_bits_and_next_to_nothing_at_eight(stories):
    rises = [rise(stories[0], bits) for bits in (8, 6, 4)]
    assert rises == sorted(rises) and abs(rises[0]) < 0.003 < rises[2]


@pytest.mark.parametrize("ranges", RANGES)
def test_static_loses_more_with_fewer_bits(stories, ranges):
    found, calibration = stories
    rises = [rise(found, bits, how="static", calibration=calibration, ranges=ranges) for bits in (8, 6, 4)]
    assert rises == sorted(rises) and abs(rises[0]) < 0.05


def test_dynamic_is_torchs_rounding_of_every_token(stories):
    found, _ = stories
    layer, got = found.model.blocks[0].ffn.up, {}
    x = torch.randn(2, 3, found.model.config.dim, generator=torch.Generator().manual_seed(0))
    with quantize_activations(found.model, 8):
        handle = layer.register_forward_pre_hook(lambda m, args: got.update(x=args[0]))
        layer(x)
        handle.remove()
    rows = x.flatten(0, 1)
    scale, zero = rows.abs().amax(1) / 127.5, torch.zeros(len(rows), dtype=torch.int32)
    torch.testing.assert_close(
        got["x"].flatten(0, 1), torch.fake_quantize_per_channel_affine(rows, scale, zero, 0, -128, 127)
    )


def test_generation_sees_the_rounding_as_forward_does(stories):
    found, _ = stories
    prompt = found.task.batch(0, 1, split="test").tokens[:, :8]
    with quantize_activations(found.model, 4):
        said = torch.stack(list(generate(found.model, prompt, 12)), 1)
        again = found.model(torch.cat((prompt, said), 1)[:, :-1])[:, prompt.shape[1] - 1 :].argmax(-1)
    assert torch.equal(said, again)


def test_afterwards_the_model_is_as_it_was(stories):
    found, _ = stories
    tokens = found.task.batch(0, 1).tokens
    before = found.model(tokens)
    with quantize_activations(found.model, 4):
        assert not torch.equal(found.model(tokens), before)
    assert torch.equal(found.model(tokens), before)


def test_what_cannot_be_is_refused_by_name(stories):
    found, calibration = stories
    other = load_model("stories-wide").model
    for options, words in (
        ({"how": "sometimes"}, "activation='sometimes'"),
        ({"how": "static"}, "calibrat"),
        ({"ranges": "best"}, "ranges='best'"),
    ):
        with pytest.raises(ValueError, match=words):
            quantize_activations(found.model, 8, **options)
    with pytest.raises(ValueError, match="another model"):
        quantize_activations(other, 8, how="static", calibration=calibration)
    with pytest.raises(ValueError, match="bits=9"):
        quantize_activations(found.model, 9)
