"""Calibration data: legal, repeatable, as many and as long as asked, and the model's own samples."""

import pytest
import torch

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning import DATA, gradients, pruning_data
from mobilellm_lab.quantization import calibrate
from mobilellm_lab.tasks import IGNORE, make


@pytest.fixture(scope="module")
def task():
    return make("stories", people=3, rooms=4, objects=2, seq_len=64)


@pytest.fixture(scope="module")
def model(task) -> Transformer:
    sizes = {"dim": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 24}
    return Transformer(ModelConfig(vocab_size=task.vocab_size, max_seq_len=64, **sizes), seed=3)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(("sequences", "length"), [(1, None), (20, 16), (128, 2)])
def test_as_many_and_as_long_as_asked_and_a_model_can_use_them(task, model, data, sequences, length):
    before = fingerprint(model)
    batches, again, other = (
        pruning_data(task, data, sequences=sequences, length=length, seed=seed, model=model) for seed in (1, 1, 2)
    )
    tokens, targets = (torch.cat([getattr(batch, part) for batch in batches]) for part in ("tokens", "targets"))
    assert tokens.shape == (sequences, length or 64) and max(len(batch.tokens) for batch in batches) <= 16
    assert 0 <= tokens.min() and tokens.max() < task.vocab_size
    followed = (targets[:, :-1] == tokens[:, 1:]) | (targets[:, :-1] == IGNORE)  # a task may leave some out
    assert followed.all()
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(batches, again, strict=True))
    assert not all(torch.equal(a.tokens, b.tokens) for a, b in zip(batches, other, strict=True))
    assert calibrate(model, batches).tokens == tokens.numel()
    assert all(gradient.isfinite().all() for gradient in gradients(model, batches).values())
    assert fingerprint(model) == before


def test_own_data_is_the_tasks_first_sequences(task):
    whole = task.batch(0, 5, seed=1)
    (batch,) = pruning_data(task, sequences=5, length=9, seed=1)
    assert torch.equal(batch.tokens, whole.tokens[:, :9]) and torch.equal(batch.targets, whole.targets[:, :9])


def test_nothing_follows_the_last_token_of_data_that_was_not_cut(task):
    (whole,), (cut,) = (pruning_data(task, "random", length=length) for length in (None, 10))
    assert (whole.targets[:, -1] == IGNORE).all() and torch.equal(cut.targets, whole.tokens[:, 1:11])


def test_a_models_own_samples_are_likelier_to_it_than_random_tokens(task, model):
    with torch.no_grad():
        model = Transformer(model.config, seed=3)
        model.norm.weight.mul_(3)  # as sure of itself as a trained one

        def loss(data: str) -> float:
            (batch,) = pruning_data(task, data, sequences=16, model=model)
            logits = model(batch.tokens).flatten(0, 1)
            return torch.nn.functional.cross_entropy(logits, batch.targets.flatten(), ignore_index=IGNORE).item()

        assert loss("self") < 0.7 * loss("random")


def test_what_cannot_be_had_is_refused_by_name(task, model):
    with pytest.raises(ValueError, match="data='web': choose one of own, other, random, self"):
        pruning_data(task, "web")
    with pytest.raises(ValueError, match="sequences=0: calibrate on at least one"):
        pruning_data(task, sequences=0)
    for length in (1, 65):
        with pytest.raises(ValueError, match=f"length={length}: .* cut to 2 to 64"):
            pruning_data(task, length=length)
    with pytest.raises(ValueError, match="written by the model: give model="):
        pruning_data(task, "self")
    with pytest.raises(ValueError, match=r"vocab_size=\d+ of the model: task text has 256 tokens"):
        pruning_data(make("text"), "self", model=model)
