"""A model that sees the future is caught; one that does not, never is."""

import math

import pytest
import torch

from mobilellm_lab.deep_narrow import EncoderLM, Noise, leak, train_on_noise
from mobilellm_lab.model import ModelConfig, Transformer

NOISE = Noise()
SHAPE = {"vocab_size": 16, "dim": 32, "n_layers": 2, "n_heads": 4, "n_kv_heads": 4, "hidden_dim": 64, "max_seq_len": 16}
TOKENS = NOISE.batch(0, 1).tokens


def encoder(*, causal: bool, positions: bool, **changes) -> EncoderLM:
    return EncoderLM(ModelConfig(**{**SHAPE, **changes}), causal=causal, positions=positions)


@pytest.mark.parametrize("sharing", ["none", "immediate"])
@pytest.mark.parametrize("length", [2, 16])
def test_our_transformer_does_not_leak_at_all(sharing, length):
    assert leak(Transformer(ModelConfig(**SHAPE, sharing=sharing)), TOKENS[:, :length]) == 0


@pytest.mark.parametrize("positions", [True, False])
def test_the_mask_makes_the_difference(positions):
    assert leak(encoder(causal=True, positions=positions), TOKENS) == 0
    assert leak(encoder(causal=False, positions=positions), TOKENS) > 1e-3


def test_the_leak_is_the_largest_change_of_an_earlier_logit():
    model, changed = encoder(causal=False, positions=True), TOKENS.clone()
    changed[0, -1] = (changed[0, -1] + 1) % 16
    before, after = model(TOKENS), model(changed)
    assert leak(model, TOKENS) == pytest.approx((before - after)[0, :15].abs().max().item())
    assert leak(model, TOKENS) < (before - after).abs().max().item()  # the last logits may change, and do


def test_looking_for_a_leak_changes_nothing():
    before = TOKENS.clone()
    leak(encoder(causal=False, positions=True), TOKENS)
    assert torch.equal(TOKENS, before)


def test_one_token_has_no_past():
    with pytest.raises(ValueError, match="tokens has 1 position: give at least 2"):
        leak(encoder(causal=True, positions=True), TOKENS[:, :1])


def test_positions_are_needed_to_tell_an_order():
    """Without mask and positions, the same tokens in another order give the same logits in that order."""
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    for positions in (False, True):
        model = encoder(causal=False, positions=positions)
        gap = (model(TOKENS)[:, order] - model(TOKENS[:, order])).abs().max()
        assert (gap < 1e-5) == (not positions)


def test_the_seed_gives_the_weights_and_the_global_state_is_left_alone():
    before = torch.get_rng_state()
    a, b, c = (EncoderLM(ModelConfig(**SHAPE), causal=True, positions=True, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(a.head.weight, b.head.weight) and not torch.equal(a.head.weight, c.head.weight)


def test_targets_are_the_tokens_that_follow():
    batch = NOISE.batch(0, 8)
    assert batch.tokens.shape == (8, 16)
    assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    short = NOISE.batch(0, 8, seq_len=5)
    assert torch.equal(short.tokens, batch.tokens[:, :5]) and torch.equal(short.targets, batch.targets[:, :5])


def test_noise_is_even_and_its_past_says_nothing():
    batch = NOISE.batch(0, 2000)
    pairs = (batch.tokens * 16 + batch.targets).flatten().bincount(minlength=256)
    expected = 2000 * 16 / 256
    assert ((pairs - expected) ** 2 / expected).sum() < 255 + 5 * math.sqrt(2 * 255)  # chi-square


def test_splits_and_batches_are_pure_and_apart():
    assert torch.equal(NOISE.batch(3, 8).tokens, Noise().batch(3, 8).tokens)
    found = [NOISE.batch(i, 64, split=split).tokens for split in ("train", "validation", "test") for i in range(3)]
    assert len({tuple(row.tolist()) for part in found for row in part}) == 9 * 64


def test_a_model_that_is_shown_the_answer_beats_the_floor_and_the_check_says_so():
    model = encoder(causal=False, positions=True, n_layers=1)
    *_, last = train_on_noise(model, NOISE)
    found = last.evaluation
    assert found.floor_nats == math.log(16)
    assert found.loss_nats < 0.5 * found.floor_nats  # impossible for an honest model
    assert found.scores["accuracy"] > 0.5
    assert found.scores["loss without the future, nats"] > found.floor_nats
    assert leak(model, TOKENS) > 1


@pytest.mark.parametrize("kind", ["encoder with a mask", "transformer"])
def test_an_honest_model_never_beats_the_floor(kind):
    honest = encoder(causal=True, positions=True) if kind.startswith("encoder") else Transformer(ModelConfig(**SHAPE))
    *_, last = train_on_noise(honest, NOISE, steps=60)
    found = last.evaluation
    assert found.loss_nats > found.floor_nats - 0.01  # 4096 held-out tokens
    assert found.scores["accuracy"] < 0.09  # guessing is 1/16
    assert found.scores["loss without the future, nats"] == pytest.approx(found.loss_nats, abs=1e-4)
    assert leak(honest, TOKENS) == 0


def test_show_gives_a_sequence_and_what_is_expected_to_follow():
    model = encoder(causal=True, positions=True)
    given, expected = NOISE.show(model).splitlines()
    tokens = NOISE.batch(0, 1, split="validation").tokens
    assert [int(word) for word in given.split()] == tokens[0].tolist()
    assert [int(word) for word in expected.split()] == model(tokens).argmax(-1)[0].tolist()
