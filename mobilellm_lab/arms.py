"""Arms with a learning-rate search, and declarations of stored sweeps"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from tqdm import tqdm

from mobilellm_lab.sweeps import Store, sweep
from mobilellm_lab.workers import worker_pool

SEEDS = (0, 1, 2)  # of the runs that are reported
VALIDATION_SEED = 1000  # of the runs that choose the learning rate; never reported


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One line of the comparison: a recipe, and the learning rates it may choose from."""

    study: str  # group of the arm; "roadmap: GQA" belongs to the roadmap
    recipe: Any  # a frozen dataclass with the fields lr and seed
    rates: tuple[float, ...]

    def candidates(self) -> list:
        """The runs of the learning-rate search."""
        return [replace(self.recipe, lr=rate, seed=VALIDATION_SEED) for rate in self.rates]

    def best_rate(self, store: Store) -> float:
        """The rate with the lowest validation loss on the validation seed."""
        return min(self.candidates(), key=lambda recipe: store[recipe]["validation_loss_nats"]).lr

    def reported(self, store: Store) -> list:
        """The runs over `SEEDS` at the best rate."""
        return [replace(self.recipe, lr=self.best_rate(store), seed=seed) for seed in SEEDS]


def run_plan(run: Callable[[Any], dict], plan: Sequence, *, store: Store, executor: Executor) -> Iterator[Any]:
    """Yields each recipe of a plan of recipes and arms as it is stored, study by study.

    Of a study's arms all rates run first, on the validation seed, then each arm's best on `SEEDS`. `run` makes the row
    of a recipe; an arm's has the entry `validation_loss_nats`.
    """
    for study, group in groupby(plan, key=_study):
        items = list(group)
        if study is not None:
            yield from sweep(run, [r for arm in items for r in arm.candidates()], store=store, executor=executor)
            items = [r for arm in items for r in arm.reported(store)]
        yield from sweep(run, items, store=store, executor=executor)


def _study(item: object) -> str | None:
    return item.study.partition(":")[0] if isinstance(item, Arm) else None


def missing(plan: Sequence, store: Store) -> int:
    """Number of missing rows of recipes and arms; an arm without its rate yet counts all of its seeds."""
    wanted, undecided = set(), set()
    for item in plan:
        if not isinstance(item, Arm):
            wanted.add(item)
            continue
        wanted.update(item.candidates())
        if all(r in store for r in item.candidates()):
            wanted.update(item.reported(store))
        else:
            undecided.update(replace(item.recipe, seed=seed) for seed in SEEDS)
    return sum(r not in store for r in wanted) + len(undecided)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A stored sweep, declared in a module's `SWEEPS`; its caption is in `study/names.py`."""

    name: str  # of its file and its command
    plan: Callable[[], Sequence]  # recipes, and arms where it is not alone
    measure: Callable  # alone: the recipes that are missing -> pairs of a recipe and its row; else: a recipe -> its row
    alone: bool  # in one process and thread, since it takes times; else in as many processes as there are workers

    def run(self, store: Store, *, workers: int) -> None:
        """Measures the rows that the store lacks, with a progress bar; each is stored as it finishes.

        Raises:
            ValueError: the store holds rows of another sweep; names file and line.
        """
        plan = self.plan()
        store.check_kinds({type(item.recipe if isinstance(item, Arm) else item) for item in plan})
        if self.alone:
            torch.set_num_threads(1)
            todo = [recipe for recipe in plan if recipe not in store]
            for recipe, row in tqdm(self.measure(todo), total=len(todo), unit="row", desc=store.path.name):
                store.add(recipe, row)
            return
        with (
            worker_pool(workers) as executor,
            tqdm(total=missing(plan, store), unit="row", desc=store.path.name) as bar,
        ):
            for _ in run_plan(self.measure, plan, store=store, executor=executor):
                bar.update()
