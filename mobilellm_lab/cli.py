"""The course's jobs from a shell: sweep, reference, bench, doctor; what is heavy is imported once a job begins."""

import argparse
import importlib
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from mobilellm_lab import __version__, doctor
from mobilellm_lab.sweeps import Store

PACKAGE = Path(__file__).parent
ROWS, FOLDER = PACKAGE / "reference", PACKAGE / "reference" / "models"
TRAINED = sorted(path.stem for path in FOLDER.glob("*.json"))  # the reference models that are there


def collect(package: Path = PACKAGE) -> dict[str, tuple[str, str]]:
    """Stored sweep -> the module that declares it and its file's caption, from each chapter's `study/names.py`.

    Raises:
        ValueError: two of them name the same sweep, or there are none.
    """
    found = {}
    for path in sorted(package.glob("*/study/names.py")):
        for module, captions in runpy.run_path(str(path))["NAMES"].items():
            if twice := found.keys() & captions:
                raise ValueError(f"{path}: {sorted(twice)} named by another module, too: choose another name")
            found |= {name: (module, caption) for name, caption in captions.items()}
    if not found:
        raise ValueError(f"{package}: no */study/names.py names a sweep, install the package again")
    return found


SWEEPS = collect()


def declared(name: str) -> Any:
    """The `Sweep` of this name, from its chapter."""
    module, _ = SWEEPS[name]
    return next(sweep for sweep in importlib.import_module(module).SWEEPS if sweep.name == name)


def make_reference(specs: list, folder: Path) -> None:
    """Trains the reference models that `folder` still lacks, one after the other."""
    import torch
    from tqdm import tqdm

    from mobilellm_lab.reference.making import finished, make_model

    torch.set_num_threads(1)
    for spec in specs:
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
    import torch
    from tqdm import tqdm

    from mobilellm_lab import measuring

    older = measuring.load_record(against) if against else None  # before minutes are spent
    torch.set_num_threads(threads)
    source = str(FOLDER / model) if model in TRAINED else model
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
    command.add_argument("name", choices=SWEEPS)
    command.add_argument("--workers", type=int, default=os.cpu_count(), help="processes, one torch thread each")
    command.add_argument("--out", type=Path, help="a .jsonl file other than the course's own")
    command = commands.add_parser("reference", help="train the reference models; goes on where it was interrupted")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(TRAINED)}; none for all of them")
    command.add_argument("--out", type=Path, default=FOLDER, help="a folder other than the course's own")
    command = commands.add_parser("bench", help="measure one model: size, memory, speed, quality, energy")
    command.add_argument("model", help=f"a name of the zoo, a checkpoint folder, or any of {', '.join(TRAINED)}")
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
        from mobilellm_lab.reference.models import MODELS

        if unknown := set(options.names) - set(MODELS):
            parser.error(f"argument NAME: {', '.join(sorted(unknown))}: choose from {', '.join(MODELS)}")
        make_reference([MODELS[name] for name in options.names or MODELS], options.out)
        return
    if options.workers < 1:
        parser.error(f"argument --workers: {options.workers} processes cannot work, give at least 1")
    store = Store(options.out or ROWS / f"{options.name}.jsonl")
    declared(options.name).run(store, workers=options.workers)


if __name__ == "__main__":
    main()
