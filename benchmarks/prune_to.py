"""Pruning to a speedup: the asked one beside what five whole searches reached, on three shapes."""

from statistics import median

from benchmarks.record import finish, mark
from mobilellm_lab.constraints.decode import build
from mobilellm_lab.pruning import prune_to, uniformly
from mobilellm_lab.quantization import CROSSOVER_SIZES

ASKED = {"5M": 1.2, "25M": 1.3, "125M": 1.5}  # times as many tokens per second of CPU time as dense, batch 1
RUNS, PAIRS = 5, 14
MUST, AIM = 0.05, 0.02  # deviation of the median run from the asked ratio


def main() -> None:
    """Searches on every shape, prints the table, writes results/prune_to.json."""
    rows, samples = [], {}
    for size, speedup in ASKED.items():
        model = build(CROSSOVER_SIZES[size])
        runs = []
        for seed in range(RUNS):
            found = prune_to(model, uniformly(model), speedup=speedup, pairs=PAIRS, seed=seed)
            low, high = found.interval
            runs.append(
                {
                    "speedup": found.final.speedup,
                    "interval": (low, high),
                    "reached": found.reached,
                    "amount": found.amount,
                    "trials": [(trial.amount, trial.speedup) for trial in found.trials],
                    "dense_ms": found.final.comparison.a.samples_ms,
                    "pruned_ms": found.final.comparison.b.samples_ms,
                }
            )
            del found  # with its model
        reached = median(run["speedup"] for run in runs)
        widest = max(runs, key=lambda run: run["interval"][1] / run["interval"][0])["interval"]
        rows.append(
            {
                "shape": f"{size}, {model.config.n_layers} x {model.config.dim}",
                "asked": f"{speedup:g}x",
                "median run": f"{reached:.3f}x",
                "all runs": " ".join(f"{run['speedup']:.2f}" for run in runs),
                "widest interval": f"{widest[0]:.2f}-{widest[1]:.2f}",
                "reached": f"{sum(run['reached'] for run in runs)} of {RUNS}",
                "neurons removed": f"{median(run['amount'] for run in runs):.0%}",
                "off by": f"{abs(reached / speedup - 1):.1%}",
                "": mark(-abs(reached / speedup - 1), -MUST, -AIM),
            }
        )
        samples[size] = runs
    finish("prune_to", rows, samples=samples)
