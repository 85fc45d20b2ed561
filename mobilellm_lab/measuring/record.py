"""Benchmark records: save, load and compare, also between machines"""

import json
import math
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mobilellm_lab.safe_files import replacing

FORMAT, VERSION = "mobilellm-lab record", 1
SIZES = ("theoretical", "on disk", "in memory")
LINE = 80  # characters of the table's lines
COLUMNS = (*SIZES, "measured", "estimate", "quality")
PLACE = ("machine", "python", "torch", "numpy", "threads")  # parts of the provenance that change a time


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One line of the table. The name ends in the unit; the column says what kind of number it is."""

    name: str  # "tpot_p50_ms"
    column: str  # one of COLUMNS
    value: int | float
    low: int | float | None = None  # p10 of a measured one, end of the interval of a quality
    high: int | float | None = None  # p90, or the other end
    runs: int = 1  # samples behind it
    note: str = ""  # method or conditions

    def __post_init__(self) -> None:
        if self.column not in COLUMNS:
            raise ValueError(f"column={self.column!r} of {self.name}: choose one of {', '.join(COLUMNS)}")
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name}={number} of {self.name}: only finite numbers can be kept, leave it out")
        if self.column in SIZES and self.value < 0:
            raise ValueError(f"value={self.value} of {self.name}: a size is never negative, measure again")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low={self.low} of {self.name} is above high={self.high}: swap them")
        if self.runs < 1:
            raise ValueError(f"runs={self.runs} of {self.name}: give at least 1")


@dataclass(frozen=True, kw_only=True)
class Record:
    """Measures of one model on one machine on one day."""

    model: str  # its name, or that of its folder
    source: str  # "zoo, random weights", "checkpoint", "Hugging Face folder"
    fingerprint: str  # of the weights: equal ones are the same model, whatever it is called
    config: dict  # of the model
    settings: dict  # prompt and new tokens, repeats, seed
    measures: tuple[Measure, ...]
    provenance: dict  # command, commit, machine, versions, threads, date

    def __post_init__(self) -> None:
        names = [measure.name for measure in self.measures]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"measures: {', '.join(sorted(twice))} given twice; keep one")

    def __getitem__(self, name: str) -> Measure:
        """The measure called `name`; a KeyError lists the names."""
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise KeyError(f"{name!r}: this record has {', '.join(measure.name for measure in self.measures)}")

    def __contains__(self, name: str) -> bool:
        return any(measure.name == name for measure in self.measures)

    def table(self) -> str:
        """The record as text, a section per column."""
        width = max(len(measure.name) for measure in self.measures)
        lines = [f"{self.model} ({self.source})"]
        for column in COLUMNS:
            own = [measure for measure in self.measures if measure.column == column]
            if own:
                lines.append(column)
            for measure in own:
                spread = "" if measure.low is None else f"{measure.low:.4g} to {measure.high:.4g}"
                runs = f"{measure.runs} samples" if measure.runs > 1 else ""
                rest = ", ".join(filter(None, (spread, runs, measure.note)))
                head = f"  {measure.name:<{width}}  {measure.value:<10.4g} "
                under = " " * len(head)
                lines += textwrap.wrap(rest, LINE, initial_indent=head, subsequent_indent=under) or [head.rstrip()]
        where = self.provenance
        lines += textwrap.wrap(
            f"{where['machine']}; {where['threads']} torch thread{'s' * (where['threads'] != 1)}, "
            f"torch {where['torch']}, python {where['python']}; commit {where['commit'][:7]}, {where['date']}",
            LINE,
        )
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Writes the record atomically."""
        text = json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=1, allow_nan=False)
        with replacing(path) as draft:
            draft.write_text(text + "\n", encoding="utf-8")


