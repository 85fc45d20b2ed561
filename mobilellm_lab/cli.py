"""The course's jobs from a shell: `mobilellm-lab sweep deep_narrow`."""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from mobilellm_lab import __version__, deep_narrow
from mobilellm_lab.reference import SWEEPS, open_sweep
from mobilellm_lab.sweeps import Store


def sweep(name: str, *, workers: int, out: Path | None) -> None:
    """Makes the runs that the stored sweep of a chapter still lacks."""
    plan = {"deep_narrow": deep_narrow.arms}[name]()
    store = Store(out) if out else open_sweep(name)
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads in mid-air
    with (
        ProcessPoolExecutor(workers, mp_context=context) as executor,
        tqdm(total=deep_narrow.missing(plan, store), unit="run", desc=f"{name} -> {store.path.name}") as bar,
    ):
        for recipe in deep_narrow.run_arms(plan, store=store, executor=executor):
            bar.set_postfix_str(f"{recipe.task} {recipe.depth} layers")
            bar.update()


def main(arguments: list[str] | None = None) -> None:
    """The entry point of `mobilellm-lab`."""
    parser = argparse.ArgumentParser(prog="mobilellm-lab", description="The jobs of MobileLLM Lab.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("sweep", help="measure a chapter's reference sweep; goes on where it was interrupted")
    command.add_argument("name", choices=SWEEPS)
    command.add_argument("--workers", type=int, default=os.cpu_count(), help="processes, one torch thread each")
    command.add_argument("--out", type=Path, help="a .jsonl file other than the course's own")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error(f"argument --workers: {options.workers} processes cannot work, give at least 1")
    sweep(options.name, workers=options.workers, out=options.out)


if __name__ == "__main__":
    main()
