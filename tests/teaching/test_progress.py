"""The reader's predictions on disk: kept whole, counted by the first, and nowhere near the repository."""

import errno
import json
import os
import subprocess
import sys

import pytest

from mobilellm_lab.teaching import progress


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "folder" / "progress.json"))
    return tmp_path / "folder" / "progress.json"


def test_every_commit_is_kept(file):
    assert progress.commits("cost") == []
    assert not file.exists()  # reading writes nothing
    progress.commit("cost", 3.0, 4.5, inside=False)
    progress.commit("cost", 5, 6, inside=True)
    progress.commit("quality", 0.5, 0.6, inside=True)
    kept = [(one.low, one.high, one.inside) for one in progress.commits("cost")]
    assert kept == [(3.0, 4.5, False), (5, 6, True)]
    assert set(json.loads(file.read_text())["predictions"]) == {"cost", "quality"}
    assert [path for path in file.parent.iterdir() if path.suffix != ".lock"] == [file]  # no draft is left


def test_the_first_commit_to_a_question_counts_and_later_questions_do_not_yet():
    progress.commit("cost", 3.0, 4.0, inside=False)
    progress.commit("quality", 0.5, 0.6, inside=True)
    progress.commit("cost", 5.4, 5.5, inside=True)
    aim = "the aim is 80 %."
    assert str(progress.record("cost")) == f"Your first interval missed the measurement; {aim}"
    both = f"Your first interval held the measurement in 1 of 2 questions; {aim}"
    assert str(progress.record("quality")) == both


def test_an_interval_for_a_question_that_was_skipped_before_does_not_count():
    progress.commit("cost", 3.0, 4.0, inside=False)
    progress.skip("cost")  # too late: it has been answered
    progress.skip("quality")
    progress.commit("quality", 0.5, 0.6, inside=True)
    assert not progress.skipped("cost") and progress.skipped("quality")
    assert progress.record("quality") == progress.Record(predictions=1, inside=0)


OLD = {"version": 1, "predictions": {"cost": [{"value": 3.5, "inside": True, "at": "2026-11-01T00:00:00+00:00"}]}}


def test_a_number_that_an_earlier_version_kept_stays_and_is_no_interval(file):
    file.parent.mkdir()
    file.write_text(json.dumps(OLD))
    progress.commit("quality", 0.5, 0.6, inside=True)
    assert [(one.low, one.high, one.inside) for one in progress.commits("cost")] == [(3.5, 3.5, True)]
    assert progress.record("quality") == progress.Record(predictions=1, inside=1)
    assert str(progress.record("cost")) == ""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 10**5, id="nested without end"),
        *("", "{", "[]", "{}", '{"predictions": 1}', '{"predictions": {"cost": [{"value": 1}]}}'),
        '{"predictions": {"cost": [{"value": "three", "inside": true, "at": "2026-11-30"}]}}',
        '{"predictions": {"cost": [{"value": 3, "inside": "yes", "at": "2026-11-30"}]}}',
        '{"predictions": {"cost": [{"value": 3, "inside": true, "at": 2026}]}}',
        '{"predictions": {"cost": [{"low": 3, "inside": true, "at": "2026-11-30"}]}}',
        '{"predictions": {}, "skipped": [1]}',
    ],
)
def test_a_damaged_file_is_named_with_the_remedy_and_left_alone(file, text):
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ValueError, match="progress.json does not hold predictions: move the file away"):
        progress.commit("cost", 3.0, 4.0, inside=False)
    assert file.read_text() == text


def test_a_folder_in_the_files_place_is_named(file):
    file.mkdir(parents=True)
    with pytest.raises(ValueError, match="progress.json does not hold predictions: move the file away"):
        progress.commits("cost")


def test_a_failed_write_leaves_the_old_file(file, monkeypatch):
    progress.commit("cost", 3.0, 4.0, inside=False)
    before = file.read_text()

    def fail(*paths):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ValueError, match=r"progress.json cannot be written \(No space left.*name another file in"):
        progress.commit("cost", 4.0, 5.0, inside=False)
    assert file.read_text() == before
    assert [path for path in file.parent.iterdir() if path.suffix != ".lock"] == [file]


def test_a_clock_that_was_set_back_does_not_change_the_order(file):
    progress.commit("cost", 3.0, 4.0, inside=False)
    kept = json.loads(file.read_text())
    kept["predictions"]["cost"][0]["at"] = "2099-01-01T00:00:00+00:00"
    file.write_text(json.dumps(kept))
    progress.commit("quality", 0.5, 0.6, inside=True)
    assert progress.record("quality").predictions == 2


COMMITS = """
import sys
from mobilellm_lab.teaching import progress
for number in range(20):
    progress.commit(sys.argv[1], number, number + 1, inside=True)
"""


def test_two_kernels_lose_no_commit():
    kernels = [subprocess.Popen([sys.executable, "-c", COMMITS, name]) for name in ("cost", "quality")]
    assert [kernel.wait(timeout=300) for kernel in kernels] == [0, 0]
    assert [len(progress.commits(name)) for name in ("cost", "quality")] == [20, 20]


def test_the_usual_place_is_the_users_data_folder(monkeypatch):
    monkeypatch.delenv(progress.VARIABLE)
    assert progress.path().name == "progress.json"
    assert "mobilellm-lab" in progress.path().parts
