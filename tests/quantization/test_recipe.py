"""What the controls of chapter 3 stand for: grids, what needs calibration, and what is refused by name."""

import math
from dataclasses import asdict, replace

import pytest

from mobilellm_lab.quantization.grid import BITS, CHANNEL, TENSOR, Grid
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe, Recipe
from mobilellm_lab.sweeps import key


def test_the_default_is_what_phones_run():
    recipe = Recipe()
    assert recipe.grid == Grid(bits=4, group_size=32)
    assert (recipe.activation_bits, recipe.kv_bits) == (FLOAT, FLOAT)
    assert not recipe.calibrates and not recipe.draws


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("group_size", [TENSOR, CHANNEL, 32])
def test_every_grid_is_a_recipe(bits, group_size):
    recipe = Recipe(bits=bits, group_size=group_size)
    assert recipe.grid == Grid(bits=bits, group_size=group_size) == QATRecipe(bits=bits, group_size=group_size).grid


def test_a_sliders_number_is_the_same_recipe_and_has_the_same_row():
    assert Recipe(bits=4.0) == Recipe(bits=4) and key(Recipe(bits=4.0)) == key(Recipe(bits=4))
    assert key(Recipe(bits=4)) != key(Recipe(bits=8)) != key(QATRecipe(bits=8))


@pytest.mark.parametrize(
    ("changes", "calibrates", "draws"),
    [
        ({"method": "mse"}, False, False),
        ({"method": "gptq"}, True, True),
        ({"method": "awq"}, True, True),
        ({"method": "gptq", "bits": FLOAT}, False, False),
        ({"activation_bits": 8}, False, False),
        ({"activation_bits": 8, "activation": "static"}, True, True),
        ({"activation": "static"}, False, False),
        ({"planted": "weights"}, False, True),
    ],
    ids=str,
)
def test_what_looks_at_data_is_known_beforehand(changes, calibrates, draws):
    recipe = Recipe(**changes)
    assert (recipe.calibrates, recipe.draws) == (calibrates, draws)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bits": 9}, "bits=9: choose one of 1, 1.58, 2"),
        ({"bits": 0}, "bits=0: choose one of"),
        ({"group_size": -2}, "group_size=-2: give 1 or more"),
        ({"bits": 1, "symmetric": False}, "symmetric=False: 1 bits"),
        ({"method": "obq"}, "method='obq': choose one of rtn, mse, gptq, awq"),
        ({"layers": "head"}, "layers='head': choose one of all, blocks"),
        ({"activation_bits": 7}, "activation_bits=7: choose one of 32, 8, 6, 4"),
        ({"activation": "fixed"}, "activation='fixed': choose one of dynamic, static"),
        ({"ranges": "max"}, "ranges='max': choose one of minmax, percentile, mse"),
        ({"data": "test"}, "data='test': choose one of own, other, random"),
        ({"kv_bits": 3}, "kv_bits=3: choose one of 32, 8, 4"),
        ({"planted": "both"}, "planted='both': choose one of none, weights, activations"),
        ({"factor": 0.5}, "factor=0.5: outliers are larger than they were"),
        ({"factor": math.nan}, "factor=nan"),
    ],
    ids=str,
)
def test_what_no_recipe_can_be_is_refused_by_name(changes, said):
    with pytest.raises(ValueError, match=said):
        Recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bits": 9}, "bits=9: choose one of"),
        ({"steps": 0}, "steps=0: must be at least 1"),
        ({"batch_size": 0}, "batch_size=0: must be at least 1"),
        ({"seconds": -1.0}, "seconds=-1.0: must be positive"),
        ({"lr": -1.0}, "lr=-1.0: must be a positive number"),
    ],
    ids=str,
)
def test_a_training_that_cannot_be_is_refused_before_it_starts(changes, said):
    with pytest.raises(ValueError, match=said):
        QATRecipe(**changes)


def test_with_and_without_the_grid_the_training_is_the_same():
    recipe = QATRecipe(lr=3e-4, seed=7, steps=5)
    twin = replace(recipe, bits=FLOAT).train_config()
    config = recipe.train_config()
    assert (config.steps, config.batch_size, config.seed, config.optimizer) == (5, 16, 7, "adamw")
    assert [config.lr(p) for p in (0.0, 0.1, 0.9)] == [twin.lr(p) for p in (0.0, 0.1, 0.9)]
    assert asdict(replace(recipe, bits=FLOAT)) | {"bits": 2} == asdict(recipe)
