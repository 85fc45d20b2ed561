"""Speed tables: every row of the plan, and the crossover where made-up verdicts turn."""

import math
import re

import pytest

from mobilellm_lab.pruning.kernels import INDEX
from mobilellm_lab.pruning.study.evidence_speed import csr_crossovers, model_speeds, product_speeds
from mobilellm_lab.pruning.study.speed import KERNEL_BATCHES, KERNEL_SHAPES, PruningKernelRecipe, speed_plan
from mobilellm_lab.sweeps import Store, key


@pytest.fixture
def store(tmp_path) -> Store:
    """CSR wins from 90 % on with int32 and from 98 % on with int64, but for the smallest shape, where it never does."""
    made = Store(tmp_path / "pruning_speed.jsonl")
    for recipe in speed_plan():
        row = {"speedup": 1.2, "speedup_low": 1.1, "speedup_high": 1.3, "verdict": "faster"}
        if isinstance(recipe, PruningKernelRecipe):
            least = math.inf if recipe.shape == "288 x 96" else {"csr int32": 0.9, "csr int64": 0.98}[recipe.format]
            row["verdict"] = "faster" if recipe.sparsity >= least else "slower"
        else:
            row |= {"tokens_per_s": 25.0, "removed": recipe.amount, "memory_bytes": 10, "dense_memory_bytes": 20}
        made.rows[key(recipe)] = row
    return made


def test_tables_hold_the_whole_plan(store):
    models, products = model_speeds(store), product_speeds(store)
    assert len(models) + len(products) == len(speed_plan())
    assert {"size", "granularity", "amount", "work", "speedup_low", "removed"} <= set(models)
    assert {"shape", "format", "batch", "sparsity", "verdict"} <= set(products)


def test_the_crossover_is_where_the_verdicts_turn(store):
    found = csr_crossovers(store).set_index(["shape", "format", "batch"])["sparsity"]
    assert len(found) == len(KERNEL_SHAPES) * len(INDEX) * len(KERNEL_BATCHES)
    assert found["3072 x 576", "csr int32", 1] == 0.9 and found["576 x 576", "csr int64", 32] == 0.98
    assert math.isnan(found["288 x 96", "csr int32", 1])


def test_a_missing_row_names_the_command(tmp_path):
    with pytest.raises(ValueError, match=re.escape("mobilellm-lab sweep pruning_speed")):
        model_speeds(Store(tmp_path / "empty.jsonl"))
