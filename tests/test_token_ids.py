"""Ids and targets that no model can read: each is named with its value and a remedy, by whoever is given them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mobilellm_lab import measuring
from mobilellm_lab.deep_narrow import causality
from mobilellm_lab.model import ModelConfig, Transformer, generate
from mobilellm_lab.quantization import QATRun, calibrate, quantize
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.kv_cache import WithCache, loss_by_position
from mobilellm_lab.quantization.layers import packed
from mobilellm_lab.tasks import IGNORE, Batch, make
from mobilellm_lab.token_ids import check_pair, check_targets, check_tokens
from mobilellm_lab.training import TrainConfig, train

ROOT = Path(__file__).parents[1]
TASK = make("shells", seq_len=8)
V = TASK.vocab_size
MODEL = Transformer(
    ModelConfig(vocab_size=V, dim=16, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=16, max_seq_len=32)
).eval()
ENCODER = causality.EncoderLM(MODEL.config, causal=True, positions=True)
STORIES = make("stories", people=3, rooms=4, objects=2, seq_len=32)


def tokens(last: int = 1, shape: tuple[int, ...] = (2, 8)) -> torch.Tensor:
    ids = torch.ones(shape, dtype=torch.long)
    ids.view(-1)[-1] = last
    return ids


class Padded:
    """The shell game with targets that are replaced at its first positions."""

    def __init__(self, value: int, places: int):
        self.value, self.places = value, places

    def __getattr__(self, name: str):
        return getattr(TASK, name)

    def batch(self, *arguments, **options) -> Batch:
        batch = TASK.batch(*arguments, **options)
        targets = batch.targets.clone()
        targets[:, : self.places] = self.value
        return Batch(batch.tokens, targets)


def train_once(task) -> None:
    next(train(Transformer(MODEL.config), task, TrainConfig(steps=1, batch_size=2, optimizer="adamw", lr=1e-3)))


READERS = {
    "forward": MODEL,
    "packed": packed(quantize(MODEL, grid=Grid(bits=4))),
    "cache": WithCache(MODEL, bits=8),
    "encoder": ENCODER,
    "leak": lambda ids: causality.leak(MODEL, ids[-1:]),
    "generate": lambda ids: next(generate(MODEL, ids, 1)),
    "perplexity": lambda ids: measuring.perplexity(MODEL, [Batch(ids, tokens())]),
    "score": lambda ids: measuring.score(MODEL, [Batch(ids, tokens())]),
    "divergence": lambda ids: measuring.divergence(MODEL, MODEL, [Batch(ids, tokens())]),
    "calibrate": lambda ids: calibrate(MODEL, [Batch(ids, tokens())]),
}
JUDGES = {
    "perplexity": lambda batch: measuring.perplexity(MODEL, [batch]),
    "score": lambda batch: measuring.score(MODEL, [batch]),
    "divergence": lambda batch: measuring.divergence(MODEL, MODEL, [batch]),
}


@pytest.mark.parametrize("id", [V, -1, IGNORE])
@pytest.mark.parametrize("reader", READERS)
def test_an_id_outside_of_the_vocabulary_is_named(reader, id):
    READERS[reader](tokens())
    with pytest.raises(ValueError, match=rf"holds id {id}, the vocabulary goes from 0 to {V - 1}: take the tokenizer"):
        READERS[reader](tokens(id))


def test_what_the_model_itself_raises_stays_what_it_is():
    class Broken(torch.nn.Embedding):
        def forward(self, tokens):
            raise RuntimeError("out of memory")

    model = Transformer(MODEL.config)
    model.embed = Broken(V, 16)
    with pytest.raises(RuntimeError, match="out of memory"):
        model(tokens())


def test_decoding_reads_a_prompt_once(monkeypatch):
    read = []
    monkeypatch.setattr("mobilellm_lab.model.check_tokens", lambda ids, *_, **__: read.append(tuple(ids.shape)))
    assert len(list(generate(MODEL, tokens(), 20))) == 20 and read == [(2, 8)]


@pytest.mark.parametrize("value", [V, -1])
@pytest.mark.parametrize("judge", JUDGES)
def test_a_padded_target_is_named(judge, value):
    good, bad = Batch(tokens(), tokens(IGNORE)), Batch(tokens(), tokens(value))
    JUDGES[judge](good)
    with pytest.raises(ValueError, match=rf"targets holds {value}, .*write -100 where padding"):
        JUDGES[judge](bad)


@pytest.mark.parametrize("value", [V, -1])
def test_a_padded_target_of_a_task_is_named(value):
    message = rf"targets holds {value}, .*write -100 where padding"
    for run in (
        train_once,
        lambda task: next(iter(QATRun(MODEL, task, Grid(bits=4), steps=1, batch_size=2))),
        lambda task: measuring.EvalSet(MODEL, task, batches=1, batch_size=2),
        lambda task: loss_by_position(MODEL, task, batches=1, batch_size=2),
    ):
        run(Padded(IGNORE, 2))
        with pytest.raises(ValueError, match=message):
            run(Padded(value, 2))


def test_a_batch_that_asks_nothing_is_named_and_not_blamed_on_the_learning_rate():
    for run in (train_once, lambda task: measuring.EvalSet(MODEL, task, batches=1, batch_size=2)):
        with pytest.raises(ValueError, match="batch 0 of task shells: all targets are -100"):
            run(Padded(IGNORE, 8))


def test_padding_does_not_lower_the_loss_of_its_position():
    whole, padded = (loss_by_position(MODEL, Padded(IGNORE, n), batches=2, batch_size=4) for n in (0, 3))
    assert padded[:3].isnan().all() and torch.equal(whole[3:], padded[3:])

    class Half(Padded):
        def batch(self, index, batch_size, **options):
            batch = TASK.batch(index, batch_size, **options)
            targets = batch.targets.clone()
            targets[batch_size // 2 :] = IGNORE
            return Batch(batch.tokens, targets)

    half = loss_by_position(MODEL, Half(IGNORE, 0), batches=1, batch_size=4)
    torch.testing.assert_close(half, loss_by_position(MODEL, TASK, batches=1, batch_size=2))


def test_bytes_of_another_tokenizer_are_refused():
    with pytest.raises(ValueError, match=f"token_bytes of 2 tokens, the model answers with {V} logits"):
        measuring.score(MODEL, [Batch(tokens(), tokens())], token_bytes=torch.ones(2, dtype=torch.long))


@pytest.mark.parametrize("task", [STORIES, make("text", seq_len=8)], ids=lambda task: task.name)
@pytest.mark.parametrize("wrong", [-1, 10**6])
def test_what_is_no_token_is_not_spelled(task, wrong):
    with pytest.raises(
        ValueError, match=f"tokens holds id {wrong}, the vocabulary goes from 0 to {task.vocab_size - 1}"
    ):
        task.decode(torch.tensor([1, wrong]))


@pytest.mark.parametrize(
    ("ids", "axes", "said"),
    [
        (torch.ones(3, dtype=torch.long), "BT", r"prompt has shape \(3,\): give \(B, T\), prompt\[None\] for a single"),
        (torch.ones(1, 3, dtype=torch.long), "T", r"prompt has shape \(1, 3\): give \(T\), prompt\[0\] for the first"),
        (torch.ones(1, 2, 3, dtype=torch.long), "BT", r"prompt has shape \(1, 2, 3\): give \(B, T\)$"),
        (torch.ones(1, 3), "BT", r"prompt is torch.float32: ids are whole numbers, give prompt.long\(\)"),
    ],
    ids=str,
)
def test_other_shapes_and_types_are_named(ids, axes, said):
    with pytest.raises(ValueError, match=said):
        check_tokens(ids, V, name="prompt", axes=axes)


def test_good_ids_pass_and_none_at_all_too():
    check_tokens(torch.tensor([[0, V - 1]], dtype=torch.int32), V)
    check_tokens(torch.ones(1, 0, dtype=torch.long), V)
    check_targets(torch.tensor([[0, V - 1, IGNORE]]), V)


def test_a_target_for_each_token():
    with pytest.raises(ValueError, match=r"targets has shape \(2, 7\), tokens \(2, 8\): give one target for each"):
        check_pair(tokens(), tokens()[:, 1:])
    assert replace(Batch(tokens(), tokens()), targets=tokens(IGNORE)).targets[-1, -1] == IGNORE


AS_A_READER = """
import json, torch
from mobilellm_lab import measuring
from mobilellm_lab.deep_narrow import causality
from mobilellm_lab.model import ModelConfig, Transformer, generate
from mobilellm_lab.quantization.kv_cache import WithCache
from mobilellm_lab.tasks import Batch

model = Transformer(ModelConfig(vocab_size=8, dim=8, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=8))
one, said = torch.ones(4, dtype=torch.long), {}
for name, call in {
    "model": lambda: model(one),
    "generate": lambda: next(generate(model, one, 1)),
    "cache": lambda: WithCache(model, bits=8)(one),
    "encoder": lambda: causality.EncoderLM(model.config, causal=True, positions=True)(one),
    "leak": lambda: causality.leak(model, one),
    "batch": lambda: measuring.perplexity(model, [Batch(one, one)]),
}.items():
    try:
        call()
    except ValueError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def test_a_single_sequence_is_told_to_become_a_batch():
    """In a process of its own: here signatures are checked first."""
    said = json.loads(subprocess.check_output([sys.executable, "-c", AS_A_READER], text=True, cwd=ROOT))
    assert len(said) == 6
    for name, message in said.items():
        field = "prompt" if name == "generate" else "tokens"
        assert message == f"{field} has shape (4,): give (B, T), {field}[None] for a single sequence"
