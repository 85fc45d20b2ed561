"""Chapter 4's replay of CSR products: every measured product, as stored, and the crossover that the rows have."""

import math
import re

import pytest

from mobilellm_lab.pruning.figures.speed_replay import csr_replay
from mobilellm_lab.pruning.kernels import INDEX
from mobilellm_lab.pruning.study.evidence_speed import csr_crossovers
from mobilellm_lab.pruning.study.speed import KERNEL_BATCHES, KERNEL_SHAPES, SPARSITIES, PruningKernelRecipe
from mobilellm_lab.reference import open_sweep


@pytest.fixture(scope="module")
def store():
    return open_sweep("pruning_speed")


@pytest.fixture(scope="module")
def replay(store):
    return csr_replay(store)


def test_the_first_pictures_hold_every_share_and_every_shape(replay):
    lines, shapes = replay.svgs()
    assert len(re.findall(r'aria-roledescription="circle"', lines)) >= len(SPARSITIES)
    assert len(re.findall(r'aria-roledescription="circle"', shapes)) >= len(KERNEL_SHAPES)


def test_every_product_is_there_as_stored(replay, store):
    assert len(replay.rows) == len(KERNEL_SHAPES) * len(INDEX) * len(KERNEL_BATCHES) * len(SPARSITIES)
    for row in replay.rows.itertuples():
        recipe = PruningKernelRecipe(shape=row.shape, format=row.format, batch=row.batch, sparsity=row.sparsity)
        stored = store[recipe]
        assert (row.low, row.speedup) == (stored["speedup_low"], stored["speedup"])
        said = replay.readouts[replay.settings.index((row.shape, row.sparsity, row.format, row.batch))]
        assert f"{stored['speedup']:.2f} times as fast as dense" in said and stored["verdict"] in said


def test_the_sentence_says_from_where_on_it_pays(replay, store):
    for flip in csr_crossovers(store).itertuples():
        said = replay.readouts[replay.settings.index((flip.shape, 0.5, flip.format, flip.batch))]
        where = "At no share" if math.isnan(flip.sparsity) else f"It is from {100 * flip.sparsity:.3g} % on."
        assert where in said
