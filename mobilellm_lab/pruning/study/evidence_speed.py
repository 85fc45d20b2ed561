"""Tables from stored rows on speed: pruned models beside dense, CSR products, and where they cross over"""

from dataclasses import asdict

import pandas as pd

from mobilellm_lab.pruning.kernels import crossover
from mobilellm_lab.pruning.study.speed import COMMAND, PruningKernelRecipe, PruningSpeedRecipe, speed_plan
from mobilellm_lab.quantization.study.crossover import SWIFTER
from mobilellm_lab.quantization.study.evidence import found
from mobilellm_lab.sweeps import Store

MEASURED = ("speedup", "speedup_low", "speedup_high", "verdict")


def model_speeds(store: Store) -> pd.DataFrame:
    """One row per pruned model and work: its recipe, the speedup over dense with its interval, and the memory."""
    return _table(
        store, PruningSpeedRecipe, (*MEASURED, "tokens_per_s", "removed", "memory_bytes", "dense_memory_bytes")
    )


def product_speeds(store: Store) -> pd.DataFrame:
    """One row per CSR product: its recipe, and the speedup over the dense product with its interval."""
    return _table(store, PruningKernelRecipe, MEASURED)


def csr_crossovers(store: Store) -> pd.DataFrame:
    """By shape, format and batch, the sparsity from which on CSR was always faster; nan where it never was."""
    words = {there: here for here, there in SWIFTER.items()}
    rows = []
    for (shape, format, batch), own in product_speeds(store).groupby(["shape", "format", "batch"], sort=False):
        pairs = zip(own["sparsity"], own["verdict"].map(words), strict=True)
        rows.append({"shape": shape, "format": format, "batch": batch, "sparsity": crossover(pairs)})
    return pd.DataFrame(rows).astype({"sparsity": float})


def _table(store: Store, kind: type, names: tuple[str, ...]) -> pd.DataFrame:
    recipes = [recipe for recipe in speed_plan() if isinstance(recipe, kind)]
    return pd.DataFrame(
        [asdict(recipe) | {name: found(store, recipe, COMMAND)[name] for name in names} for recipe in recipes]
    )
