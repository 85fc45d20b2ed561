"""The course's jobs from a shell: sweep, reference, bench, doctor."""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from mobilellm_lab import __version__, constraints, deep_narrow, doctor, measuring, metrics, quantization
from mobilellm_lab.arms import Arm, missing
from mobilellm_lab.quantization.study import sweep_qat
from mobilellm_lab.quantization.study.sweep import missing_rows, run_plan
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


def sweep_constraints_machine(store: Store, *, workers: int) -> None:
    """Takes the probes of this machine that the stored sweep of chapter 1 still lacks; alone, since they time."""
    torch.set_num_threads(1)
    todo = [plan for plan in constraints.probe_plans() if plan not in store]
    for plan, row in tqdm(constraints.measure_probes(todo), total=len(todo), unit="probe", desc=store.path.name):
        store.add(plan, row)


def sweep_constraints(store: Store, *, workers: int) -> None:
    """Predicts from fresh probes and decodes what the stored sweep of chapter 1 still lacks; alone, since it times."""
    torch.set_num_threads(1)
    todo = [point for point in constraints.points() if point not in store]
    if not todo:
        return
    probing = constraints.Probing(constraints.full_plan())
    with tqdm(total=100, unit="%", desc="probes of this machine") as bar:
        for share in probing:
            bar.update(round(100 * share) - bar.n)
    rows = constraints.measure_points(todo, probing.machine())
    for point, row in tqdm(rows, total=len(todo), unit="point", desc=store.path.name):
        store.add(point, row)


def sweep_metrics(store: Store, *, workers: int) -> None:
    """Fights the duels that the stored sweep of chapter 7 still lacks; one after the other, since they time."""
    torch.set_num_threads(1)
    todo = [recipe for recipe in metrics.recipes() if recipe not in store]
    for recipe, row in tqdm(metrics.measure_duels(todo), total=len(todo), unit="row", desc=store.path.name):
        store.add(recipe, row)


def sweep_metrics_lies(store: Store, *, workers: int) -> None:
    """Measures the pitfalls that the stored sweep still lacks; one after the other, since they time."""
    torch.set_num_threads(1)
    todo = [trial for trial in metrics.pitfall_trials() if trial not in store]
    for trial, row in tqdm(metrics.measure_pitfalls(todo), total=len(todo), unit="pitfall", desc=store.path.name):
        store.add(trial, row)


def sweep_quantization(store: Store, *, workers: int) -> None:
    """Rounds the reference models in every way that the stored sweep of chapter 3 still lacks; no times are taken."""
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, mp_context=context) as executor,
        tqdm(total=missing_rows(store), unit="row", desc=store.path.name) as bar,
    ):
        for _ in run_plan(store=store, executor=executor, folder=FOLDER):
            bar.update()


def sweep_quantization_qat(store: Store, *, workers: int) -> None:
    """Makes the trainings with the grid, and without it, that the stored sweep of chapter 3 still lacks."""
    run = partial(sweep_qat.run_arms, folder=FOLDER)
    run_in_processes(sweep_qat.arms(), run, store, workers=workers)


def sweep_quantization_speed(store: Store, *, workers: int) -> None:
    """Times the quantized kernels that the stored sweep of chapter 3 still lacks; alone, since it times."""
    torch.set_num_threads(1)
    todo = [recipe for recipe in quantization.speed_recipes() if recipe not in store]
    for recipe, row in tqdm(quantization.measure_speed(todo), total=len(todo), unit="row", desc=store.path.name):
        store.add(recipe, row)


JOBS = {
    "constraints_machine": sweep_constraints_machine,
    "constraints": sweep_constraints,
    "deep_narrow": sweep_deep_narrow,
    "deep_narrow_cost": sweep_deep_narrow_cost,
    "metrics": sweep_metrics,
    "metrics_lies": sweep_metrics_lies,
    "quantization": sweep_quantization,
    "quantization_qat": sweep_quantization_qat,
    "quantization_speed": sweep_quantization_speed,
}


def make_reference(names: list[str], folder: Path) -> None:
    """Trains the reference models that `folder` still lacks, one after the other."""
    torch.set_num_threads(1)
    for spec in (MODELS[name] for name in names):
        if finished(spec, folder=folder):
            print(f"{spec.name}: is there already, made by this recipe")
            continue
        steps = make_model(spec, folder=folder)
        first = next(steps)  # of an interrupted run the step where it goes on
        with tqdm(total=spec.steps, initial=first.step, unit="step", desc=spec.name) as bar:
            for step in steps:
                bar.update()
                bar.set_postfix(loss=f"{step.loss_nats:.3f}")


def bench_model(model: str, *, out: Path, against: Path | None, threads: int, **options: int) -> None:
    """Measures one model, prints its table and writes its record; beside an older record where one is given."""
    older = measuring.load_record(against) if against else None  # before minutes are spent
    torch.set_num_threads(threads)
    source = str(FOLDER / model) if model in MODELS else model
    bench = measuring.Bench(source, command=f"mobilellm-lab bench {model}", **options)
    with tqdm(unit="step", desc=model) as bar:
        for progress in bench:
            bar.total = progress.total
            bar.set_postfix_str(progress.label)
            bar.update(progress.done - bar.n)
    record = bench.result()
    record.save(out)
    print(record.table())
    print(f"written to {out}")
    if older is not None:
        print(measuring.compare_records(older, record))


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
    command = commands.add_parser("bench", help="measure one model: size, memory, speed, quality, energy")
    command.add_argument("model", help=f"a name of the zoo, a checkpoint folder, or any of {', '.join(MODELS)}")
    command.add_argument("--prompt-tokens", type=int, default=32, help="tokens to read first")
    command.add_argument("--new-tokens", type=int, default=32, help="tokens to generate in each run")
    command.add_argument("--repeats", type=int, default=5, help="runs, at least")
    command.add_argument("--threads", type=int, default=1, help="torch threads")
    command.add_argument("--out", type=Path, help="the record; MODEL.json here if it is not said")
    command.add_argument("--against", type=Path, help="an older record, to be compared with this one")
    commands.add_parser("doctor", help="check the environment, say what is missing and what to put in a bug report")
    options = parser.parse_args(arguments)
    if options.command == "doctor":
        sys.exit(doctor.main())
    if options.command == "bench":
        if options.threads < 1:
            parser.error(f"argument --threads: {options.threads} threads cannot work, give at least 1")
        try:
            bench_model(
                options.model,
                out=options.out or Path(f"{Path(options.model).name}.json"),
                against=options.against,
                threads=options.threads,
                prompt_tokens=options.prompt_tokens,
                new_tokens=options.new_tokens,
                repeats=options.repeats,
            )
        except ValueError as error:
            parser.error(str(error))
        return
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
