"""Worker processes: one torch thread each, deaf to Ctrl-C, and gone when whoever started them is"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import torch

KILLED = (-9, 137)  # exit codes of SIGKILL
JOIN_S = 5  # until a broken executor has ended the others, too


class WorkerLostError(BrokenExecutor):
    """A worker did not end by itself."""


@contextmanager
def worker_pool(count: int, begin: Callable | None = None, *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """An executor of `count` processes, each of which calls `begin(*arguments)` first; they end with the block.

    Every worker reads from a pipe into which nothing is ever written. It closes with the block, and also when this
    process is killed, which could end nobody by itself.

    Raises:
        WorkerLostError: one ended before its time; names the likely cause and the remedy.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in mid-air
    theirs, ours = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_start, initargs=(theirs, begin, arguments))
    try:
        yield executor
    except BrokenExecutor as error:
        lost = list((executor._processes or {}).values())
        for process in lost:
            process.join(JOIN_S)  # before that it has no exit code
        raise WorkerLostError(_cause({process.exitcode for process in lost})) from error
    finally:
        ours.close()
        for process in list((executor._processes or {}).values()):  # `terminate_workers` from Python 3.14 on
            process.terminate()  # also one that still imports and does not look at its pipe
        executor.shutdown(wait=False, cancel_futures=True)


def _cause(codes: Collection[int | None]) -> str:
    """What most likely ended a worker, by the exit codes of all, and what to do."""
    if codes.isdisjoint(KILLED):  # an interrupt while it starts gives many codes: -2, 1, -6, 130
        return "a worker process ended before its time, most likely by an interrupt: start again"
    return (
        "a worker process was killed, most likely because memory ran out: ask for fewer at once, or for less, or shut "
        "down other notebooks"
    )


def _start(alive: Connection, begin: Callable | None, arguments: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; who started them decides
    threading.Thread(target=_leave_with, args=(alive,), daemon=True).start()
    torch.set_num_threads(1)
    if begin is not None:
        begin(*arguments)


def _leave_with(alive: Connection) -> None:
    try:
        alive.recv()
    except EOFError:
        os._exit(1)
