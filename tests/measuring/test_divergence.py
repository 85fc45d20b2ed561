"""KL divergence and agreement with the original: hand-worked, against PyTorch, at the limit."""

import math

import pytest
import torch

from mobilellm_lab import zoo
from mobilellm_lab.measuring import divergence
from mobilellm_lab.model import Transformer
from mobilellm_lab.tasks import IGNORE, Batch

CONFIG = zoo.solve(30_000, 1, vocab_size=32, n_heads=2, max_seq_len=16)


def fixed(*probabilities):
    return lambda tokens: torch.tensor(probabilities).log().expand(*tokens.shape, -1)


def batch(rows=4, length=8, seed=0, vocab_size=32):
    tokens = torch.randint(vocab_size, (rows, length), generator=torch.Generator().manual_seed(seed))
    return Batch(tokens=tokens, targets=tokens)


def test_hand_worked():
    """KL((1/2, 1/2) || (1/4, 3/4)) = 1/2 ln 2 + 1/2 ln 2/3."""
    found = divergence(fixed(0.25, 0.75), fixed(0.5, 0.5), [batch(vocab_size=2)])
    assert found.kl_nats.value == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), rel=1e-6)
    other_way = divergence(fixed(0.5, 0.5), fixed(0.25, 0.75), [batch(vocab_size=2)])
    assert other_way.kl_nats.value == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5), rel=1e-6)


def test_what_the_original_rules_out_costs_nothing_and_what_the_model_rules_out_costs_everything():
    assert divergence(fixed(0.5, 0.5), fixed(1.0, 0.0), [batch(vocab_size=2)]).kl_nats.value == pytest.approx(
        math.log(2)
    )
    with pytest.raises(ValueError, match="not finite"):
        divergence(fixed(1.0, 0.0), fixed(0.5, 0.5), [batch(vocab_size=2)])


def test_agrees_with_torch():
    model, original = Transformer(CONFIG, seed=1), Transformer(CONFIG, seed=2)
    data = batch()
    found = divergence(model, original, [data])
    with torch.inference_mode():
        p, q = original(data.tokens).log_softmax(-1), model(data.tokens).log_softmax(-1)
        expected = torch.nn.functional.kl_div(q, p, reduction="none", log_target=True).sum(-1).mean().item()
        same = (p.argmax(-1) == q.argmax(-1)).float().mean().item()
    assert found.kl_nats.value == pytest.approx(expected, rel=1e-4)
    assert found.agreement.value == pytest.approx(same, abs=1e-6)


def test_the_original_itself_has_no_divergence():
    model = Transformer(CONFIG, seed=1)
    found = divergence(model, model, [batch()])
    assert (found.kl_nats.low, found.kl_nats.value, found.kl_nats.high) == (0, 0, 0)
    assert found.agreement.value == 1


def test_more_noise_is_further_away():
    original = Transformer(CONFIG, seed=1)
    far = []
    for scale in (0.01, 0.03, 0.1, 0.3):
        model = Transformer(CONFIG, seed=1)
        with torch.no_grad():
            for number, p in enumerate(model.parameters()):
                p += (
                    scale * p.std() * torch.randn(p.shape, generator=torch.Generator().manual_seed(number))
                    if p.ndim == 2
                    else 0
                )
        far.append(divergence(model, original, [batch(rows=16)]).kl_nats.value)
    assert far == sorted(far) and far[0] < far[-1] / 10


def test_positions_that_are_not_asked_do_not_count():
    model, original, data = Transformer(CONFIG, seed=1), Transformer(CONFIG, seed=2), batch()
    half = data.targets.clone()
    half[:, 4:] = IGNORE
    found = divergence(model, original, [Batch(tokens=data.tokens, targets=half)])
    cut = divergence(model, original, [Batch(tokens=data.tokens[:, :4], targets=data.targets[:, :4])])
    assert found.kl_nats.value == pytest.approx(cut.kl_nats.value, rel=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="0 target tokens"):
        divergence(fixed(0.5, 0.5), fixed(0.5, 0.5), [])
    with pytest.raises(ValueError, match="3 logits and original with 2"):
        divergence(fixed(0.5, 0.25, 0.25), fixed(0.5, 0.5), [batch(vocab_size=2)])
