"""Importance of single weights: random, magnitude, Taylor, Wanda, SparseGPT's saliency"""

import copy
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilellm_lab.choices import advice
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.sparsegpt import saliency
from mobilellm_lab.quantization.calibration import Calibration
from mobilellm_lab.quantization.quantized import matrices
from mobilellm_lab.tasks import IGNORE, Batch

IMPORTANCES = ("random", "l1", "l2", "taylor", "wanda", "sparsegpt")
CALIBRATED = ("wanda", "sparsegpt")  # what needs to know the inputs of every matrix
TABLE = "embed.weight"


@torch.no_grad()
def scores(
    model: Transformer,
    importance: str,
    names: Iterable[str],
    *,
    calibration: Calibration | None = None,
    gradients: dict[str, Tensor] | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """One score per weight of the matrices of these names, higher is more important.

    - "random" draws it from `seed`, the same for a matrix whichever others are named.
    - "l1" is |w| and "l2" is w^2: the same order of single weights, another of groups that sum them.
    - "taylor" is |w * dL/dw|, the loss that a weight's removal costs to first order.
    - "wanda" is |w| * ||x||, with the norm of its input channel over the calibration tokens.
    - "sparsegpt" is the squared output error after the update of later columns (`sparsegpt.saliency`).

    An embedding table is looked up, not multiplied: "wanda" and "sparsegpt" score it by |w|, tied or not.

    Raises:
        ValueError: an unknown importance or matrix, a calibration or gradients that are missing, or of another model.

    Source: Taylor, arXiv 1906.10771; Wanda, arXiv 2306.11695.
    """
    if importance not in IMPORTANCES:
        raise ValueError(f"importance={importance!r}: {advice(importance, IMPORTANCES)}")
    own = matrices(model)
    for name in (names := list(names)):
        if name not in own:
            raise ValueError(f"no matrix {name!r}: the model's are {', '.join(own)}")
    if importance == "taylor":
        return {name: product.abs() for name, product in signed_taylor(model, names, gradients).items()}
    if importance == "random":
        generator = torch.Generator().manual_seed(seed)
        drawn = {name: torch.rand(w.shape, generator=generator).to(w.device) for name, w in own.items()}
        return {name: drawn[name] for name in names}
    if importance in ("l1", "l2"):
        return {name: own[name].detach().abs() ** int(importance[1]) for name in names}
    if calibration is None:
        raise ValueError(f"importance={importance!r} needs the inputs of every matrix: give calibration=calibrate(...)")
    calibration.check(model)
    found = {}
    for name in names:
        w, gram = own[name].detach(), gram_of(name, calibration)
        if gram is None:
            found[name] = w.abs()
        else:
            found[name] = w.abs() * gram.diagonal().sqrt() if importance == "wanda" else saliency(w, gram)
    return found


def gram_of(name: str, calibration: Calibration) -> Tensor | None:
    """X^T X of the inputs of the matrix of this name; None for an embedding table, which has none."""
    return None if name == TABLE else calibration.inputs[name.removesuffix(".weight")].gram


@torch.no_grad()
def signed_taylor(model: Transformer, names: Iterable[str], gradients: dict[str, Tensor] | None) -> dict[str, Tensor]:
    """w * dL/dw of every weight, with its sign; minus its sum over a group is the first-order cost of removing it.

    Raises:
        ValueError: gradients that are missing, or of another model.
    """
    if gradients is None:
        raise ValueError("importance='taylor' needs the loss's gradients: give gradients=gradients(model, batches)")
    own = matrices(model)
    for name, w in own.items():  # all of them: models of other tasks have blocks of the same shapes
        if name not in gradients or gradients[name].shape != w.shape:
            raise ValueError(f"gradients are of another model, {name} does not fit: take gradients(model, batches)")
    return {name: own[name].detach() * gradients[name] for name in names}


def gradients(model: Transformer, batches: Iterable[Batch]) -> dict[str, Tensor]:
    """Gradient of the mean loss over all positions of `batches`, by matrix; `model` and its gradients stay as they are.

    Raises:
        ValueError: no batch or no position with a target, what is none, or a loss that is NaN or inf.
    """
    own = copy.deepcopy(model).requires_grad_(True)
    parameters = matrices(own)
    total, positions = {name: torch.zeros_like(p) for name, p in parameters.items()}, 0
    for batch in batches:
        if not isinstance(batch, Batch):
            raise ValueError(f"batches hold a {type(batch).__name__}: give those of pruning_data(task)")
        device = own.norm.weight.device
        targets = batch.targets.to(device).flatten()
        with torch.enable_grad():
            logits = own(batch.tokens.to(device)).flatten(0, 1)
            loss = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
            found = torch.autograd.grad(loss, list(parameters.values()))
        if not loss.isfinite():
            raise ValueError(f"loss={loss.item()}: the model gives NaN or inf; train or load it again")
        for name, gradient in zip(parameters, found, strict=True):
            total[name] += gradient
        positions += (targets != IGNORE).sum().item()
    if not positions:
        raise ValueError("batches hold no position with a target: take gradients on at least one sequence")
    return {name: gradient / positions for name, gradient in total.items()}
