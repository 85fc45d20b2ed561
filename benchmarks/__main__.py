"""`python -m benchmarks [all, training, decode, ...]`: one torch thread, tables here and files in results/."""

import argparse
import importlib

import torch
from transformers.utils import logging

NAMES = ("training", "decode", "seconds_to_target", "recipes", "live", "lab_memory", "prune_to")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=["all"], choices=("all", *NAMES), metavar="name")
    chosen = parser.parse_args().names
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for name in NAMES if "all" in chosen else chosen:
        print(f"== {name}: {importlib.import_module(f'benchmarks.{name}').__doc__}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
