"""A float model read from its folder: with its task and test sequences, and refused where it names no task."""

import pytest
import torch

from mobilellm_lab import checkpoints
from mobilellm_lab.measuring.start import load_start, start
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.tasks import make


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two tiny checkpoints, one of them without a task."""
    folder, task = tmp_path_factory.mktemp("models"), make("shells")
    shape = {"vocab_size": task.vocab_size, "dim": 16, "n_heads": 2, "n_kv_heads": 1, "hidden_dim": 24}
    model = Transformer(ModelConfig(n_layers=1, max_seq_len=24, **shape))
    checkpoints.save(model, folder / "tiny", task={"name": "shells"})
    checkpoints.save(model, folder / "nameless")
    return folder


def test_a_reference_model_comes_with_what_it_was_trained_on():
    found = load_start(FOLDER / "student-tiny")
    assert (found.name, found.task.name, found.eval_set.split) == ("student-tiny", "stories", "test")
    assert len(found.eval_set.batches) * found.eval_set.batch_size == 256 and not found.eval_set.ready
    assert found.on_disk.bytes > 4 * sum(p.numel() for p in found.model.parameters())


def test_a_readers_own_model_is_read_alike(folder):
    found = load_start(folder / "tiny", name="mine", batches=2, batch_size=4)
    assert (found.name, found.task.name) == ("mine", "shells") and len(found.eval_set.batches) == 2
    assert torch.equal(found.model.embed.weight, checkpoints.load(folder / "tiny").model.embed.weight)
    assert not found.model.training


def test_a_row_says_which_weights_sequences_and_corpus_it_is_of(folder):
    says = load_start(folder / "tiny", batches=2, batch_size=4).says("make it")
    assert says["fingerprint"] == checkpoints.load(folder / "tiny").fingerprint[:16]
    assert says["exam"] == {"split": "test", "sequences": 8}
    assert says["provenance"]["command"] == "make it" and says["provenance"]["corpus_sha256"] == "no corpus"
    text = load_start(FOLDER / "text-wide").says("make it")
    assert text["provenance"]["corpus_sha256"] == make("text").corpus_sha256


def test_within_a_process_a_model_is_read_once(folder):
    assert start(folder, "tiny") is start(folder, "tiny")


def test_what_names_no_task_or_is_not_there_is_refused_by_name(folder):
    with pytest.raises(ValueError, match="nameless: the checkpoint names no task"):
        load_start(folder / "nameless")
    with pytest.raises(ValueError, match="config.json is missing"):
        load_start(folder / "nowhere")
