"""The reader's own models: where they lie, the newest first, no name taken twice, and a folder that refuses."""

import os

import pytest

from mobilellm_lab import checkpoints
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.own_models import VARIABLE, keep, models_folder, own_models

CONFIG = ModelConfig(vocab_size=6, dim=8, n_layers=1, n_heads=1, n_kv_heads=1, hidden_dim=8, max_seq_len=8)
TASK = {"name": "shells", "options": {}}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept" / "models"))
    return tmp_path / "kept" / "models"


def test_the_folder_lies_beside_the_lab_unless_it_is_named(monkeypatch, tmp_path, folder):
    assert models_folder() == folder and own_models() == {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    assert models_folder() == tmp_path / "my_models"
    monkeypatch.delenv(VARIABLE)
    assert models_folder() == tmp_path / "my_models"


def test_a_kept_model_overwrites_no_other(folder):
    models = [Transformer(CONFIG, seed=seed) for seed in range(3)]
    places = [keep(model, "small", task=TASK, vocabulary=list("abcdef")) for model in models]
    assert places == [folder / name for name in ("small", "small-2", "small-3")]
    for model, place in zip(models, places, strict=True):
        found = checkpoints.load(place)
        assert found.fingerprint == checkpoints.fingerprint(model)
        assert (found.task, found.vocabulary) == (TASK, list("abcdef"))


def test_the_newest_comes_first_and_only_checkpoints_count(folder):
    for age, name in enumerate(("b", "c", "a")):
        os.utime(keep(Transformer(CONFIG), name, task=TASK) / checkpoints.CONFIG, ns=(0, -age * 10**9 + 10**18))
    (folder / "notes").mkdir()
    (folder / ".b.draft").mkdir()
    (folder / ".b.draft" / checkpoints.CONFIG).write_text("{}")
    assert list(own_models()) == ["b", "c", "a"] and own_models()["c"] == folder / "c"


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    with pytest.raises(ValueError, match=f"Cannot keep the model in .*file: .*; name a folder .* in {VARIABLE}"):
        keep(Transformer(CONFIG), "small", task=TASK)
    assert own_models() == {}


def test_a_model_that_cannot_be_saved_leaves_no_folder(folder):
    with pytest.raises(ValueError, match="vocabulary of 1 words"):
        keep(Transformer(CONFIG), "small", task=TASK, vocabulary=["a"])
    assert list(folder.iterdir()) == []
