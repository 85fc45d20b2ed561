"""A grid of recipes, run on any `concurrent.futures` executor: resumable, in whatever order they finish."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from pathlib import Path
from typing import TypeVar

from mobilellm_lab.stored import as_stored

R = TypeVar("R")  # a recipe: a frozen dataclass


def key(recipe: object) -> str:
    """Sixteen hex digits that name this recipe (any dataclass): equal recipes have equal keys.

    A field that comes later is `stored.added(default)`, and a class that was renamed has the class attribute
    `stored_as`, its name of before: then stored rows are still found.
    """
    kind = type(recipe)
    name = vars(kind).get("stored_as", kind.__name__)  # its own: a subclass is another recipe
    text = json.dumps([name, as_stored(recipe)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Store:
    """Rows in a JSON Lines file, one per recipe; a new row is safe on disk before the next one is asked for.

    Raises:
        ValueError: the file holds something else; names the file and the line.
    """

    def __init__(self, path: Path):
        self.path, self.rows = Path(path), {}
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                self.rows[row["key"]] = row
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{self.path} line {number} is no row of a sweep: delete the line") from error

    def __contains__(self, recipe: object) -> bool:
        return key(recipe) in self.rows

    def __getitem__(self, recipe: object) -> dict:
        return self.rows[key(recipe)]

    def alike(self, recipe: object, *, free: Collection[str]) -> list[dict]:
        """The rows whose recipe differs from this one in the fields `free` at most."""

        def rest(stored: dict) -> dict:
            return {name: value for name, value in stored.items() if name not in free}

        wanted = rest(as_stored(recipe))
        return [row for row in self.rows.values() if rest(row["recipe"]) == wanted]

    def add(self, recipe: object, row: dict) -> None:
        """Adds the row and writes the file anew beside the old one, which stays whole until the new one is."""
        rows = self.rows | {key(recipe): {"key": key(recipe), "recipe": as_stored(recipe), **row}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "w") as file:
                file.writelines(json.dumps(row, allow_nan=False) + "\n" for row in rows.values())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self.rows = rows


def sweep(run: Callable[[R], dict], grid: Iterable[R], *, store: Store, executor: Executor) -> Iterator[R]:
    """Runs what the store does not have yet, stores each row as it comes, and yields its recipe.

    `run` must be importable by the executor's workers. Interrupted at any time, the next call goes on from there. Past
    one machine, pass the executor of a Dask client: `Client(...).get_executor()`.

    Raises:
        Exception: whatever `run` raised, after the rows that had finished by then were stored.
    """
    waiting = {executor.submit(run, recipe): recipe for recipe in dict.fromkeys(grid) if recipe not in store}
    try:
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            stored, failed = [], None
            for future in finished:
                recipe = waiting.pop(future)
                if future.exception() is None:
                    store.add(recipe, future.result())
                    stored.append(recipe)
                else:
                    failed = future.exception()
            yield from stored  # only now: whoever asks for no more still has them all in the store
            if failed is not None:
                raise failed
    finally:
        for future in waiting:
            future.cancel()
