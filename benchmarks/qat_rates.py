"""Learning rates of chapter 3's panel: validation loss of short QAT runs, by bits and rate

`python benchmarks/qat_rates.py stories-deep` takes about ten minutes on one core; name bits to scan only these.
"""

import sys

import torch

from mobilellm_lab.measuring import EvalSet
from mobilellm_lab.quantization import Grid, quantize
from mobilellm_lab.quantization.panel.controls import TRAIN_TOKENS
from mobilellm_lab.quantization.study.recipe import QATRecipe
from mobilellm_lab.reference import load_model

UPDATES = 120  # of the panel's size: about what its 20 seconds are on one core
BITS = (8, 4, 3, 2, 1.58, 1)
RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)


def main(name: str, *chosen: str) -> None:
    """Prints loss increases over float in nats, a row for each number of bits: rounded, then trained at each rate."""
    torch.set_num_threads(1)
    reference = load_model(name)
    model, task = reference.model, reference.task
    held_out = EvalSet(model, task, split="validation", batches=16, batch_size=max(1, 1024 // task.seq_len))
    for _ in held_out.prepare():
        pass
    whole = held_out.float_evaluation.loss_nats
    print("bits", "rounded", *RATES, sep="\t")
    for bits in map(float, chosen or BITS):
        *_, rounded = held_out.evaluate(quantize(model, Grid(bits=bits)).model)
        print(f"{bits:g}", f"{rounded.loss_nats - whole:+.4f}", sep="\t", end="", flush=True)
        for rate in RATES:
            recipe = QATRecipe(model=name, bits=bits, lr=rate, steps=UPDATES, batch_size=TRAIN_TOKENS // task.seq_len)
            run = recipe.run(model, task)
            for _ in run:
                pass
            *_, trained = held_out.evaluate(run.result().model)
            print(f"\t{trained.loss_nats - whole:+.4f}", end="", flush=True)
        print()


if __name__ == "__main__":
    main(*sys.argv[1:])
