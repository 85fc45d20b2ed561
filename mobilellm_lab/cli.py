"""The course's jobs from a shell: sweep, reference, bench, doctor; what is heavy is imported once a job begins."""

import argparse
import importlib
import os
import runpy
import sys
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any, NoReturn

from mobilellm_lab import __version__, doctor
from mobilellm_lab.choices import advice
from mobilellm_lab.safe_files import check_writable, restore
from mobilellm_lab.sweeps import Store

PACKAGE = Path(__file__).parent
ROWS, FOLDER = PACKAGE / "reference", PACKAGE / "reference" / "models"
TRAINED = sorted(path.stem for path in FOLDER.glob("*.json"))  # the reference models that are there
EXAMPLES = """examples:
  mobilellm-lab doctor                                   what is missing here, and how to get it
  mobilellm-lab bench MobileLLM-125M                     the table of a model with random weights
  mobilellm-lab bench stories-deep --out mine.json       of a trained one, kept in a file
  mobilellm-lab bench stories-deep --against mine.json   and compared with that file
  mobilellm-lab sweep deep_narrow_cost --out mine.jsonl  measurements of a chapter, made on this machine
  mobilellm-lab reference student-tiny --out mine        a reference model, trained here"""


TAKES = {  # in the words of `--help`; a test compares them with the stored rows
    "sweep": "On one core deep_narrow_cost takes half a minute. quantization_qat trains for half an hour, "
    "deep_narrow for 2 hours.",
    "reference": "On one core all eight train for 2 hours, student-tiny for 2 minutes.",
    "bench": "MobileLLM-125M takes 20 seconds.",
    "doctor": "It takes 2 seconds.",
}


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
    """Trains the reference models that `folder` still lacks, one after the other; renews files of an older format."""
    import torch
    from tqdm import tqdm

    from mobilellm_lab.reference.making import finished, make_model, renew

    torch.set_num_threads(1)
    for spec in specs:
        if renew(spec, folder=folder):
            print(f"{spec.name}: written anew in the file format of today, the same weights")
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
    source = _source(model)
    torch.set_num_threads(threads)
    bench = measuring.Bench(source, command=f"mobilellm-lab bench {model}", **options)
    with tqdm(unit="step", desc=model) as bar:
        for progress in bench:
            bar.total = progress.total
            bar.set_postfix_str(progress.label)
            bar.update(progress.done - bar.n)
    record = bench.result()
    print(record.table())  # first: whatever becomes of the file, the minutes are not lost
    record.save(out)
    print(f"written to {out}")
    if older is not None:
        print(measuring.compare_records(older, record))


def _source(model: str) -> str:
    """The folder of a reference model, or what was given where it is a folder or a name of the zoo.

    Raises:
        ValueError: it is none of them; says which name was meant.
    """
    from mobilellm_lab.checkpoints import CONFIG
    from mobilellm_lab.foreign import instead_of
    from mobilellm_lab.zoo import SHAPES

    if model in TRAINED:
        return str(FOLDER / model)
    restore(model)
    known = [*TRAINED, *(name for name, shape in SHAPES.items() if shape.config is not None)]
    if not Path(model).is_dir() and model not in SHAPES:
        if Path(model).is_file():
            raise ValueError(f"argument model: {instead_of(Path(model) / CONFIG)}")
        hint = advice(model, known, among="a folder or one of")
        raise ValueError(f"argument model: {model!r} is no folder, no reference model and no name of the zoo; {hint}")
    return model


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def up_to_cores(text: str) -> int:
    """A number of threads or processes: more than there are processors wait for each other, or end in a crash.

    Raises:
        argparse.ArgumentTypeError: it is no such number.
    """
    cores = os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= cores:
        raise argparse.ArgumentTypeError(f"{text!r} cannot work here, give a number from 1 to {cores}")
    return int(text)


def main(arguments: list[str] | None = None) -> None:
    """The entry point of `mobilellm-lab`: status 0, 2 for what makes no sense, 130 for Ctrl-C, one line for both."""
    parser = _parser()
    try:
        _run(parser.parse_args(arguments))
    except ValueError as error:
        parser.error(" ".join([str(error), *(f"({note})" for note in getattr(error, "__notes__", ()))]))
    except BrokenExecutor as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"\n{parser.prog}: interrupted\n")


def _parser() -> Parser:
    parser = Parser(
        prog="mobilellm-lab",
        description="The jobs of MobileLLM Lab.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, does: str) -> argparse.ArgumentParser:
        example = next(line.split("  ")[1] for line in EXAMPLES.splitlines() if f"mobilellm-lab {name} " in line)
        says = f"{does[0].upper()}{does[1:]}. {TAKES[name]}"
        return commands.add_parser(name, help=does, description=says, epilog=f"example: {example}")

    command = add("sweep", "measure a chapter's stored runs again; resumes")
    command.add_argument("name", choices=SWEEPS)
    command.add_argument("--workers", type=up_to_cores, default=os.cpu_count(), help="processes, one torch thread each")
    command.add_argument("--out", type=Path, help="a .jsonl file other than the course's own")
    command = add("reference", "train the reference models; resumes")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(TRAINED)}; none for all of them")
    command.add_argument("--out", type=Path, default=FOLDER, help="a folder other than the course's own")
    command = add("bench", "measure one model's size, memory, speed, quality and energy")
    command.add_argument(
        "model", help=f"a published shape by name, a checkpoint folder, or any of {', '.join(TRAINED)}"
    )
    command.add_argument("--prompt-tokens", type=int, default=32, help="tokens to prefill")
    command.add_argument("--new-tokens", type=int, default=32, help="tokens to generate in each run")
    command.add_argument("--repeats", type=int, default=5, help="runs, at least")
    command.add_argument("--threads", type=up_to_cores, default=1, help="torch threads")
    command.add_argument("--out", type=Path, help="the record; MODEL.json here if it is not said")
    command.add_argument("--against", type=Path, help="an older record, to be compared with this one")
    add("doctor", "check the environment, say what is missing and what to put in a bug report")
    return parser


def _run(options: argparse.Namespace) -> None:
    """The job itself, once it is clear that its result can be written."""
    if options.command == "doctor":
        sys.exit(doctor.main())
    if options.command == "bench":
        out = options.out or Path(f"{Path(options.model).resolve().name}.json")
        bench_model(
            options.model,
            out=check_writable(out, name="--out"),
            against=options.against,
            threads=options.threads,
            prompt_tokens=options.prompt_tokens,
            new_tokens=options.new_tokens,
            repeats=options.repeats,
        )
    elif options.command == "reference":
        from mobilellm_lab.reference.models import MODELS

        for name in options.names:
            if name not in MODELS:
                raise ValueError(f"argument NAME: {name!r} is no reference model; {advice(name, MODELS)}")
        specs = [MODELS[name] for name in options.names or MODELS]
        for spec in specs:
            check_writable(options.out / f"{spec.name}.json", name="--out")
        make_reference(specs, options.out)
    else:
        path = check_writable(options.out or ROWS / f"{options.name}.jsonl", name="--out")
        declared(options.name).run(Store(path), workers=options.workers)


if __name__ == "__main__":
    main()
