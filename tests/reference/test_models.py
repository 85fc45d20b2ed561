"""The reference models: made as their specs say, resumed bit for bit, refused when damaged, and good enough."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from test_checkpoints import change_config, to_version_1

from mobilellm_lab import checkpoints
from mobilellm_lab.reference import MODELS, load_model
from mobilellm_lab.reference import models as reader
from mobilellm_lab.reference.making import finished, make_model, renew
from mobilellm_lab.reference.models import FOLDER, log_path
from mobilellm_lab.tasks import evaluate

TINY = replace(
    MODELS["stories-deep"], n_layers=1, dim=16, n_heads=2, n_kv_heads=1, hidden_dim=16, steps=6, batch_size=4
)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setitem(reader.MODELS, TINY.name, TINY)


def weights(folder):
    return checkpoints.load(folder / TINY.name).model.state_dict()


def test_an_interrupted_run_goes_on_and_ends_in_the_same_weights_and_log(tmp_path, monkeypatch, known):
    whole, parts, work = tmp_path / "whole", tmp_path / "parts", tmp_path / "work"
    list(make_model(TINY, folder=whole, work=work))
    monkeypatch.setattr("mobilellm_lab.reference.making.SAVE_EVERY_S", 0)
    run = make_model(TINY, folder=parts, work=work)
    assert [next(run).step for _ in range(4)] == [1, 2, 3, 4]
    run.close()
    assert not finished(TINY, folder=parts)
    assert [step.step for step in make_model(TINY, folder=parts, work=work)] == [5, 6]
    assert finished(TINY, folder=parts) and not finished(replace(TINY, steps=7), folder=parts)
    assert not [path for path in work.iterdir() if path.suffix != ".lock"]
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(parts)[name]), name
    logs = [json.loads(log_path(TINY.name, folder).read_text()) for folder in (whole, parts)]
    for log in logs:
        assert log.pop("train_s") >= 0
        assert all(row.pop("train_s") >= 0 for row in log["log"])
    assert logs[0] == logs[1]
    assert [row["step"] for row in logs[0]["log"]] == [1, 2, 3, 4, 5, 6]


def test_a_model_is_finished_only_with_the_weights_of_its_log(tmp_path, known):
    list(make_model(TINY, folder=tmp_path, work=tmp_path / "work"))
    folder, log = tmp_path / TINY.name, log_path(TINY.name, tmp_path)
    read = json.loads(log.read_text())
    log.write_text(json.dumps(read | {"fingerprint": "0" * 64}))
    with pytest.raises(ValueError, match="its weights are not those of stories-deep.json; move the folder"):
        finished(TINY, folder=tmp_path)
    log.write_text(json.dumps(read))
    shutil.rmtree(folder)
    assert not finished(TINY, folder=tmp_path)


def test_a_model_of_format_version_1_is_written_anew_with_the_same_weights(tmp_path, known):
    list(make_model(TINY, folder=tmp_path, work=tmp_path / "work"))
    folder = tmp_path / TINY.name
    files = [folder / name for name in (checkpoints.CONFIG, checkpoints.WEIGHTS)]
    before = [file.read_bytes() for file in files]
    assert not renew(TINY, folder=tmp_path) and not renew(MODELS["text-deep"], folder=tmp_path)
    change_config(folder, to_version_1)
    assert not renew(replace(TINY, steps=7), folder=tmp_path)  # to be trained anew
    assert renew(TINY, folder=tmp_path) and [file.read_bytes() for file in files] == before
    change_config(folder, lambda c: (to_version_1(c), c["model"].update(sharing="repeat")))
    with pytest.raises(ValueError, match="stories-deep: shape or task are not those of its recipe; move the folder"):
        renew(TINY, folder=tmp_path)


def test_a_model_whose_overwrite_died_is_finished_still(tmp_path, known):
    list(make_model(TINY, folder=tmp_path, work=tmp_path / "work"))
    (tmp_path / TINY.name).rename(tmp_path / f".{TINY.name}.replaced")
    assert finished(TINY, folder=tmp_path)


def test_what_is_left_of_another_recipe_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("mobilellm_lab.reference.making.SAVE_EVERY_S", 0)
    run = make_model(TINY, folder=tmp_path, work=tmp_path / "work")
    next(run)
    next(run)
    run.close()
    with pytest.raises(ValueError, match=r"stories-deep.pt: it was started with another recipe; delete it"):
        next(make_model(replace(TINY, lr=0.1), folder=tmp_path, work=tmp_path / "work"))


def test_the_reader_gives_the_model_its_task_and_its_log(tmp_path, known):
    list(make_model(TINY, folder=tmp_path, work=tmp_path / "work"))
    read = load_model(TINY.name, folder=tmp_path)
    assert read.spec == TINY and read.task == TINY.make_task() and not read.model.training
    assert read.test["loss_nats"] > read.test["floor_nats"] > 0
    assert read.provenance["command"] == "mobilellm-lab reference"


def test_an_unknown_a_missing_and_an_exchanged_model_are_refused_by_name(tmp_path, known):
    with pytest.raises(ValueError, match="model='gpt': choose one of stories-deep"):
        load_model("gpt")
    with pytest.raises(ValueError, match="config.json is missing"):
        load_model(TINY.name, folder=tmp_path)
    list(make_model(TINY, folder=tmp_path, work=tmp_path / "work"))
    path = log_path(TINY.name, tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "0"}))
    with pytest.raises(ValueError, match="describes other weights"):
        load_model(TINY.name, folder=tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="stories-deep.json is missing"):
        load_model(TINY.name, folder=tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_each_stored_model_is_the_one_that_its_spec_describes(name):
    spec, read = MODELS[name], load_model(name)
    assert finished(spec), "the recipe was changed: make the model again with `mobilellm-lab reference`"
    assert read.model.config == spec.config(read.task)
    made, said = json.loads(log_path(name).read_text()), checkpoints.read_json(read.folder / checkpoints.CONFIG)
    assert said["version"] == checkpoints.VERSION and said["fingerprint"] == made["fingerprint"]
    assert made["parameters"] == sum(p.numel() for p in read.model.parameters())
    assert [row["step"] for row in read.log][-1] == spec.steps and len(read.log) >= 20
    assert not read.provenance["commit"].endswith("+")


@pytest.mark.parametrize("name", MODELS)
def test_each_stored_model_still_has_the_loss_and_the_answers_of_its_log(name):
    """Whatever changed in the model's arithmetic since it was made."""
    read = load_model(name)
    again = evaluate(read.task, read.model)
    stored, floor = dict(read.log[-1]), {} if again.floor_nats is None else {"floor_nats": again.floor_nats}
    del stored["step"], stored["train_s"]
    known = getattr(read.task, "corpus_sha256", "no corpus") == read.provenance["corpus_sha256"]
    near = 1e-4 if known else 0.05  # Python's reference differs a little between its versions
    assert {"loss_nats": again.loss_nats, **floor, **again.scores} == pytest.approx(stored, abs=near)


