"""A fixed set of held-out sequences: every number against a whole pass, and beside the float model's own."""

import math
from dataclasses import replace
from statistics import mean

import pytest
import torch
from torch.nn.functional import one_hot

from mobilellm_lab.measuring.evaluation import PARTS, EvalResult, EvalSet
from mobilellm_lab.model import Transformer
from mobilellm_lab.reference import load_model
from mobilellm_lab.tasks import evaluate, make

SIZE = {"batches": 4, "batch_size": 16}


def last(evaluations):
    *_, found = evaluations
    return found


@pytest.fixture(scope="module", params=["stories-wide", "text-wide", "shells"])
def eval_set(request) -> EvalSet:
    if request.param != "shells":
        found = load_model(request.param)
        return EvalSet(found.model, found.task, **SIZE)
    task = make("shells")
    return EvalSet(Transformer(replace(load_model("student-tiny").model.config, vocab_size=6)), task, **SIZE)


def test_the_float_model_agrees_with_itself(eval_set):
    assert last(eval_set.evaluate(eval_set.model)) == eval_set.float_evaluation
    assert eval_set.float_evaluation.agreement == 1


@torch.inference_mode()
def test_after_every_batch_the_numbers_are_those_of_a_whole_pass(eval_set):
    model, task = Transformer(eval_set.model.config, seed=1), eval_set.task
    found = list(eval_set.evaluate(model))
    assert [len(evaluation.losses) for evaluation in found] == [1, 2, 3, 4]
    logits, said = (torch.stack([m(batch.tokens) for batch in eval_set.batches]) for m in (model, eval_set.model))
    targets = torch.stack([batch.targets for batch in eval_set.batches])  # (batches, B, T)
    truth = one_hot(targets, task.vocab_size).double()
    if task.name == "stories":
        truth = torch.stack([task.probabilities(i, 16, split="test") for i in range(4)])
    each = -(truth * logits.double().log_softmax(-1)).sum(-1)
    right, same = logits.argmax(-1) == targets, logits.argmax(-1) == said.argmax(-1)
    close = 1e-9 if task.name == "stories" else 1e-6  # in float64, or in float32
    for n, evaluation in enumerate(found, 1):
        assert evaluation.losses == pytest.approx(each[:n].mean((1, 2)).tolist(), abs=close)
        assert evaluation.loss_nats == pytest.approx(each[:n].mean().item(), abs=close)
        assert evaluation.agreement == pytest.approx(same[:n].double().mean().item())
        if task.name == "stories":
            assert evaluation.floor_nats == pytest.approx(torch.special.entr(truth[:n]).sum(-1).mean().item())
            whole = evaluate(task, model, split="test", batches=n, batch_size=16)
            assert (evaluation.scores, evaluation.loss_nats) == (whole.scores, whole.loss_nats)
        else:
            assert evaluation.floor_nats == (0 if task.name == "shells" else None)
            assert evaluation.scores["accuracy"] == pytest.approx(right[:n].double().mean().item(), abs=1e-6)
    if task.name == "text":  # a token is a byte
        assert found[-1].scores["bits_per_byte"] == pytest.approx(found[-1].loss_nats / math.log(2))


def test_parts_are_equal_and_their_mean_is_the_loss():
    losses = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
    evaluation = EvalResult(loss_nats=mean(losses), losses=losses, agreement=1.0)
    assert evaluation.parts() == [1.5, 3.5, 5.5, 7.5] and len(evaluation.parts()) == PARTS
    assert sum(evaluation.parts()) / PARTS == evaluation.loss_nats
    assert replace(evaluation, losses=(1.0, 3.0)).parts() == [1.0, 3.0]  # stopped early
    assert [replace(evaluation, loss_nats=nats).perplexity for nats in (0.0, 1e4)] == [1, math.inf]


def test_a_model_that_knows_nothing_is_told_from_the_float_model():
    found = load_model("stories-wide")
    eval_set = EvalSet(found.model, found.task, **SIZE)
    evaluation = last(eval_set.evaluate(Transformer(found.model.config, seed=1)))
    assert evaluation.loss_nats > eval_set.float_evaluation.loss_nats + 1
    assert evaluation.agreement < 0.2
    assert eval_set.float_evaluation.loss_nats == pytest.approx(found.test["loss_nats"], abs=0.1)  # other sequences


def test_what_is_evaluated_of_the_float_model_stays_whoever_stops(eval_set):
    model = eval_set.model
    eval_set = EvalSet(model, eval_set.task, batches=3, batch_size=16)
    begun = eval_set.prepare()
    next(begun)
    begun.close()
    assert not eval_set.ready and len(eval_set.float_evaluation.losses) == 1
    evaluations = eval_set.evaluate(model)
    next(evaluations)
    assert len(eval_set.float_evaluation.losses) == 1  # no further than it is needed
    next(evaluations)
    assert len(eval_set.float_evaluation.losses) == 2
    assert len(list(eval_set.prepare())) == 1 and eval_set.ready and list(eval_set.prepare()) == []
    assert last(eval_set.evaluate(model)) == eval_set.float_evaluation


def test_an_interrupted_batch_of_the_float_model_begins_anew(eval_set, monkeypatch):
    whole = last(eval_set.evaluate(eval_set.model))
    again = EvalSet(eval_set.model, eval_set.task, **SIZE)
    next(again.prepare())

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(eval_set.model, "forward", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(again.prepare())
    assert last(again.evaluate(eval_set.model)) == whole == again.float_evaluation


def test_the_callers_mode_is_not_touched(eval_set):
    for _ in eval_set.evaluate(eval_set.model):
        assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


def test_an_empty_set_and_another_vocabulary_are_refused():
    found = load_model("student-tiny")
    with pytest.raises(ValueError, match="batches=0, batch_size=4: an evaluation needs at least 1 sequence"):
        EvalSet(found.model, found.task, batches=0, batch_size=4)
    with pytest.raises(ValueError, match="task shells has 6 tokens"):
        EvalSet(found.model, make("shells"))
