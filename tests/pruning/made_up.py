"""A store of chapter 4 whose every number is known: losses rise with the amount, a little more for each seed."""

from pruning import made_up_combined

from mobilellm_lab.pruning.study.recipe import SCAN_AMOUNTS, Recipe
from mobilellm_lab.pruning.study.sweep import plan
from mobilellm_lab.stored import as_stored
from mobilellm_lab.sweeps import Store, key

PROVENANCE = {"command": "make it", "commit": "a" * 40, "machine": "a laptop", "threads": 1, "torch": "2.13.0"}
PROVENANCE |= {"date": "2026-11-30"}
LAYERS = ("blocks.0.attention.qkv.weight", "blocks.0.ffn.up.weight", "blocks.1.attention.qkv.weight")


def loss_increase_nats(recipe: Recipe) -> float:
    """The square of the amount: twice for what is drawn, half for Wanda, and a hundredth more for a seed."""
    factor = {"random": 2.0, "wanda": 0.5}.get(recipe.importance, 1.0)
    return factor * recipe.amount**2 * (1 + recipe.seed / 100)


def row(recipe: Recipe) -> dict:
    """The row of a recipe of one-shot pruning."""
    loss_nats = 0.6 + loss_increase_nats(recipe)
    scores = {"two-hop": 0.9, "one-hop": 0.95} if "stories" in recipe.model else {"bits_per_byte": 1.5, "accuracy": 0.6}
    parts = [loss_nats - 0.1, loss_nats + 0.1, loss_nats - 0.2, loss_nats + 0.2]
    if not recipe.amount:  # so that increases by part are not the loss increase
        parts = [0.55, 0.65, 0.55, 0.65]
    found = {"loss_nats": loss_nats, "parts": parts, "scores": scores, "agreement": 0.9}
    found |= {"sparsity": recipe.amount, "of_all": 0.9 * recipe.amount, "fingerprint": "f" * 16}
    size = 10_000 - int(9_000 * recipe.amount)
    found |= {"bytes": {"theory": size, "on_disk": size + 10, "float": 10_010}, "provenance": PROVENANCE}
    if recipe.scope == "sensitivity":
        found["scan"] = {layer: [number + amount for amount in SCAN_AMOUNTS] for number, layer in enumerate(LAYERS)}
    return found


def store(folder) -> Store:
    """The whole sweep."""
    made = Store(folder / "pruning.jsonl")
    rows = [(recipe, row(recipe)) for recipe in plan()]
    rows += [(item, made_up_combined.row(item)) for item in made_up_combined.items()]
    made.rows = {key(item): {"key": key(item), "recipe": as_stored(item), **found} for item, found in rows}
    return made