def test_the_files_stay_small():
    sizes = {name: sum(path.stat().st_size for path in (FOLDER / name).iterdir()) for name in MODELS}
    assert max(sizes.values()) < 5e6
    assert sum(sizes.values()) < 25e6
    assert {path.stem for path in FOLDER.glob("[!.]*")} == set(MODELS)


@pytest.mark.parametrize("name", ["stories-deep", "stories-wide"])
def test_the_models_on_stories_are_worth_compressing(name):
    read = load_model(name)
    on_test = evaluate(read.task, read.model, split="test", batches=2)
    for found in (read.test, {"loss_nats": on_test.loss_nats, "floor_nats": on_test.floor_nats, **on_test.scores}):
        assert found["loss_nats"] - found["floor_nats"] < 0.05
        assert found["one-hop"] >= 0.95
        assert found["two-hop"] >= 0.70


def test_deep_and_wide_are_of_one_size_and_the_teachers_and_students_in_order():
    count = {name: json.loads(log_path(name).read_text())["parameters"] for name in MODELS}
    for task in ("stories", "text"):
        deep, wide = count[f"{task}-deep"], count[f"{task}-wide"]
        assert 1e6 < deep < 1.2e6 and abs(wide / deep - 1) < 0.03  # equal blocks, tables by width
    order = ("stories-deep", "teacher-medium", "teacher-small", "student-small", "student-tiny")
    sizes = [count[name] for name in order]
    assert sizes == sorted(sizes, reverse=True)
