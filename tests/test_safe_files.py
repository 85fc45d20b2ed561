"""Files that several processes write: nothing is lost, links stay links, and what cannot be written is found early."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mobilellm_lab.safe_files import check_writable, replacing, replacing_folder, restore

COUNT = """
import json, sys
from pathlib import Path
from mobilellm_lab.safe_files import replacing
path = Path(sys.argv[1])
for _ in range(20):
    with replacing(path) as draft:
        kept = json.loads(path.read_text()) if path.exists() else []
        draft.write_text(json.dumps([*kept, sys.argv[2]]))
"""


def test_processes_that_write_one_file_lose_nothing_of_each_other(tmp_path):
    path = tmp_path / "deep" / "kept.json"
    writers = [subprocess.Popen([sys.executable, "-c", COUNT, str(path), name]) for name in "ab"]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0]
    assert sorted(json.loads(path.read_text())) == ["a"] * 20 + ["b"] * 20


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "far" / "kept.txt", tmp_path / "kept.txt"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    with replacing(link) as draft:
        draft.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"


def test_an_error_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and not draft.exists()


def test_the_draft_of_a_killed_process_is_overwritten(tmp_path):
    path = tmp_path / "kept.txt"
    (tmp_path / ".kept.txt.draft").write_text("what a killed process left, and longer than the new text")
    with replacing(path) as draft:
        draft.write_text("new")
    assert path.read_text() == "new" and not draft.exists()


def test_a_file_is_safe_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a)))
    with replacing(tmp_path / "kept.txt") as draft:
        draft.write_text("new")
    assert calls == ["fsync", "replace"]


OVERWRITE = """
import os, sys
from pathlib import Path
from mobilellm_lab.safe_files import replacing_folder
folder, text, moves = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rename, done = Path.rename, []

def dying(self, target):
    if len(done) == moves:
        os._exit(9)  # as a kill: no `finally` runs
    done.append(target)
    return rename(self, target)

Path.rename = dying
for number in range(20):
    with replacing_folder(folder) as draft:
        assert not list(draft.iterdir())
        for name in "ab":
            (draft / name).write_text(text + str(number))
"""


def overwrite(folder: Path, text: str, *, moves: int = 10**6) -> subprocess.Popen:
    """A process that replaces the folder twenty times, and kills itself after so many moves."""
    return subprocess.Popen([sys.executable, "-c", OVERWRITE, str(folder), text, str(moves)])


def held(folder: Path) -> set[str]:
    """What the files of the folder say."""
    return {path.read_text() for path in folder.iterdir()}


def left_in(folder: Path) -> list[str]:
    """What lies there besides locks."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def test_processes_that_write_one_folder_wait_for_each_other(tmp_path):
    writers = [overwrite(tmp_path / "deep" / "kept", name) for name in "xy"]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0]
    assert held(tmp_path / "deep" / "kept") in ({"x19"}, {"y19"})
    assert left_in(tmp_path / "deep") == ["kept"]


@pytest.mark.parametrize(("moves", "kept"), [(1, "x0"), (2, "x0"), (3, "x1")])
def test_a_kill_at_any_move_leaves_a_whole_folder(tmp_path, moves, kept):
    folder = tmp_path / "kept"
    assert overwrite(folder, "x", moves=moves).wait(timeout=300) == 9
    assert len(left_in(tmp_path)) == 2  # and a draft or the folder under another name
    restore(folder)
    assert held(folder) == {kept}
    with replacing_folder(folder) as draft:
        (draft / "a").write_text("new")
    assert held(folder) == {"new"} and left_in(tmp_path) == ["kept"]


def test_the_next_save_puts_an_older_folder_back_first(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "a").write_text("old")
    folder.rename(tmp_path / ".kept.replaced")
    with pytest.raises(KeyboardInterrupt), replacing_folder(folder) as draft:
        (draft / "a").write_text("half")
        raise KeyboardInterrupt
    assert held(folder) == {"old"} and left_in(tmp_path) == ["kept"]


def test_the_next_save_removes_what_killed_ones_of_other_names_left(tmp_path):
    killed = overwrite(tmp_path / "killed", "x", moves=0)
    assert killed.wait(timeout=300) == 9 and left_in(tmp_path) == [".killed.draft"]
    (tmp_path / ".mine.draft").mkdir()  # no lock beside it: not ours
    with replacing_folder(tmp_path / "busy"), replacing_folder(tmp_path / "kept") as draft:
        (draft / "a").write_text("new")
        assert set(left_in(tmp_path)) == {".mine.draft", ".busy.draft", ".kept.draft"}
    assert set(left_in(tmp_path)) == {".mine.draft", "busy", "kept"}


def test_a_kill_after_the_last_move_leaves_the_newer_folder(tmp_path):
    folder = tmp_path / "kept"
    for place, text in ((folder, "new"), (tmp_path / ".kept.replaced", "old")):
        place.mkdir()
        (place / "a").write_text(text)
    restore(folder)
    assert held(folder) == {"new"}
    with replacing_folder(folder) as draft:
        (draft / "a").write_text("newest")
    assert held(folder) == {"newest"} and left_in(tmp_path) == ["kept"]


def test_restoring_makes_nothing(tmp_path):
    restore(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    restore(tmp_path / "loop")
    assert left_in(tmp_path) == ["loop"]


def test_what_can_be_written_is_not_touched(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    assert check_writable(path, name="--out") == path
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "said"), [("folder", "that is a folder"), ("file/rows.jsonl", "cannot be written"), ("\0", "null")]
)
def test_what_cannot_be_written_is_named_with_its_reason(tmp_path, place, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=said):
        check_writable(tmp_path / place, name="--out")
