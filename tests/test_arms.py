"""What a chapter declares is carried out: only what is missing, study by study, each row stored as it comes."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import torch

from mobilellm_lab.arms import SEEDS, VALIDATION_SEED, Arm, Sweep, missing, run_plan
from mobilellm_lab.sweeps import Store


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A recipe of a row that is made at once."""

    n: int
    lr: float = 0.0
    seed: int = 0


class AtOnce(ThreadPoolExecutor):
    """Runs each job when it is submitted."""

    def submit(self, run, recipe):
        future = Future()
        future.set_result(run(recipe))
        return future


def row(recipe: Toy) -> dict:
    return {"square": recipe.n**2, "validation_loss_nats": abs(recipe.lr - 0.2)}


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "toy.jsonl")


@pytest.fixture
def several_threads():
    """More than one torch thread until the test is over."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_alone_measures_what_is_missing_in_one_thread(store, several_threads, capsys):
    plan, asked = [Toy(n=n) for n in range(3)], []
    store.add(plan[1], {"old": True})

    def measure(todo):
        for recipe in todo:
            asked.append((recipe, torch.get_num_threads()))
            yield recipe, row(recipe)

    Sweep(name="toy", plan=lambda: plan, measure=measure, alone=True).run(store, workers=7)
    assert asked == [(plan[0], 1), (plan[2], 1)]
    assert store[plan[1]]["old"] and store[plan[2]]["square"] == 4 and len(Store(store.path).rows) == 3
    progress = capsys.readouterr().err
    assert "toy.jsonl: 100%" in progress and "2/2" in progress


def test_interrupted_alone_keeps_every_row_that_was_measured(store):
    plan = [Toy(n=n) for n in range(3)]

    def measure(todo):
        yield todo[0], row(todo[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Sweep(name="toy", plan=lambda: plan, measure=measure, alone=True).run(store, workers=1)
    assert plan[0] in Store(store.path) and len(store.rows) == 1


def test_processes_make_rows_of_recipes_and_arms(store, capsys):
    plan = [Toy(n=5), Arm(study="rates", recipe=Toy(n=1), rates=(0.1, 0.2))]
    Sweep(name="toy", plan=lambda: plan, measure=row, alone=False).run(store, workers=2)
    assert store[Toy(n=5)]["square"] == 25 and len(store.rows) == 1 + 2 + 3
    assert missing(plan, store) == 0
    progress = capsys.readouterr().err
    assert "toy.jsonl: 100%" in progress and "6/6" in progress


def test_a_plan_is_carried_out_study_by_study_and_steps_are_one_study(store):
    plan = [
        Toy(n=9),
        *(Arm(study="depth", recipe=Toy(n=n), rates=(0.1, 0.2)) for n in (1, 2)),
        *(Arm(study=f"roadmap: {n}", recipe=Toy(n=n), rates=(0.2, 0.3)) for n in (3, 4)),
        Toy(n=8),
    ]
    assert missing(plan, store) == 2 + 4 * (2 + 3)
    done = [(recipe.n, recipe.seed) for recipe in run_plan(row, plan, store=store, executor=AtOnce(1))]
    stages = [done[:1], done[1:5], done[5:11], done[11:15], done[15:21], done[21:]]  # within one, in any order
    assert [{n for n, _ in stage} for stage in stages] == [{9}, {1, 2}, {1, 2}, {3, 4}, {3, 4}, {8}]
    chosen = [{seed for _, seed in stage} for stage in stages]
    assert chosen == [{0}, {VALIDATION_SEED}, set(SEEDS), {VALIDATION_SEED}, set(SEEDS), {0}]
    assert all(recipe.lr == 0.2 for arm in plan[1:5] for recipe in arm.reported(store))
    assert missing(plan, store) == 0 and list(run_plan(row, plan, store=store, executor=AtOnce(1))) == []
