"""Sweeps that are interrupted, fail, or meet a full disk lose nothing that was measured."""

import errno
import json
import math
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from threading import Event, Semaphore

import pytest

from mobilellm_lab.stored import added
from mobilellm_lab.sweeps import Store, key, sweep


@dataclass(frozen=True)
class Square:
    """A recipe whose run squares a number."""

    n: int
    note: str = ""


@dataclass(frozen=True)
class Cube(Square):
    """Equal fields, another recipe."""


@dataclass(frozen=True)
class Power(Square):
    """What `Square` became: renamed, and with one more field."""

    stored_as = "Square"
    exponent: int = added(2)


class Tower(Power):
    """A recipe of its own, whose parent was renamed."""


@dataclass(frozen=True)
class Other:
    """A recipe of another sweep."""

    width: int


class Runs:
    """Squares, and remembers what was asked; `bad` recipes fail."""

    def __init__(self, *bad: int):
        self.asked, self.bad = [], bad

    def __call__(self, recipe) -> dict:
        self.asked.append(recipe.n)
        if recipe.n in self.bad:
            raise ZeroDivisionError(f"{recipe.n} does not work")
        return {"square": recipe.n**2}


class AtOnce(ThreadPoolExecutor):
    """An executor whose runs have all finished by the time anybody looks."""

    def submit(self, run, recipe):
        future = Future()
        try:
            future.set_result(run(recipe))
        except ZeroDivisionError as error:
            future.set_exception(error)
        return future


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "deep" / "sweep.jsonl")


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


GRID = [Square(n) for n in range(5)]


def files(store) -> list[str]:
    """Names of what lies beside the rows, but for the empty file that stands for the lock."""
    return sorted(path.name for path in store.path.parent.iterdir() if path.suffix != ".lock")


def test_a_key_names_kind_and_fields():
    # Fixed for good: stored rows are found by it.
    assert key(Square(3)) == "9b2ad224cc7027b2"
    assert key(Square(3)) == key(Square(n=3, note=""))
    assert len({key(recipe) for recipe in (Square(3), Square(4), Square(3, "x"), Cube(3))}) == 4


def test_a_renamed_class_with_an_added_field_keeps_its_keys():
    assert key(Power(3)) == key(Power(3, exponent=2)) == key(Square(3))
    assert len({key(recipe) for recipe in (Power(3), Power(3, exponent=5), Power(3, "x"), Tower(3))}) == 4


def test_rows_of_before_are_found_by_the_class_of_now(store):
    for recipe in (Square(3), Square(4), Square(5, "x")):
        store.add(recipe, {"square": recipe.n**2})
    store.add(Power(3, exponent=5), {"square": 243})
    now = Store(store.path)
    assert now[Power(3)]["square"] == 9 and Power(**now[Power(3)]["recipe"]) == Power(3)
    assert [row["square"] for row in now.alike(Power(7), free=("n",))] == [9, 16]
    assert [row["square"] for row in now.alike(Power(3, exponent=7), free=("n", "exponent"))] == [9, 16, 243]
    assert [row["square"] for row in now.alike(Power(1, exponent=5), free=("n",))] == [243]


def test_a_row_is_found_again_by_another_reader(store):
    store.add(Square(3), {"square": 9})
    again = Store(store.path)
    assert Square(3) in again and Square(4) not in again and Cube(3) not in again
    assert again[Square(3)] == {"key": key(Square(3)), "recipe": {"n": 3, "note": ""}, "square": 9}
    assert again.rows == store.rows


def test_rows_stand_one_per_line_in_the_order_they_came(store):
    for n in (4, 1, 3):
        store.add(Square(n), {"square": n * n})
    store.add(Square(1), {"square": -1})
    rows = [json.loads(line) for line in store.path.read_text().splitlines()]
    assert [(row["recipe"]["n"], row["square"]) for row in rows] == [(4, 16), (1, -1), (3, 9)]
    assert files(store) == ["sweep.jsonl"]


