"""The course's jobs from a shell: `mobilellm-lab sweep deep_narrow`."""

import argparse
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from tqdm import tqdm

from mobilellm_lab import __version__, deep_narrow
from mobilellm_lab.arms import Arm, missing
from mobilellm_lab.reference import MODELS, open_sweep
from mobilellm_lab.reference.making import finished, make_model
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.sweeps import Store


def run_in_processes(plan: list[Arm], run_arms: Callable[..., Iterator], store: Store, *, workers: int) -> None:
    """Makes the runs of a chapter's plan that the store still lacks, in processes of one torch thread each."""
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in mid-air
    with (
        ProcessPoolExecutor(workers, mp_context=context) as executor,
        tqdm(total=missing(plan, store), unit="run", desc=store.path.name) as bar,
    ):
        for _ in run_arms(plan, store=store, executor=executor):
            bar.update()


def sweep_deep_narrow(store: Store, *, workers: int) -> None:
    """Makes the runs that the stored sweep of chapter 2 still lacks."""
    run_in_processes(deep_narrow.arms(), deep_narrow.run_arms, store, workers=workers)


def sweep_deep_narrow_cost(store: Store, *, workers: int) -> None:
    """Times decoding at every depth; in one process and alone, because a neighbour would slow it."""
    torch.set_num_threads(1)
    todo = [cost for cost in deep_narrow.costs() if cost not in store]
    for cost, row in tqdm(deep_narrow.measure(todo), total=len(todo), unit="shape", desc=store.path.name):
        store.add(cost, row)


JOBS = {"deep_narrow": sweep_deep_narrow, "deep_narrow_cost": sweep_deep_narrow_cost}


def make_reference(names: list[str], folder: Path) -> None:
    """Trains the reference models that `folder` still lacks, one after the other."""
    torch.set_num_threads(1)
    for spec in (MODELS[name] for name in names):
        if finished(spec, folder=folder):
            print(f"{spec.name}: is there already, made by this recipe")
            continue
        with tqdm(total=spec.steps, unit="step", desc=spec.name) as bar:
            for step in make_model(spec, folder=folder):
                bar.update(step.step - bar.n)
                bar.set_postfix(loss=f"{step.loss_nats:.3f}")


def main(arguments: list[str] | None = None) -> None:
    """The entry point of `mobilellm-lab`."""
    parser = argparse.ArgumentParser(prog="mobilellm-lab", description="The jobs of MobileLLM Lab.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("sweep", help="measure a chapter's reference sweep; goes on where it was interrupted")
    command.add_argument("name", choices=JOBS)
    command.add_argument("--workers", type=int, default=os.cpu_count(), help="processes, one torch thread each")
    command.add_argument("--out", type=Path, help="a .jsonl file other than the course's own")
    command = commands.add_parser("reference", help="train the reference models; goes on where it was interrupted")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(MODELS)}; none for all of them")
    command.add_argument("--out", type=Path, default=FOLDER, help="a folder other than the course's own")
    options = parser.parse_args(arguments)
    if options.command == "reference":
        if unknown := set(options.names) - set(MODELS):
            parser.error(f"argument NAME: {', '.join(sorted(unknown))}: choose from {', '.join(MODELS)}")
        make_reference(options.names or list(MODELS), options.out)
        return
    if options.workers < 1:
        parser.error(f"argument --workers: {options.workers} processes cannot work, give at least 1")
    JOBS[options.name](Store(options.out) if options.out else open_sweep(options.name), workers=options.workers)


if __name__ == "__main__":
    main()
