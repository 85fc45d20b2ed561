"""Float models by name: the repository's, the reader's own, one more checkpoint; each read once."""

import shutil

import pytest

from mobilellm_lab.live.float_models import FloatModels, offered
from mobilellm_lab.own_models import VARIABLE
from mobilellm_lab.reference.models import FOLDER

TINY = FOLDER / "student-tiny"


def test_own_models_stand_behind_the_repositorys_and_keep_their_names_apart(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert offered(["text-deep"]) == {"text-deep": FOLDER / "text-deep"}
    for name in ("mine", "text-deep"):
        shutil.copytree(TINY, tmp_path / name, copy_function=shutil.copyfile)
    found = offered(["stories-deep", "text-deep"], TINY)
    assert list(found) == ["stories-deep", "text-deep", "text-deep (yours)", "mine", "student-tiny"]
    assert found["text-deep"] == FOLDER / "text-deep" and found["text-deep (yours)"] == tmp_path / "text-deep"
    assert found["student-tiny"] == TINY


def test_a_model_is_read_once_whatever_is_asked_of_it(tmp_path):
    shutil.copytree(TINY, tmp_path / "tiny")
    models = FloatModels(folders={"a": tmp_path / "tiny"})
    start = models.start("a", 8192)
    shutil.rmtree(tmp_path / "tiny")
    assert models.start("a", 8192) is start and start.name == "a"
    more = models.start("a", 32_768)
    assert more.model is start.model
    for found, tokens in ((start, 8192), (more, 32_768)):
        assert sum(batch.tokens.numel() for batch in found.eval_set.batches) == tokens


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere.*is missing"):
        FloatModels(folders={"a": tmp_path / "nowhere"}).start("a", 8192)
