"""Perplexity against hand-worked numbers and against the loss of transformers."""

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from mobilellm_lab.measuring import mean_loss_nats, perplexity
from mobilellm_lab.tasks import IGNORE, Batch


def fixed(logits):
    """A model that says the same whatever it reads."""
    return lambda tokens: torch.tensor(logits).expand(*tokens.shape, -1)


def batch(targets):
    targets = torch.tensor(targets)
    return Batch(tokens=torch.zeros_like(targets), targets=targets)


@pytest.mark.parametrize("vocab_size", [2, 7, 1000])
def test_uniform_logits_give_the_vocabulary_size(vocab_size):
    assert perplexity(fixed([3.0] * vocab_size), [batch([[0, 1, 1]])]) == pytest.approx(vocab_size, rel=1e-5)


def test_a_certain_and_right_model_has_perplexity_one():
    assert perplexity(fixed([1000.0, 0.0]), [batch([[0, 0]])]) == 1


def test_hand_worked_mean_counts_targets_not_batches():
    model = fixed([math.log(0.5), math.log(0.25), math.log(0.25)])
    batches = [batch([[0, 0, 0]]), batch([[1, IGNORE, IGNORE]])]  # three targets at 1/2, one at 1/4
    assert mean_loss_nats(model, batches) == pytest.approx((3 * math.log(2) + math.log(4)) / 4, rel=1e-6)
    assert perplexity(model, batches) == pytest.approx(2 ** (5 / 4), rel=1e-6)


def test_agrees_with_the_loss_of_transformers():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes)).eval()
    tokens = torch.randint(0, 50, (3, 9))
    shifted = torch.cat((tokens[:, 1:], torch.full((3, 1), IGNORE)), 1)
    expected = llama(tokens, labels=tokens).loss.item()  # transformers shifts the labels itself
    ours = mean_loss_nats(lambda tokens: llama(tokens).logits, [Batch(tokens=tokens, targets=shifted)])
    assert ours == pytest.approx(expected, rel=1e-6)


def test_a_hopeless_model_is_infinite_and_a_broken_one_is_not_a_number():
    assert perplexity(fixed([0.0, 1e6]), [batch([[0]])]) == math.inf
    assert math.isnan(perplexity(fixed([math.nan, 0.0]), [batch([[0]])]))


@pytest.mark.parametrize("batches", [[], [batch([[IGNORE, IGNORE]])]])
def test_an_empty_evaluation_set_is_refused(batches):
    with pytest.raises(ValueError, match="0 target tokens"):
        perplexity(fixed([0.0, 0.0]), batches)
