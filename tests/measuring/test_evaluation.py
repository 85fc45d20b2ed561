"""Marks on a fixed exam: what the task itself gives, batch by batch, and held against the float model's own answers."""

import math
from dataclasses import replace

import pytest
import torch

from mobilellm_lab.measuring import mean_loss_nats
from mobilellm_lab.measuring.evaluation import PARTS, Exam, Marks
from mobilellm_lab.model import Transformer
from mobilellm_lab.reference import load_model
from mobilellm_lab.tasks import make


def last(marks):
    *_, found = marks
    return found


@pytest.fixture(scope="module", params=["stories-wide", "text-wide"])
def reference(request):
    return load_model(request.param)


@pytest.fixture(scope="module")
def exam(reference) -> Exam:
    return Exam(reference.model, reference.task, batches=4, batch_size=16)


def test_the_float_model_agrees_with_itself_and_has_the_loss_of_its_log(reference, exam):
    marks = last(exam.sit(reference.model))
    assert marks.agreement == 1
    assert marks == exam.float_marks
    assert marks.loss_nats == pytest.approx(reference.test["loss_nats"], abs=0.1)  # other sequences of the same split


def test_marks_are_what_the_task_itself_gives(reference, exam):
    marks = last(exam.sit(reference.model))
    if reference.spec.task == "stories":
        theirs = reference.task.evaluate(reference.model, split="test", batches=4, batch_size=16)
        assert marks.loss_nats == pytest.approx(theirs.loss_nats, abs=1e-9)
        assert (marks.scores, marks.floor_nats) == (theirs.scores, theirs.floor_nats)
    else:
        batches = [reference.task.batch(i, 16, split="test") for i in range(4)]
        assert marks.loss_nats == pytest.approx(mean_loss_nats(reference.model, batches), abs=1e-5)
        assert marks.scores["bits_per_byte"] == pytest.approx(marks.loss_nats / math.log(2))  # a token is a byte
        assert marks.floor_nats is None


def test_marks_come_batch_by_batch_and_what_was_said_stays(reference, exam):
    found = list(exam.sit(reference.model))
    assert [len(marks.losses) for marks in found] == [1, 2, 3, 4]
    assert all(marks.losses == found[-1].losses[: len(marks.losses)] for marks in found)
    assert set(found[0].scores) <= set(found[-1].scores) and found[0].scores


def test_parts_are_equal_and_their_mean_is_the_loss():
    marks = Marks(losses=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0), floor_nats=None, scores={}, agreement=1.0)
    assert marks.parts() == [1.5, 3.5, 5.5, 7.5] and len(marks.parts()) == PARTS
    assert sum(marks.parts()) / PARTS == marks.loss_nats
    assert replace(marks, losses=(1.0, 3.0)).parts() == [1.0, 3.0]  # stopped early
    assert replace(marks, losses=(0.0,)).perplexity == 1 and replace(marks, losses=(1e4,)).perplexity == math.inf


def test_a_model_that_knows_nothing_is_told_from_the_float_model(exam):
    model = Transformer(exam.model.config, seed=1)
    marks = last(exam.sit(model))
    assert marks.loss_nats > exam.float_marks.loss_nats + 1
    assert marks.agreement < 0.2


def test_the_shell_game_is_marked_too_and_only_where_something_is_asked():
    task = make("shells")
    config = replace(load_model("student-tiny").model.config, vocab_size=task.vocab_size)
    exam = Exam(Transformer(config), task, batches=3, batch_size=8)
    marks = last(exam.sit(exam.model))
    theirs = task.evaluate(exam.model, split="test", batches=3, batch_size=8)
    assert marks.loss_nats == pytest.approx(theirs.loss_nats, abs=1e-6) and marks.scores == theirs.scores


def test_what_the_float_model_has_answered_stays_whoever_stops_asking(reference):
    exam = Exam(reference.model, reference.task, batches=3, batch_size=4)
    begun = exam.prepare()
    next(begun)
    begun.close()
    assert not exam.ready and len(exam.float_marks.losses) == 1
    sitting = exam.sit(reference.model)
    next(sitting)
    assert len(exam.float_marks.losses) == 1  # it is asked no more than it is needed
    next(sitting)
    assert len(exam.float_marks.losses) == 2
    assert len(list(exam.prepare())) == 1 and exam.ready and list(exam.prepare()) == []
    assert last(exam.sit(reference.model)) == exam.float_marks


def test_the_callers_mode_is_not_touched(reference, exam):
    for _ in exam.sit(reference.model):
        assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


def test_an_empty_exam_and_another_vocabulary_are_refused(reference):
    with pytest.raises(ValueError, match="batches=0, batch_size=4: an exam needs at least 1 sequence"):
        Exam(reference.model, reference.task, batches=0, batch_size=4)
    with pytest.raises(ValueError, match="task shells has 6 tokens"):
        Exam(reference.model, make("shells"))
