"""A store of chapter 3 whose every number is known: losses rise as bits fall, a little more for each seed."""

from mobilellm_lab.quantization.study import fragility, sweep_qat
from mobilellm_lab.quantization.study.kv_cache import Context
from mobilellm_lab.quantization.study.mixed_precision import Mixture
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe, Recipe
from mobilellm_lab.quantization.study.sweep import plan
from mobilellm_lab.stored import as_stored
from mobilellm_lab.sweeps import Store, key

PROVENANCE = {"command": "make it", "commit": "a" * 40, "machine": "a laptop", "threads": 1, "torch": "2.13.0"}
PROVENANCE |= {"date": "2026-11-23"}


def loss_increase_nats(recipe: Recipe | QATRecipe) -> float:
    """Twice as much for each bit less, half for a method that looks, and a hundredth more for a seed."""
    if recipe.bits == FLOAT:
        return 0.0 if getattr(recipe, "activation_bits", FLOAT) == FLOAT else 0.01
    factor = 0.5 if getattr(recipe, "method", "rtn") == "gptq" or isinstance(recipe, QATRecipe) else 1.0
    wide = 0.5 if "wide" in recipe.model else 1.0
    return factor * wide * 2.0 ** (1 - recipe.bits) * (1 + recipe.seed / 100)


def quality(loss_nats: float, model: str) -> dict:
    """What a row says of a model with this loss."""
    scores = {"two-hop": 0.9, "one-hop": 0.95} if "stories" in model else {"bits_per_byte": 1.5, "accuracy": 0.6}
    parts = [loss_nats - 0.1, loss_nats + 0.1, loss_nats - 0.2, loss_nats + 0.2]
    return {"loss_nats": loss_nats, "parts": parts, "scores": scores, "agreement": 0.9}


def row(item: object) -> dict:
    """The row of anything in the plan of the sweep `quantization`."""
    if isinstance(item, Context):
        size = item.kv_bits / FLOAT
        made = [{"context": n, "bytes": int(1000 * n * size), "loss_nats": 1 + (1 - size) / n} for n in (16, 32, 64)]
        return {"contexts": made, "sequences": 256, "provenance": PROVENANCE}
    if isinstance(item, Mixture):
        made = [
            {"kind": kind, "budget_bits": bits, "bytes": 1000 * bits, "matrices": {"2": 1, "4": 1}}
            | quality(0.7 - 0.01 * (kind == "mixed"), item.model)
            for kind, bits in (("uniform", 3), ("mixed", 3))
        ]
        names = ("embed.weight", "blocks.0.attention.qkv.weight", "blocks.0.ffn.up.weight")
        return {"sensitivity": [[name, 2, 0.1, 30] for name in names], "made": made, "provenance": PROVENANCE}
    sizes = {"theory": int(item.bits * 1000), "on_disk": int(item.bits * 1000) + 10, "float": 32_010}
    more = {"bytes": sizes, "bits_per_weight": item.bits + 0.5, "fingerprint": "f" * 16, "provenance": PROVENANCE}
    # Every part of the float model is off by 0.05 the other way, so that rises by part are not the loss increase.
    found = quality(0.6 + loss_increase_nats(item), item.model)
    if item == Recipe(model=item.model, bits=FLOAT):
        found["parts"] = [0.55, 0.65, 0.55, 0.65]
    return found | more


def small_row(recipe: fragility.Small) -> dict:
    """A row of the small models: deeper ones lose more."""
    rounded = [
        {"bits": bits, "group_size": size, "loss_nats": 0.5 + recipe.depth / bits / 100, "accuracy": 0.7}
        for size in fragility.GROUPS
        for bits in fragility.BITS
    ]
    own = {"loss_nats": 0.5, "accuracy": 0.8, "parameters": 60_000, "shape": {"dim": 96 // recipe.depth}}
    return own | {"rounded": rounded, "validation_loss_nats": abs(recipe.lr - 4e-3), "provenance": PROVENANCE}


def qat_row(recipe: QATRecipe) -> dict:
    """A row of a training: without a grid, what is left of it after rounding."""
    start = quality(0.6, recipe.model) | {"parts": [0.55, 0.65, 0.55, 0.65]}
    found = quality(0.6 + loss_increase_nats(recipe) - 0.01, recipe.model)
    if recipe.bits == FLOAT:
        found["rounded"] = [
            {"bits": bits, "method": method} | quality(0.59 + 2.0 ** (1 - bits), recipe.model)
            for bits in sweep_qat.BITS
            for method in sweep_qat.METHODS
        ]
    return found | {
        "start": start,
        "steps": recipe.steps,
        "validation_loss_nats": abs(recipe.lr - 3e-4),
        "provenance": PROVENANCE,
    }


def stores(folder) -> tuple[Store, Store]:
    """Both stores of the chapter's quality, whole."""
    store, trained = Store(folder / "quantization.jsonl"), Store(folder / "quantization_qat.jsonl")
    items = [(store, item, row(item)) for item in plan()]
    for destination, arms, make in ((store, fragility.arms(), small_row), (trained, sweep_qat.arms(), qat_row)):
        for arm in arms:
            for recipe in arm.candidates():
                destination.add(recipe, make(recipe))
            items += [(destination, recipe, make(recipe)) for recipe in arm.reported(destination)]
    for destination, item, made in items:
        destination.rows[key(item)] = {"key": key(item), "recipe": as_stored(item), **made}
    return store, trained
