"""Parallel training of several recipes, each in its own process"""

import multiprocessing
import os
import queue
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass

from mobilellm_lab.deep_narrow.recipe import Recipe, Result, Run
from mobilellm_lab.workers import worker_pool

REPORT_S = 0.2  # between two reports of one worker
POLL_S = 0.05  # between two looks at the workers: how fast a stop is answered

_outbox = None  # in a worker: the way to the parent


@dataclass(frozen=True, kw_only=True)
class Report:
    """Progress of one recipe; `result` is set once it has finished."""

    recipe: Recipe
    step: int  # updates done
    loss_nats: float  # of the newest batch
    progress: float  # 0 .. 1
    result: Result | None = None


def _start_worker(outbox) -> None:
    global _outbox
    _outbox = outbox


def train_one(recipe: Recipe) -> Result:
    """The recipe's result, as `Run` gives it; inside a worker of `train_family` it reports on the way."""
    run, reported = Run(recipe), 0.0
    for step in run:
        if _outbox is not None and time.monotonic() - reported >= REPORT_S:
            reported = time.monotonic()
            _outbox.put(Report(recipe=recipe, step=step.step, loss_nats=step.loss_nats, progress=step.progress))
    return run.result()


def train_family(recipes: Sequence[Recipe], *, max_workers: int = 2) -> Iterator[list[Report]]:
    """Trains all recipes and yields what is new, every 0.05 s, an empty list if nothing is.

    Each recipe is one task of a worker with one torch thread, the deepest first, so that no core waits for it at the
    end. Closing the generator ends the workers at once.
    """
    inbox = multiprocessing.get_context("spawn").Queue()
    with worker_pool(min(max_workers, os.cpu_count() or 1, len(recipes)), _start_worker, inbox) as executor:
        deepest_first = sorted(recipes, key=lambda recipe: -recipe.depth)
        waiting = {executor.submit(train_one, recipe): recipe for recipe in deepest_first}
        while waiting:
            finished, _ = wait(waiting, timeout=POLL_S)
            news = _drain(inbox)
            for future in [future for future in waiting if future in finished or future.done()]:
                result, recipe = future.result(), waiting.pop(future)
                news.append(
                    Report(recipe=recipe, step=result.steps, loss_nats=result.loss_nats, progress=1.0, result=result)
                )
            yield news


def _drain(inbox) -> list[Report]:
    news = []
    while True:
        try:
            news.append(inbox.get_nowait())
        except queue.Empty:
            return news
