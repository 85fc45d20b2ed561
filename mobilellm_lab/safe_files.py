"""A file or folder that several processes write and a kill leaves whole: a lock beside it, a draft for its place"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a draft, which takes the place of the file, safe on the disk, when the block ends without an error.

    Meanwhile no other process replaces the file, so what the block reads from it is the newest. A link stays a link.
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _beside(path, "draft")  # one name: what a killed process left is overwritten
    with FileLock(_beside(path, "lock")):
        try:
            yield draft
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: str | Path) -> Iterator[Path]:
    """Yields an empty draft folder; its files take the place of the whole folder as `replacing` does for a file.

    A folder cannot take another's place in one move. A kill between the two leaves the older one to `restore`.
    """
    folder = Path(folder).resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clean(folder.parent)
    draft, old = _beside(folder, "draft"), _beside(folder, "replaced")
    with FileLock(_beside(folder, "lock")):
        _put_back(folder, old)
        shutil.rmtree(draft, ignore_errors=True)  # killed since
        draft.mkdir()
        try:
            yield draft
            for path in draft.iterdir():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
            if folder.exists():
                folder.rename(old)
            draft.rename(folder)
        finally:
            _put_back(folder, old)
            shutil.rmtree(draft, ignore_errors=True)


def restore(folder: str | Path) -> None:
    """Puts the older folder back where a killed process had moved it away, and nothing took its place."""
    folder = Path(os.path.realpath(folder))  # `resolve` raises on a link to itself
    old = _beside(folder, "replaced")
    if old.exists() and not folder.exists():
        with FileLock(_beside(folder, "lock")):  # or it is moving now
            _put_back(folder, old)


def _clean(parent: Path) -> None:
    """Removes the draft folders that killed processes left there: those whose lock is free."""
    for draft in parent.glob(".*.draft"):
        lock = draft.with_suffix(".lock")
        if draft.is_dir() and lock.exists():
            with suppress(Timeout), FileLock(lock, timeout=0):
                shutil.rmtree(draft, ignore_errors=True)


def _put_back(folder: Path, old: Path) -> None:
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
    elif old.exists():
        old.rename(folder)


def _beside(path: Path, ending: str) -> Path:
    return path.parent / f".{path.name}.{ending}"


def check_writable(path: str | Path, *, name: str) -> Path:
    """The path, if a file can be written there; found out before any work is done.

    Raises:
        ValueError: it cannot; says why.
    """
    target = Path(path).resolve()
    if target.is_dir():
        raise ValueError(f"{name}={str(path)!r}: that is a folder, give the name of a file in it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise ValueError(f"{name}={str(path)!r} cannot be written ({error.strerror}): choose another place") from error
    return Path(path)
