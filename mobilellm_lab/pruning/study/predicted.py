"""Bytes of a pruned model by formula, before anything is removed"""

import math
from dataclasses import replace

from mobilellm_lab import checkpoints
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.layers import choose_layers
from mobilellm_lab.pruning.shrinking import Structure, shrunk_config
from mobilellm_lab.pruning.storage import matrix_bytes
from mobilellm_lab.pruning.structured import prune_structured
from mobilellm_lab.pruning.study.made import FORMATS
from mobilellm_lab.pruning.study.recipe import FLOAT, SINGLE, Recipe
from mobilellm_lab.quantization.quantized import select


def predicted_bytes(model: Transformer, recipe: Recipe) -> dict[str, int]:
    """Format -> bytes of all weights that this recipe will leave, of zeros or of a smaller model.

    A grid of fewer bits has scales on top of its codes, and zeros that rounding adds are not foreseen.
    """
    if recipe.amount and recipe.granularity not in SINGLE:
        return {"smaller model": _smaller(model, recipe)}
    if not recipe.amount and recipe.bits != FLOAT:
        rounded = select(model, "blocks")
        rest = sum(4 * p.numel() for name, p in model.named_parameters() if name not in rounded)
        return {"packed": rest + sum(recipe.grid.nbytes(tuple(p.shape)) for p in rounded.values())}
    chosen = select(model, recipe.layers) if recipe.amount else {}
    rest = sum(4 * p.numel() for name, p in model.named_parameters() if name not in chosen)
    bits, scales = recipe.bits, 0
    if bits != FLOAT:
        shapes = [tuple(p.shape) for p in chosen.values()]
        scales = sum(recipe.grid.nbytes(shape) - matrix_bytes(shape, 0, "dense", bits=bits) for shape in shapes)
    found = {}
    for form in FORMATS:
        kept = {name: _kept(tuple(p.shape), recipe) for name, p in chosen.items()}
        sizes = (matrix_bytes(tuple(p.shape), kept[name], form, bits=bits) for name, p in chosen.items())
        found[form] = rest + scales + sum(sizes)
    return found


def _kept(shape: tuple[int, int], recipe: Recipe) -> int:
    """Weights of a matrix that stay: of each row where rows are compared, else of all of them."""
    rows, columns = shape
    if recipe.scope == "uniform" and recipe.compare == "row":
        return rows * (columns - round(recipe.amount * columns))
    return rows * columns - round(recipe.amount * rows * columns)


def _smaller(model: Transformer, recipe: Recipe) -> int:
    """Bytes of the smaller model; which groups go does not change how many, so the largest weights decide here."""
    config, whole = model.config, Structure.whole(model.config)
    if recipe.granularity == "layer":
        kept = choose_layers(model, round(recipe.amount * config.n_layers), "last")
        config = shrunk_config(config, replace(whole, layers=kept))
    else:
        config = shrunk_config(config, prune_structured(model, recipe.amount, granularity=recipe.granularity))
    shapes = checkpoints.shapes(config)
    rounded = {
        name for name in shapes if recipe.bits != FLOAT and name.startswith("blocks.") and len(shapes[name]) == 2
    }
    return sum(recipe.grid.nbytes(shapes[n]) if n in rounded else 4 * math.prod(shapes[n]) for n in shapes)