def test_a_store_is_as_readable_as_any_other_new_file(store):
    store.add(Square(1), {"square": 1})
    other = store.path.with_name("other")
    other.touch()
    assert store.path.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("name", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_full_disk_leaves_the_old_file_whole(store, monkeypatch, name, error):
    store.add(Square(1), {"square": 1})
    before = store.path.read_bytes()

    def fail(*arguments):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(type(error)):
            store.add(Square(2), {"square": 4})
    assert store.path.read_bytes() == before
    assert files(store) == ["sweep.jsonl"]
    assert Square(2) not in store and Square(1) in store
    store.add(Square(2), {"square": 4})  # there is room again
    assert Square(1) in Store(store.path) and Square(2) in Store(store.path)


def test_the_new_file_is_safe_on_disk_before_it_takes_the_place_of_the_old(store, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a)))
    store.add(Square(1), {"square": 1})
    assert calls == ["fsync", "replace"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused_and_the_rest_kept(store, value):
    store.add(Square(1), {"square": 1.0})
    with pytest.raises(ValueError, match="[Oo]ut of range float"):
        store.add(Square(2), {"square": value})
    assert Square(2) not in store and Square(2) not in Store(store.path)
    assert files(store) == ["sweep.jsonl"]


ROW = b'{"key": "0123456789abcdef", "recipe": {"n": 2}, "square": 4}'
DAMAGED = [b"{not json", b"[1, 2]", b'"text"', b"{}", b"", ROW[:20], b"\xff\xfe\x00"]
DAMAGED += [ROW.replace(b"4}", b"NaN}"), ROW.replace(b', "square": 4', b""), ROW.replace(b"abcdef", b"")]
DAMAGED += [ROW.replace(b'{"n": 2}', b"2"), b"[" * 10**5]


@pytest.mark.parametrize("line", DAMAGED, ids=lambda line: repr(line[:80]))
def test_a_damaged_line_is_refused_by_file_and_number(store, line):
    store.add(Square(1), {"square": 1})
    whole = store.path.read_bytes()
    store.path.write_bytes(whole + line + b"\n" + whole)
    with pytest.raises(ValueError, match=re.escape(f"{store.path} line 2 is not a row of a sweep: delete the line")):
        Store(store.path)
    assert store.path.read_bytes() == whole + line + b"\n" + whole


def test_a_repeated_line_is_refused_by_both_numbers(store):
    for n in (1, 2):
        store.add(Square(n), {"square": n * n})
    lines = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(ValueError, match="line 3 repeats line 2: delete one of them"):
        Store(store.path)


def test_a_row_of_another_sweep_is_refused_by_line(store):
    store.add(Square(1), {"square": 1})
    store.add(Power(2, exponent=5), {"square": 32})
    store.check_kinds({Power})  # a field that was added may be absent
    with pytest.raises(ValueError, match=r"line 2 belongs to another sweep, its recipe has n, note, exponent"):
        store.check_kinds({Cube})
    with pytest.raises(ValueError, match=r"line 1 belongs to another sweep"):
        store.check_kinds({Other})


def test_a_run_without_a_result_is_not_stored(store):
    with pytest.raises(ValueError, match=r"row=\{\}: the run returned nothing"):
        store.add(Square(1), {})
    assert not store.path.exists()


def test_two_that_write_one_store_lose_nothing(store):
    one, other = Store(store.path), Store(store.path)
    one.add(Square(1), {"square": 1})
    other.add(Square(2), {"square": 4})
    one.add(Square(3), {"square": 9})
    assert [row["square"] for row in Store(store.path).rows.values()] == [1, 4, 9]
    assert Square(2) in one


def test_a_sweep_runs_everything_once_and_yields_what_is_stored(store, executor):
    runs, yielded = Runs(), []
    for recipe in sweep(runs, GRID + GRID[:2], store=store, executor=executor):
        assert recipe in Store(store.path)
        yielded.append(recipe)
    assert sorted(r.n for r in yielded) == sorted(runs.asked) == [0, 1, 2, 3, 4]
    assert {row["recipe"]["n"]: row["square"] for row in store.rows.values()} == {n: n * n for n in range(5)}
    assert list(sweep(runs, GRID, store=Store(store.path), executor=executor)) == []
    assert len(runs.asked) == 5


def test_an_interrupted_sweep_goes_on_where_it_stopped(store, executor):
    runs, places = Runs(), Semaphore(2)

    def run(recipe):
        places.acquire(timeout=10)
        return runs(recipe)

    first = sweep(run, GRID, store=store, executor=executor)
    assert [next(first), next(first)] == GRID[:2]
    first.close()
    places.release(5)
    executor.submit(lambda: None).result()  # the run that had begun is through, and nobody waited for it
    runs.asked.clear()
    rest = list(sweep(run, GRID, store=Store(store.path), executor=executor))
    assert sorted(r.n for r in rest) == runs.asked == [2, 3, 4]
    assert len(Store(store.path).rows) == 5


def test_a_closed_sweep_cancels_what_has_not_begun(store):
    gate, asked = Event(), []

    def run(recipe):
        asked.append(recipe.n)
        if recipe.n:
            gate.wait(10)
        return {"square": recipe.n**2}

    with ThreadPoolExecutor(1) as executor:
        running = sweep(run, GRID, store=store, executor=executor)
        next(running)
        running.close()
        gate.set()
    assert asked in ([0], [0, 1])


def test_whoever_stops_asking_keeps_all_that_had_finished(store):
    running = sweep(Runs(), GRID, store=store, executor=AtOnce(1))
    next(running)
    running.close()
    assert len(Store(store.path).rows) == 5


def test_a_failing_run_raises_after_the_others_were_stored(store):
    with pytest.raises(ZeroDivisionError, match="2 does not work") as caught:
        list(sweep(Runs(2), GRID, store=store, executor=AtOnce(1)))
    assert caught.value.__notes__ == ["in the run of Square(n=2, note='')"]
    assert {row["recipe"]["n"] for row in Store(store.path).rows.values()} == {0, 1, 3, 4}
    assert [r.n for r in sweep(Runs(), GRID, store=store, executor=AtOnce(1))] == [2]


@pytest.mark.parametrize("result", [{"square": math.nan}, {"square": object()}, {}], ids=["nan", "no JSON", "empty"])
def test_a_bad_result_is_named_and_its_neighbours_are_kept(store, result):
    with pytest.raises((TypeError, ValueError)) as caught:
        list(sweep(lambda r: result if r.n == 2 else Runs()(r), GRID, store=store, executor=AtOnce(1)))
    assert caught.value.__notes__ == ["in the run of Square(n=2, note='')"]
    assert {row["recipe"]["n"] for row in Store(store.path).rows.values()} == {0, 1, 3, 4}


def test_a_failing_run_raises_while_others_still_wait(store, executor):
    runs = Runs(2)
    with pytest.raises(ZeroDivisionError):
        list(sweep(runs, GRID, store=store, executor=executor))
    assert {row["recipe"]["n"] for row in Store(store.path).rows.values()} >= {0, 1}


def test_a_disk_that_fills_up_stops_the_sweep_with_its_error(store, executor, monkeypatch):
    running = sweep(Runs(), GRID, store=store, executor=executor)
    next(running)
    before = len(store.rows)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        list(running)
    assert len(Store(store.path).rows) == len(store.rows) >= before >= 1


def test_a_recipe_comes_back_from_its_row(store):
    store.add(Square(7, "x"), {"square": 49})
    assert Square(**Store(store.path)[Square(7, "x")]["recipe"]) == Square(7, "x")
    assert asdict(Square(7, "x")) == store[Square(7, "x")]["recipe"]
