"""Recipes of chapter 3's panel in a few words"""

from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe, Recipe


def short(recipe: Recipe | QATRecipe) -> str:
    """A point's name: its bits, and how it came about."""
    how = recipe.method.upper() if isinstance(recipe, Recipe) else "trained"
    return "float" if recipe.bits == FLOAT else f"{recipe.bits:g} bit{'s' * (recipe.bits != 1)}, {how}"


def label(recipe: Recipe) -> str:
    """A recipe in a few words: the grid, the method, and what differs from the defaults."""
    usual = Recipe()
    words = [recipe.model, grid_words(recipe)]
    words += [recipe.method.upper()] * (recipe.bits != FLOAT)
    words += [f"{recipe.layers} only"] * (recipe.layers != usual.layers and recipe.bits != FLOAT)
    if recipe.activation_bits != FLOAT:
        how = recipe.activation if recipe.activation == "dynamic" else f"static {recipe.ranges}"
        words.append(f"activations {recipe.activation_bits} bits {how}")
    words += [f"calibrated on {recipe.data}"] * (recipe.calibrates and recipe.data != usual.data)
    words += [f"cache {recipe.kv_bits} bits"] * (recipe.kv_bits != FLOAT)
    words += [f"outliers in {recipe.planted}"] * (recipe.planted != "none") + ["rotated"] * recipe.rotate
    return ", ".join(words)


def trained_label(recipe: QATRecipe) -> str:
    """A training in a few words."""
    words = [recipe.model, grid_words(recipe), f"trained {recipe.seconds:g} s"]
    return ", ".join(words + ["learned steps"] * recipe.learned_step)


def grid_words(recipe: Recipe | QATRecipe) -> str:
    """A grid in a few words: 4 bits in groups of 32."""
    if recipe.bits == FLOAT:
        return "float weights"
    scales = {TENSOR: "a scale a matrix", CHANNEL: "a scale a row"}
    where = scales.get(recipe.group_size, f"groups of {recipe.group_size}")
    bits = f"{recipe.bits:g} bit" + "s" * (recipe.bits != 1)
    return f"{bits}, {where}" + ", affine" * (not recipe.symmetric)