def load_record(path: str | Path) -> Record:
    """The record that `Record.save` wrote.

    Raises:
        ValueError: missing, damaged, of another format or version, or with a field missing; names the file.
    """
    path = Path(path)
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): give the file that was saved") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}): copy it again") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ValueError(f"{path} is not a {FORMAT}: give a file that `mobilellm-lab bench` wrote")
    if raw.get("version") != VERSION:
        raise ValueError(f"{path}: version={raw.get('version')!r}, this package reads {VERSION}: measure again")
    wanted = {field.name for field in fields(Record)}
    if raw.keys() - {"format", "version"} != wanted:
        odd = ", ".join(sorted((raw.keys() - {"format", "version"}) ^ wanted))
        raise ValueError(f"{path}: fields missing or unknown: {odd}; measure again")
    lacking = {"commit", "date", *PLACE} - set(raw["provenance"] if isinstance(raw["provenance"], dict) else ())
    if lacking:
        raise ValueError(f"{path}: provenance lacks {', '.join(sorted(lacking))}: measure again")
    try:
        measures = tuple(Measure(**measure) for measure in raw["measures"])
        return Record(**{name: raw[name] for name in wanted - {"measures"}}, measures=measures)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: measures are damaged ({error}): measure again") from error


@dataclass(frozen=True, kw_only=True)
class RecordComparison:
    """Two records side by side: differences of their circumstances, and ratios of their measures."""

    a: Record
    b: Record
    differences: dict[str, tuple[str, str]]  # "threads": ("1", "2"); empty: the same circumstances
    ratios: dict[str, float]  # name: b / a, for what both have and a's is not 0

    @property
    def same_place(self) -> bool:
        """True where machine, threads and versions are equal, so that times are comparable."""
        return not set(PLACE) & set(self.differences)

    @property
    def verdict(self) -> str:
        """Interpretation of the ratios, given the differences."""
        moved = [name for name in self.differences if name in PLACE]
        changed = [name for name in self.differences if name in ("model", "config", "settings")]
        if moved and changed:
            return (
                f"{' and '.join(moved)} differ, and so do {' and '.join(changed)}: ratios of times say nothing about "
                "either alone; measure both on one machine"
            )
        if moved:
            return f"{' and '.join(moved)} differ: ratios of times compare machines, and are no verdict on the model"
        if "settings" in changed:
            return "settings differ: the work is not the same; measure both with the same settings"
        if changed:
            return (
                "same machine, different models: ratios of times hold for the two moments of measurement; "
                "compare(a, b) in one process decides"
            )
        return "same model, same circumstances: differences are noise, or due to the commit"

    def __str__(self) -> str:
        lines = [f"a: {self.a.model}, {self.a.provenance['date']}; b: {self.b.model}, {self.b.provenance['date']}"]
        lines += [f"  {name}: {a} | {b}" for name, (a, b) in self.differences.items()]
        width = max((len(name) for name in self.ratios), default=0)
        for name, ratio in self.ratios.items():
            a, b = self.a[name], self.b[name]
            lines.append(f"  {name:<{width}}  {a.value:<10.4g} {b.value:<10.4g} b / a = {ratio:.3g}")
        return "\n".join([*lines, self.verdict])


def compare_records(a: Record, b: Record) -> RecordComparison:
    """Differences of two records: circumstances first, then b / a of every measure that both have.

    A ratio across machines, thread counts or versions is no verdict on the model; the result says so.
    """
    differences = {}
    if a.fingerprint != b.fingerprint:
        differences["model"] = (f"{a.model} {a.fingerprint[:8]}", f"{b.model} {b.fingerprint[:8]}")
    for name, left, right in (("config", a.config, b.config), ("settings", a.settings, b.settings)):
        changed = _changed(left, right)
        if changed:
            differences[name] = tuple(", ".join(f"{key}={side.get(key)}" for key in changed) for side in (left, right))
    for name in (*PLACE, "commit", "date"):
        if a.provenance[name] != b.provenance[name]:
            differences[name] = (str(a.provenance[name]), str(b.provenance[name]))
    ratios = {
        measure.name: b[measure.name].value / measure.value
        for measure in a.measures
        if measure.value and measure.name in b and b[measure.name].column == measure.column
    }
    return RecordComparison(a=a, b=b, differences=differences, ratios=ratios)


def _changed(a: Mapping, b: Mapping) -> list[str]:
    """Keys whose values differ, in a's order and then b's."""
    return [key for key in dict.fromkeys((*a, *b)) if a.get(key) != b.get(key)]
