"""The reader's predictions, kept in one file on this machine, and how many of them held the measurement."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from mobilellm_lab.safe_files import replacing

VARIABLE = "MOBILELLM_LAB_PROGRESS"  # names another file


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One committed interval."""

    low: int | float
    high: int | float  # equal to `low` in files from before 0.3.0, which kept one number
    inside: bool  # whether the measurement lies in it; of a single number, whether it lay in the measured spread
    at: str  # ISO, UTC

    def __post_init__(self) -> None:
        for name, kinds in (("low", (int, float)), ("high", (int, float)), ("inside", bool), ("at", str)):
            if not isinstance(getattr(self, name), kinds):
                raise TypeError(f"{name}={getattr(self, name)!r}")

    @classmethod
    def read(cls, kept: Mapping) -> "Commit":
        """A commit of this version, or from before 0.3.0, which kept one number."""
        one = dict(kept)
        if "value" in one:
            one["low"] = one["high"] = one.pop("value")
        return cls(**one)


@dataclass(frozen=True, kw_only=True)
class Record:
    """How the reader's first intervals went, one per question."""

    predictions: int
    inside: int  # of them with the measurement inside

    def __str__(self) -> str:
        if not self.predictions:
            return ""
        if self.predictions == 1:
            held = f"Your first interval {'held' if self.inside else 'missed'} the measurement"
        else:
            held = f"Your first interval held the measurement in {self.inside} of {self.predictions} questions"
        return f"{held}; the aim is 80 %."


@dataclass(kw_only=True)
class _Kept:
    """What the file holds."""

    commits: dict[str, list[Commit]] = field(default_factory=dict)  # prediction -> oldest first
    skipped: list[str] = field(default_factory=list)  # predictions whose measurement was seen before any commit


def path() -> Path:
    """The file, which need not exist yet: the user's data folder, or what MOBILELLM_LAB_PROGRESS names."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_data_path("mobilellm-lab") / "progress.json"


def commits(name: str) -> list[Commit]:
    """All commits to the prediction `name`, oldest first."""
    return _read().commits.get(name, [])


def commit(name: str, low: int | float, high: int | float, *, inside: bool) -> None:
    """Adds an interval to those that all kernels have committed by now.

    Raises:
        ValueError: the file holds something else, or cannot be written; names it.
    """

    def add(kept: _Kept) -> None:
        made = Commit(low=low, high=high, inside=inside, at=_now(kept))
        kept.commits[name] = [*kept.commits.get(name, []), made]

    _change(add)


def skip(name: str) -> None:
    """Notes that the reader wants the measurement without a prediction; commits after it are not in the record.

    Raises:
        ValueError: as `commit`.
    """

    def add(kept: _Kept) -> None:
        if name not in kept.skipped and name not in kept.commits:
            kept.skipped.append(name)

    _change(add)


def skipped(name: str) -> bool:
    """Whether the reader skipped the prediction `name` before any commit to it."""
    return name in _read().skipped


def _change(change: Callable[[_Kept], None]) -> None:
    file = path()
    try:
        with replacing(file) as draft:
            change(kept := _read())
            plain = {key: [asdict(one) for one in made] for key, made in kept.commits.items()}
            content = {"version": 2, "predictions": plain, "skipped": kept.skipped}
            draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{file} cannot be written ({error.strerror}), so your prediction is not kept: "
            f"name another file in {VARIABLE}"
        ) from error


def _now(kept: _Kept) -> str:
    """The time, but never before what was committed already: a clock may have been set back."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return max([now, *(one.at for made in kept.commits.values() for one in made)])


def record(name: str) -> Record:
    """The record up to the first commit to `name`; later ones do not count yet, their answers may be unseen.

    Only intervals count, and only those that were committed before the measurement was seen.
    """
    kept = _read()
    firsts = {key: made[0] for key, made in kept.commits.items() if key not in kept.skipped}
    until = firsts[name].at if name in firsts else max((one.at for one in firsts.values()), default="")
    counted = [one for one in firsts.values() if one.at <= until and one.low < one.high]
    return Record(predictions=len(counted), inside=sum(one.inside for one in counted))


def _read() -> _Kept:
    file = path()
    if not file.exists():
        return _Kept()
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        commits = {key: [Commit.read(one) for one in made] for key, made in kept["predictions"].items() if made}
        skipped = kept.get("skipped", [])
        if not all(isinstance(one, str) for one in skipped):
            raise TypeError(f"skipped={skipped!r}")
        return _Kept(commits=commits, skipped=skipped)
    except (OSError, RecursionError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file} does not hold predictions: move the file away, a new one will be made") from error
