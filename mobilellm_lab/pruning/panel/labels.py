"""Recipes of chapter 4's panel in a few words"""

from mobilellm_lab.pruning.figures.words import (
    CHOICE_WORDS,
    COMPARE_WORDS,
    DATA_WORDS,
    GRANULARITY_WORDS,
    IMPORTANCE_WORDS,
    SCOPE_WORDS,
    percent,
)
from mobilellm_lab.pruning.study.recipe import FLOAT, Recipe, idle


def removed(recipe: Recipe) -> str:
    """What a recipe removes: 70 % of the single weights."""
    if not recipe.amount:
        return "not pruned"
    if recipe.granularity == "2:4":
        return GRANULARITY_WORDS["2:4"]
    return f"{percent(recipe.amount)} of the {GRANULARITY_WORDS[recipe.granularity]}"


def short(recipe: Recipe) -> str:
    """The same beside a point of a picture: 70 % weights."""
    if not recipe.amount:
        return "not pruned"
    if recipe.granularity == "2:4":
        return "2:4"
    return f"{percent(recipe.amount)} {GRANULARITY_WORDS[recipe.granularity].split()[-1]}"


def ranked(recipe: Recipe) -> str:
    """How a recipe chooses: Wanda, per output row."""
    words = {"importance": IMPORTANCE_WORDS, "choice": CHOICE_WORDS, "compare": COMPARE_WORDS, "scope": SCOPE_WORDS}
    ignored = idle(vars(recipe))
    return ", ".join(
        word[getattr(recipe, name)]
        for name, word in words.items()
        if name not in ignored and (name, getattr(recipe, name)) != ("scope", "uniform")
    )


def label(recipe: Recipe) -> str:
    """A recipe in a few words: what is removed, how it is chosen, and what differs from the defaults."""
    usual, words = Recipe(), [recipe.model, removed(recipe), ranked(recipe)]
    words += [f"in {recipe.layers}"] * (recipe.layers != usual.layers)
    words += [f"calibrated on {DATA_WORDS[recipe.data]}"] * (recipe.data != usual.data)
    words += [f"{recipe.sequences} sequence" + "s" * (recipe.sequences > 1)] * (recipe.sequences != usual.sequences)
    words += [f"{recipe.bits} bits"] * (recipe.bits != FLOAT)
    return ", ".join(filter(None, words))
