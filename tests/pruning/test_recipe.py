"""What the controls of chapter 4 stand for: one recipe a setting, what looks at data, and what is refused by name."""

import math
from dataclasses import fields
from itertools import product

import pytest

from mobilellm_lab.pruning.study.recipe import BITS, DATA_DRIVEN, FLOAT, GRANULARITIES, Recipe, idle, plain
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.sweeps import key


def test_the_default_is_half_of_each_row_by_magnitude():
    recipe = Recipe()
    assert (recipe.amount, recipe.importance, recipe.compare, recipe.bits) == (0.5, "l1", "row", FLOAT)
    assert not recipe.calibrates and not recipe.draws


def test_a_sliders_number_is_the_same_recipe_and_has_the_same_row():
    assert Recipe(amount=0) == Recipe(amount=0.0) and key(Recipe(amount=0)) == key(Recipe(amount=0.0))
    assert key(Recipe(amount=0.5)) != key(Recipe(amount=0.7))


@pytest.mark.parametrize(
    ("changes", "calibrates", "draws"),
    [
        ({"importance": "l2"}, False, False),
        ({"importance": "random"}, False, True),
        ({"importance": "random", "amount": 0}, False, False),
        *(({"importance": importance}, True, True) for importance in DATA_DRIVEN),
        *(({"granularity": "layer", "choice": choice}, True, True) for choice in ("measured", "influence")),
        ({"granularity": "layer", "choice": "last", "importance": "wanda"}, False, False),
        ({"granularity": "layer", "choice": "random"}, False, True),
    ],
    ids=str,
)
def test_what_looks_at_data_is_known_beforehand(changes, calibrates, draws):
    recipe = plain(changes)
    assert (recipe.calibrates, recipe.draws) == (calibrates, draws)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount": 1}, "amount=1: the share to remove, give 0 or more and less than 1"),
        ({"amount": -0.1}, "amount=-0.1: the share"),
        ({"amount": math.nan}, "amount=nan"),
        ({"importance": "obd"}, "importance='obd': choose one of random, l1"),
        ({"granularity": "4:2"}, "granularity='4:2': choose one of weight, 2:4, neuron"),
        ({"compare": "global"}, "compare='global': choose one of row, matrix"),
        ({"scope": "local"}, "scope='local': did you mean global"),
        ({"layers": "head"}, "layers='head': choose one of all, blocks"),
        ({"data": "test", "importance": "wanda"}, "data='test': choose one of own, other, random, self"),
        ({"sequences": 0, "importance": "wanda"}, "sequences=0: calibrate on 1 to 128"),
        ({"length": 1, "importance": "wanda"}, "length=1: give 2 tokens or more, or 0"),
        ({"bits": 1}, "bits=1: choose one of 32, 8, 4"),
        ({"amount": 0.3, "granularity": "2:4"}, "amount=0.3 does not count with granularity='2:4', which removes two"),
        ({"compare": "matrix", "scope": "global"}, "compare='matrix' does not count with scope='global'"),
        ({"data": "random"}, "data='random' does not count where nothing is calibrated: leave it at 'own'"),
        ({"choice": "first", "granularity": "layer"}, "choice='first': choose one of measured, influence"),
        ({"choice": "last"}, "choice='last' does not count with granularity='weight'"),
        ({"granularity": "layer", "importance": "wanda"}, "importance='wanda' does not count with granularity='layer'"),
        ({"granularity": "neuron", "layers": "ffn"}, "layers='ffn' does not count with granularity='neuron'"),
        ({"granularity": "width", "scope": "global"}, "scope='global' does not count with granularity='width'"),
        ({"granularity": "neuron", "importance": "sparsegpt"}, "importance='sparsegpt' with granularity='neuron': it"),
        ({"amount": 0, "importance": "l2"}, "importance='l2' does not count with amount=0, which removes nothing"),
        ({"amount": 0.9, "scope": "sensitivity"}, "amount=0.9 with scope='sensitivity': a layer is scanned up to 0.9"),
        (
            {"importance": "wanda", "scope": "global", "layers": "all"},
            "importance='wanda' with scope='global' and layers='all': the embedding table has no inputs",
        ),
    ],
    ids=str,
)
def test_what_no_recipe_can_be_is_refused_by_name(changes, said):
    with pytest.raises(ValueError, match=said):
        Recipe(**changes)


def test_a_setting_of_all_controls_is_one_recipe():
    """What does not count is at its default, whatever its control stands at."""
    stands_at = {"data": "random", "sequences": 4, "length": 8, "compare": "matrix", "scope": "global"}
    assert plain(stands_at | {"amount": 0}) == Recipe(amount=0)
    assert plain(stands_at) == Recipe(scope="global")
    assert plain(stands_at | {"granularity": "2:4", "amount": 0.9}) == Recipe(granularity="2:4")
    assert plain(stands_at | {"importance": "wanda"}).data == "random"


def test_no_setting_that_is_made_plain_is_refused_for_what_does_not_count():
    names = {field.name for field in fields(Recipe)}
    for granularity, importance, amount, scope in product(
        GRANULARITIES, ("l1", "taylor", "random"), (0, 0.5, 0.7), ("uniform", "global")
    ):
        recipe = plain(
            {"granularity": granularity, "importance": importance, "amount": amount, "scope": scope}
            | {"compare": "matrix", "data": "other", "sequences": 2}
        )
        assert set(idle(vars(recipe))) <= names


@pytest.mark.parametrize("bits", [bits for bits in BITS if bits != FLOAT])
def test_the_grid_has_a_code_for_zero(bits):
    grid = Recipe(bits=bits).grid
    assert grid == Grid(bits=bits, group_size=32) and grid.low <= 0 <= grid.high
