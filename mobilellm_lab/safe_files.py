"""A file that several processes write and a kill leaves whole: a lock beside it, and a draft that takes its place"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a draft, which takes the place of the file, safe on the disk, when the block ends without an error.

    Meanwhile no other process replaces the file, so what the block reads from it is the newest. A link stays a link.
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")  # one name: what a killed process left is overwritten
    with FileLock(path.with_name(f".{path.name}.lock")):
        try:
            yield draft
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


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
