"""AWQ: scale up the weights that see large activations, fold the inverse into the previous layer"""

import copy
from collections.abc import Generator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mobilellm_lab.model import Block, Transformer
from mobilellm_lab.quantization.calibration import Calibration, Inputs
from mobilellm_lab.quantization.grid import Grid

EXPONENTS = tuple(i / 20 for i in range(20))  # tried for every matrix, 0 is no scaling


def output_error(error: Float[Tensor, "R C"], gram: Float[Tensor, "C C"]) -> float:
    """|E X|^2 summed over tokens and outputs, of a change E of the weights and the inputs' X^T X."""
    return ((error @ gram) * error).sum().item()


def best_scale(
    w: Float[Tensor, "R C"], gram: Float[Tensor, "C C"], magnitude: Float[Tensor, " C"], grid: Grid
) -> Float[Tensor, " C"]:
    """The scale of each input channel, magnitude ** a, whose `a` among EXPONENTS changes the output least.

    `quantize(w * scale) / scale` is compared with w on the calibration inputs. The largest scale times the smallest is
    1; inputs that are always 0 leave all of them at 1.
    """
    floor = 1e-4 * magnitude.max().item() or 1.0
    best, least = torch.ones_like(magnitude), float("inf")
    for exponent in EXPONENTS:
        scale = magnitude.clamp(min=floor) ** exponent
        scale = scale / (scale.max() * scale.min()).sqrt()
        error = output_error(grid.fake(w * scale) / scale - w, gram)
        if error < least:
            best, least = scale, error
    return best


def drain(steps: Generator) -> Any:
    """What a generator returns at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def scaled(
    model: Transformer, grids: dict[str, Grid], calibration: Calibration
) -> tuple[Transformer, dict[str, Float[Tensor, " C"]]]:
    """`scaling` in one call."""
    return drain(scaling(model, grids, calibration))


def scaling(
    model: Transformer, grids: dict[str, Grid], calibration: Calibration
) -> Generator[str, None, tuple[Transformer, dict[str, Tensor]]]:
    """The same function in other weights, better to round; and the scale of each matrix's inputs, by its name.

    Yields the name of each block once it is scaled, and returns both.

    A matrix's columns times s, and what makes its inputs divided by s: the norm's gains before `qkv` and `up` (and an
    untied head), the rows of `up` before `down`, the rows of the values before `out`. So nothing more is stored, and
    nothing more is computed. A key/value head serves several query heads, whose channels share one scale. A tied
    table and the factors of an embedding stay as they are.

    Source: AWQ, arXiv 2306.00978, section 3.2, with the exact output error over the calibration inputs.
    """
    model, scales = copy.deepcopy(model), {}
    for i, block in enumerate(model.blocks):
        _scale_block(block, f"blocks.{i}.", grids, calibration.inputs, scales)
        yield f"blocks.{i}"
    untied = not model.config.tie_embeddings and model.config.embed_dim == model.config.dim
    if untied and "head.weight" in grids:
        seen = calibration.inputs["head"]
        scale = best_scale(model.head.weight, seen.gram, seen.mean_abs, grids["head.weight"])
        with torch.no_grad():
            model.head.weight.mul_(scale)
            model.norm.weight.div_(scale)
        scales["head.weight"] = scale
    return model, scales


@torch.no_grad()
def _scale_block(
    block: Block, prefix: str, grids: dict[str, Grid], inputs: dict[str, Inputs], scales: dict[str, Tensor]
) -> None:
    """Scales one block in place; adds to `scales`. A matrix without a grid stays float and needs no scale."""

    def times_scale(part: str, *, heads_share: int = 1) -> Float[Tensor, " C"]:
        name, seen = f"{prefix}{part}.weight", inputs[prefix + part]
        if name not in grids:
            return torch.ones_like(seen.mean_abs)
        weight, magnitude = block.get_submodule(part).weight, seen.mean_abs
        if heads_share > 1:  # query heads that read the same values are neighbours
            heads = magnitude.view(-1, heads_share, block.attention.head_dim)
            magnitude = heads.mean(1, keepdim=True).expand_as(heads).flatten()
        scales[name] = best_scale(weight, seen.gram, magnitude, grids[name])
        weight.mul_(scales[name])
        return scales[name]

    attention, ffn = block.attention, block.ffn
    share = attention.n_heads // attention.n_kv_heads
    values = times_scale("attention.out", heads_share=share).view(-1, share, attention.head_dim)[:, 0].flatten()
    attention.qkv.weight[-len(values) :].div_(values[:, None])
    hidden = times_scale("ffn.down")
    ffn.up.weight[-len(hidden) :].div_(hidden[:, None])  # of a gated layer, the rows that the gate does not bend
    block.attention_norm.weight.div_(times_scale("attention.qkv"))
    block.ffn_norm.weight.div_(times_scale("ffn.up"))
