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
WATCH = 0.1  # most of the training time that looking at held-out sequences takes
WORKERS = min(2, os.cpu_count() or 1)  # at once

_outbox = None  # in a worker: the way to the parent


@dataclass(frozen=True, kw_only=True)
class Report:
    """Progress of one recipe; `result` is set once it has finished."""

    recipe: Recipe
    step: int  # updates done
    loss_nats: float  # of the newest batch
    progress: float  # 0 .. 1
    score: float  # the headline score, on held-out sequences of full length; with a result on the test sequences
    elapsed_s: float  # of training
    result: Result | None = None


def _start_worker(outbox) -> None:
    global _outbox
    _outbox = outbox


def train_one(recipe: Recipe) -> Result:
    """The recipe's result, as `Run` gives it; inside a worker of `train_family` it reports on the way."""
    run, reported = Run(recipe, watch=0.0 if _outbox is None else WATCH), 0.0
    for step in run:
        if _outbox is not None and time.monotonic() - reported >= REPORT_S:
            reported = time.monotonic()
            _outbox.put(
                Report(
                    recipe=recipe,
                    step=step.step,
                    loss_nats=step.loss_nats,
                    progress=step.progress,
                    score=run.scores[-1][1],
                    elapsed_s=step.elapsed_s,
                )
            )
    return run.result()


def train_family(recipes: Sequence[Recipe], *, max_workers: int = WORKERS) -> Iterator[list[Report]]:
    """Trains all recipes and yields what is new, every 0.05 s, an empty list if nothing is.

    Each recipe is one task of a worker with one torch thread. They start in the order given. Closing the generator ends
    the workers at once.

    Raises:
        WorkerLostError: a worker did not end by itself.
    """
    inbox = multiprocessing.get_context("spawn").Queue()
    with worker_pool(min(max_workers, len(recipes)), _start_worker, inbox) as executor:
        waiting = {executor.submit(train_one, recipe): recipe for recipe in recipes}
        while waiting:
            finished, _ = wait(waiting, timeout=POLL_S)
            news = _drain(inbox)
            for future in [future for future in waiting if future in finished or future.done()]:
                result, recipe = future.result(), waiting.pop(future)
                news.append(
                    Report(
                        recipe=recipe,
                        step=result.steps,
                        loss_nats=result.loss_nats,
                        progress=1.0,
                        score=result.score,
                        elapsed_s=result.train_s,
                        result=result,
                    )
                )
            yield news


def _drain(inbox) -> list[Report]:
    news = []
    while True:
        try:
            news.append(inbox.get_nowait())
        except queue.Empty:
            return news
