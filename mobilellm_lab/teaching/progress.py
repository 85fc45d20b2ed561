"""The reader's predictions, kept in one file on this machine, and how many of them were right."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from mobilellm_lab.safe_files import replacing

VARIABLE = "MOBILELLM_LAB_PROGRESS"  # names another file


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One committed number."""

    value: int | float
    inside: bool  # of the spread that was measured
    at: str  # ISO, UTC

    def __post_init__(self) -> None:
        for name, kinds in (("value", (int, float)), ("inside", bool), ("at", str)):
            if not isinstance(getattr(self, name), kinds):
                raise TypeError(f"{name}={getattr(self, name)!r}")


@dataclass(frozen=True, kw_only=True)
class Record:
    """How the reader's first commits went, one per question."""

    predictions: int
    inside: int  # of them inside the measured spread

    def __str__(self) -> str:
        plural = "s" * (self.predictions != 1)
        return f"Your record: {self.predictions} first prediction{plural}, {self.inside} inside the measured spread."


def path() -> Path:
    """The file, which need not exist yet: the user's data folder, or what MOBILELLM_LAB_PROGRESS names."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_data_path("mobilellm-lab") / "progress.json"


def commits(name: str) -> list[Commit]:
    """All commits to the prediction `name`, oldest first."""
    return _read().get(name, [])


def commit(name: str, value: int | float, *, inside: bool) -> None:
    """Adds a commit to those that all kernels have made by now.

    Raises:
        ValueError: the file holds something else, or cannot be written; names it.
    """
    file = path()
    try:
        with replacing(file) as draft:
            kept = _read()
            made = Commit(value=value, inside=inside, at=_now(kept))
            kept[name] = [*kept.get(name, []), made]
            plain = {key: [asdict(one) for one in made] for key, made in kept.items()}
            draft.write_text(json.dumps({"version": 1, "predictions": plain}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{file} cannot be written ({error.strerror}), so your prediction is not kept: "
            f"name another file in {VARIABLE}"
        ) from error


def _now(kept: Mapping[str, list[Commit]]) -> str:
    """The time, but never before what was committed already: a clock may have been set back."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return max([now, *(one.at for made in kept.values() for one in made)])


def record(name: str) -> Record:
    """The record up to the first commit to `name`; later ones do not count yet, their answers may be unseen."""
    firsts = {key: made[0] for key, made in _read().items()}
    if name in firsts:
        firsts = {key: first for key, first in firsts.items() if first.at <= firsts[name].at}
    return Record(predictions=len(firsts), inside=sum(first.inside for first in firsts.values()))


def _read() -> dict[str, list[Commit]]:
    file = path()
    if not file.exists():
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))["predictions"]
        return {name: [Commit(**one) for one in made] for name, made in kept.items() if made}
    except (OSError, RecursionError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file} does not hold predictions: move the file away, a new one will be made") from error
