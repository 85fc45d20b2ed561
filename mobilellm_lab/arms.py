"""The arms of a comparison: each chooses its learning rate on a seed of its own, then runs on the three reported"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from mobilellm_lab.sweeps import Store, sweep

SEEDS = (0, 1, 2)  # of the runs that are reported
VALIDATION_SEED = 1000  # of the runs that choose the learning rate; never reported


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One line of the comparison: a recipe, and the learning rates it may choose from."""

    study: str  # what the arm belongs to
    recipe: Any  # a frozen dataclass with the fields lr and seed
    rates: tuple[float, ...]

    def candidates(self) -> list:
        """The runs that choose the rate."""
        return [replace(self.recipe, lr=rate, seed=VALIDATION_SEED) for rate in self.rates]

    def best_rate(self, store: Store) -> float:
        """The rate with the lowest validation loss on the validation seed."""
        return min(self.candidates(), key=lambda recipe: store[recipe]["validation_loss_nats"]).lr

    def reported(self, store: Store) -> list:
        """The runs over `SEEDS` at the best rate."""
        return [replace(self.recipe, lr=self.best_rate(store), seed=seed) for seed in SEEDS]


def run_group(run: Callable[[Any], dict], plan: list[Arm], *, store: Store, executor: Executor) -> Iterator:
    """Yields each recipe as it is stored: all rates on the validation seed, then each arm's best on `SEEDS`.

    `run` makes the row of a recipe; it has the entry `validation_loss_nats`.
    """
    yield from sweep(run, [r for arm in plan for r in arm.candidates()], store=store, executor=executor)
    yield from sweep(run, [r for arm in plan for r in arm.reported(store)], store=store, executor=executor)


def missing(plan: list[Arm], store: Store) -> int:
    """How many runs are still to be made; an arm whose rate is not chosen yet counts all of its seeds."""
    candidates = {r for arm in plan for r in arm.candidates()}
    reported, undecided = set(), set()
    for arm in plan:
        if all(r in store for r in arm.candidates()):
            reported.update(arm.reported(store))
        else:
            undecided.update(replace(arm.recipe, seed=seed) for seed in SEEDS)
    return sum(r not in store for r in candidates | reported) + len(undecided)
