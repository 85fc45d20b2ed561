"""Every task keeps the protocol: batches are pure, cut from one list, never shared between splits."""

import dataclasses

import pytest
import torch

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import IGNORE, NAMES, Batch, Evaluation, Task, evaluate, make

OPTIONS = {"shells": {}, "stories": {}, "text": {"seq_len": 128}}


def tiny(task) -> Transformer:
    shape = {"dim": 8, "n_layers": 1, "n_heads": 1, "n_kv_heads": 1, "hidden_dim": 8}
    return Transformer(ModelConfig(vocab_size=task.vocab_size, max_seq_len=2 * task.seq_len, **shape))


@pytest.fixture(params=NAMES)
def task(request) -> Task:
    return make(request.param, **OPTIONS[request.param])


def test_the_options_of_this_file_are_those_of_every_task():
    assert set(OPTIONS) == set(NAMES)


def test_it_is_a_task_with_its_name(task):
    assert isinstance(task, Task)
    assert task.name in NAMES
    assert make(task.name, **OPTIONS[task.name]) == task


def test_a_batch_has_tokens_of_the_vocabulary_and_an_answer_or_none_for_each(task):
    batch = task.batch(2, 5)
    assert isinstance(batch, Batch)
    for tensor in (batch.tokens, batch.targets):
        assert tensor.shape == (5, task.seq_len) and tensor.dtype == torch.int64
    assert 0 <= batch.tokens.min() and batch.tokens.max() < task.vocab_size
    asked = batch.targets[batch.targets != IGNORE]
    assert len(asked) and 0 <= asked.min() and asked.max() < task.vocab_size


def test_the_same_arguments_give_the_same_batch_and_others_another(task):
    def tokens(index=3, **options):
        return task.batch(index, 8, **options).tokens

    first = tokens()
    task.batch(9, 4, split="test", seed=2)  # something else in between
    assert torch.equal(tokens(), first)
    for other in (tokens(4), tokens(seed=1), tokens(split="validation"), tokens(split="test")):
        assert not torch.equal(other, first)


@pytest.mark.parametrize("name", ["shells", "stories"])  # text has no start: it cuts anew, see test_text.py
def test_a_shorter_sequence_is_the_start_of_the_whole_one(name):
    task = make(name, **OPTIONS[name])
    whole, part = task.batch(1, 8), task.batch(1, 8, seq_len=5)
    assert torch.equal(part.tokens, whole.tokens[:, :5])
    assert torch.equal(part.targets, whole.targets[:, :5])


@pytest.mark.parametrize("name", ["shells", "stories"])  # text repeats itself; its parts are tested in test_text.py
def test_the_splits_share_no_sequence(name):
    task = make(name, **OPTIONS[name])
    rows = {}
    for split in ("train", "validation", "test"):
        found = torch.cat([task.batch(i, 64, split=split).tokens for i in range(4)])
        rows[split] = {tuple(row.tolist()) for row in found}
    assert len(rows["train"]) > 200
    assert not rows["train"] & rows["validation"] and not rows["train"] & rows["test"]
    assert not rows["validation"] & rows["test"]


def test_evaluation_names_its_headline_and_leaves_the_model_alone(task):
    model = tiny(task)
    before = [p.clone() for p in model.parameters()]
    found = evaluate(task, model, batches=1, batch_size=8)
    assert isinstance(found, Evaluation) and found.loss_nats > 0
    assert task.headline in found.scores
    assert found.floor_nats is None or found.floor_nats < found.loss_nats
    assert found == evaluate(task, model, batches=1, batch_size=8)
    assert found != evaluate(task, model, split="test", batches=1, batch_size=8)
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))


def test_an_evaluation_comes_batch_by_batch_and_each_is_that_of_so_many(task):
    model = tiny(task)
    found = list(task.evaluate(model, split="test", batches=3, batch_size=8, drawn=True))
    assert [len(evaluation.losses) for evaluation in found] == [1, 2, 3]
    for n, evaluation in enumerate(found, 1):
        batch = task.batch(n - 1, 8, split="test")
        assert torch.equal(evaluation.likeliest, model(batch.tokens).argmax(-1))
        assert evaluation == evaluate(task, model, split="test", batches=n, batch_size=8, drawn=True)
        assert evaluation.loss_nats == pytest.approx(sum(evaluation.losses) / n, abs=1e-12)
    assert len(set(found[-1].losses)) == 3


def test_an_evaluation_can_be_left_after_any_batch(task):
    seen = []

    def watch(tokens):
        seen.append(tokens)
        return model(tokens)

    model = tiny(task)
    watch.embed = model.embed
    for _ in task.evaluate(watch, batches=3, batch_size=8):
        break
    assert len(seen) == 1 and not torch.is_inference_mode_enabled()


def test_show_is_a_few_lines_and_repeats(task):
    text = task.show(tiny(task))
    assert text == task.show(tiny(task))
    assert text.strip() and len(text.splitlines()) < 40


def test_a_task_is_frozen(task):
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.seq_len = 3


def test_options_reach_the_task():
    assert make("shells", n_cups=4, seq_len=7).vocab_size == 24
    assert make("text", seq_len=33).batch(0, 2).tokens.shape == (2, 33)


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task='poems': choose one of shells, stories, text"):
        make("poems")
