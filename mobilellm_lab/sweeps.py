"""Resumable sweeps: a grid of recipes on any `concurrent.futures` executor, its rows in a JSON Lines store"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from mobilellm_lab.safe_files import replacing
from mobilellm_lab.stored import ADDED, as_stored

R = TypeVar("R")  # a recipe: a frozen dataclass


def key(recipe: object) -> str:
    """Key of this recipe (any dataclass), sixteen hex digits: equal recipes have equal keys.

    To find stored rows, a field added later is `stored.added(default)`, and a renamed class keeps its old name in
    `stored_as`.
    """
    kind = type(recipe)
    name = vars(kind).get("stored_as", kind.__name__)  # its own: a subclass is another recipe
    text = json.dumps([name, as_stored(recipe)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Store:
    """Rows in a JSON Lines file, one per recipe; each row is on disk before the next one is requested.

    Raises:
        ValueError: a line is not a row; names the file and the line.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.rows = _read(self.path)

    def __contains__(self, recipe: object) -> bool:
        return key(recipe) in self.rows

    def __getitem__(self, recipe: object) -> dict:
        return self.rows[key(recipe)]

    def check_kinds(self, kinds: Iterable[type]) -> None:
        """Refuses rows whose recipe is of none of these classes.

        Raises:
            ValueError: there is one; names the file and the line.
        """
        shapes = [
            ({f.name for f in fields(kind) if not f.metadata.get(ADDED)}, {f.name for f in fields(kind)})
            for kind in kinds
        ]
        for number, row in enumerate(self.rows.values(), 1):
            if not any(least <= row["recipe"].keys() <= most for least, most in shapes):
                raise ValueError(
                    f"{self.path} line {number} belongs to another sweep, its recipe has {', '.join(row['recipe'])}; "
                    "choose another file"
                )

    def alike(self, recipe: object, *, free: Collection[str]) -> list[dict]:
        """The rows whose recipe differs from this one in the fields `free` at most."""

        def rest(stored: dict) -> dict:
            return {name: value for name, value in stored.items() if name not in free}

        wanted = rest(as_stored(recipe))
        return [row for row in self.rows.values() if rest(row["recipe"]) == wanted]

    def add(self, recipe: object, row: dict) -> None:
        """Adds the row to the file, and keeps rows that other processes have added.

        Raises:
            ValueError: a value is not finite, or the row is empty; the file is unchanged.
        """
        if not row:
            raise ValueError("Cannot store row={}: the run returned nothing; return its results")
        with replacing(self.path) as draft:
            rows = _read(self.path) | {key(recipe): {"key": key(recipe), "recipe": as_stored(recipe), **row}}
            draft.write_text("".join(json.dumps(each, allow_nan=False) + "\n" for each in rows.values()))
        self.rows = rows


def _read(path: Path) -> dict[str, dict]:
    """Key -> row of a file that need not exist."""
    rows = {}
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], 1):
        where = f"{path} line {number}"
        try:
            row = json.loads(line, parse_constant=_refuse)
            name, _ = row["key"], row["recipe"].keys()
            whole = re.fullmatch("[0-9a-f]{16}", name) and len(row) > 2
        except (RecursionError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{where} is not a row of a sweep: delete the line") from error
        if not whole:
            raise ValueError(f"{where} is not a row of a sweep: delete the line")
        if name in rows:
            raise ValueError(f"{where} repeats line {list(rows).index(name) + 1}: delete one of them")
        rows[name] = row
    return rows


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def sweep(run: Callable[[R], dict], grid: Iterable[R], *, store: Store, executor: Executor) -> Iterator[R]:
    """Runs the recipes that the store lacks, stores each row as it finishes, and yields its recipe.

    `run` must be importable by the executor's workers. After an interruption the next call resumes. For several
    machines, pass the executor of a Dask client: `Client(...).get_executor()`.

    Raises:
        Exception: whatever `run` raised, with its recipe as a note, or a ValueError for a result that cannot be stored;
            after the rows that had finished by then were stored.
    """
    waiting = {executor.submit(run, recipe): recipe for recipe in dict.fromkeys(grid) if recipe not in store}
    try:
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            stored, failed = [], None
            for future in finished:
                recipe, error = waiting.pop(future), future.exception()
                if error is None:
                    try:
                        store.add(recipe, future.result())
                        stored.append(recipe)
                    except (TypeError, ValueError) as refused:
                        error = refused
                if error is not None:
                    error.add_note(f"in the run of {recipe}")
                    failed = failed or error
            yield from stored  # only now: whoever asks for no more still has them all in the store
            if failed is not None:
                raise failed
    finally:
        for future in waiting:
            future.cancel()
