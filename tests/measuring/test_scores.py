"""Loss, perplexity, bits per byte and accuracy: hand-worked, against transformers, and between tokenizers."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import LlamaConfig, LlamaForCausalLM

from mobilellm_lab import zoo
from mobilellm_lab.measuring import Scores, mean_loss_nats, paired_difference, perplexity, score
from mobilellm_lab.model import Transformer
from mobilellm_lab.tasks import IGNORE, Batch, evaluate, make


def fixed(probabilities):
    """A model that says the same whatever it reads."""
    return lambda tokens: torch.tensor(probabilities).log().expand(*tokens.shape, -1)


def batch(targets):
    targets = torch.tensor(targets)
    return Batch(tokens=torch.zeros_like(targets), targets=targets)


HALVES = fixed([0.5, 0.25, 0.25])


def test_hand_worked():
    """Six targets: three at 1/2 and three at 1/4; tokens of 1, 2 and 3 bytes."""
    scores = score(
        HALVES, [batch([[0, 0, 1]]), batch([[0, 1, IGNORE], [IGNORE, 2, IGNORE]])], token_bytes=torch.tensor([1, 2, 3])
    )
    assert scores.targets == (3, 2, 1) and scores.right == (2, 1, 0) and scores.n_bytes == (4, 3, 3)
    bits = 3 * 1 + 3 * 2
    assert scores.loss_nats().value == pytest.approx(bits * math.log(2) / 6, rel=1e-6)
    assert scores.perplexity().value == pytest.approx(2 ** (bits / 6), rel=1e-6)
    assert scores.bits_per_byte().value == pytest.approx(bits / 10, rel=1e-6)
    assert scores.accuracy().value == 3 / 6


def test_a_uniform_model_of_bytes_needs_eight_bits():
    scores = score(fixed([1 / 256] * 256), [batch([[7, 200, 31]])], token_bytes=torch.ones(256, dtype=torch.int64))
    assert scores.bits_per_byte().value == pytest.approx(8, rel=1e-5)
    assert scores.perplexity().value == pytest.approx(256, rel=1e-5)


def test_agrees_with_the_loss_of_transformers_and_with_our_own_perplexity():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes)).eval()
    tokens = torch.randint(0, 50, (3, 9))
    shifted = torch.cat((tokens[:, 1:], torch.full((3, 1), IGNORE)), 1)
    expected = llama(tokens, labels=tokens).loss.item()  # transformers shifts the labels itself
    model, batches = (lambda tokens: llama(tokens).logits), [Batch(tokens=tokens, targets=shifted)]
    found = score(model, batches)
    assert found.loss_nats().value == pytest.approx(expected, rel=1e-6)
    assert found.loss_nats().value == pytest.approx(mean_loss_nats(model, batches), rel=1e-6)
    assert found.perplexity().value == pytest.approx(perplexity(model, batches), rel=1e-6)
    hits = (llama(tokens).logits[:, :-1].argmax(-1) == tokens[:, 1:]).float().mean().item()
    assert found.accuracy().value == pytest.approx(hits)


@pytest.mark.parametrize("tokenizer", ["bytes", "bpe"])
def test_bits_per_byte_is_that_of_the_text_task(tokenizer):
    """The task counts in its own way over the same sequences."""
    task = make("text", tokenizer=tokenizer, seq_len=32)
    model = Transformer(zoo.solve(60_000, 1, vocab_size=task.vocab_size, max_seq_len=32))
    places = (len(task._parts["test"]) - 1) // 32
    starts = np.arange(8) * places // 8 * 32
    found = score(model, [task._cut("test", starts, 32)], token_bytes=task.token_bytes)
    expected = evaluate(task, model, split="test", batches=1, batch_size=8)
    assert found.bits_per_byte().value == pytest.approx(expected.scores["bits_per_byte"], rel=1e-5)
    assert found.accuracy().value == pytest.approx(expected.scores["accuracy"], abs=1e-6)


def test_bits_per_byte_does_not_depend_on_how_the_text_is_cut():
    """One text and one probability of it, as two tokens or as one."""
    two = Scores(nats=(2.0, 2.0), targets=(2, 2), right=(0, 0), n_bytes=(2, 2))
    one = Scores(nats=(2.0, 2.0), targets=(1, 1), right=(0, 0), n_bytes=(2, 2))
    assert two.bits_per_byte().value == one.bits_per_byte().value
    assert one.perplexity().value == pytest.approx(two.perplexity().value ** 2)


def ragged(seed: int, sequences: int = 50) -> Scores:
    rng = np.random.default_rng(seed)
    targets = rng.integers(1, 30, sequences)
    return Scores(
        nats=tuple((targets * rng.lognormal(size=sequences)).tolist()),
        targets=tuple(targets.tolist()),
        right=tuple(rng.binomial(targets, 0.6).tolist()),
    )


def test_the_interval_is_scipys_bootstrap_over_sequences():
    scores = ragged(3)
    found = scores.loss_nats(resamples=9999)
    ratio = lambda nats, targets, axis: nats.sum(axis) / targets.sum(axis)  # noqa: E731
    theirs = stats.bootstrap(
        (np.array(scores.nats), np.array(scores.targets)),
        ratio,
        paired=True,
        method="percentile",
        n_resamples=9999,
        rng=np.random.default_rng(5),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.06 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.06 * width)


def test_tokens_of_one_sequence_count_as_one_draw():
    """All right or all wrong in a sequence: the interval is as wide as for as many questions as sequences."""
    right = [20 * (i % 2) for i in range(40)]
    scores = Scores(nats=(1.0,) * 40, targets=(20,) * 40, right=tuple(right))
    assert scores.accuracy().half_width > 0.12  # 1.96 / 2 / sqrt(40) = 0.155; over 800 tokens it would be 0.035


def test_the_paired_difference_is_narrower_than_two_intervals():
    a = ragged(4)
    b = Scores(nats=tuple(1.05 * nats for nats in a.nats), targets=a.targets, right=a.right)
    difference = paired_difference(a, b, "loss_nats")
    assert difference.value == pytest.approx(0.05 * a.loss_nats().value)
    assert 0 not in difference
    assert difference.half_width < a.loss_nats().half_width / 5
    nothing = paired_difference(a, a, "accuracy")
    assert (nothing.low, nothing.value, nothing.high) == (0, 0, 0)


def test_a_real_difference_turns_with_its_sides():
    forth = paired_difference(ragged(1), ragged(2), "accuracy")
    back = paired_difference(ragged(2), ragged(1), "accuracy")
    assert (
        forth.value == -back.value
        and forth.low == pytest.approx(-back.high)
        and forth == paired_difference(ragged(1), ragged(2), "accuracy")
    )


@pytest.mark.parametrize("batches", [[], [batch([[IGNORE, IGNORE]])]])
def test_an_empty_evaluation_set_is_refused(batches):
    with pytest.raises(ValueError, match="0 target tokens"):
        score(HALVES, batches)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ragged(0).bits_per_byte(), "token_bytes"),
        (lambda: ragged(0).interval("bleu"), "score='bleu': choose one of loss_nats"),
        (lambda: ragged(0).accuracy(confidence=2), "confidence=2"),
        (lambda: paired_difference(ragged(0), ragged(0, 40), "accuracy"), "50 sequences and b 40"),
        (lambda: Scores(nats=(1.0,), targets=(1, 1), right=(1, 1)), "nats of 1 sequences"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
