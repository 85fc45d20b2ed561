"""Token ids and targets: shape, type and range, checked where they come in"""

import torch
from torch import Tensor

IGNORE = -100  # a target that asks nothing; the value that `torch.nn.functional.cross_entropy` skips


def check_tokens(tokens: Tensor, vocab_size: int, *, name: str = "tokens", axes: str = "BT") -> None:
    """Raises a ValueError for what is not ids from 0 to below `vocab_size` with these axes.

    It reads every id, so it is for a prompt or a batch, not for each step of decoding.
    """
    _check_kind(tokens, name, axes)
    low, high = (value.item() for value in tokens.aminmax()) if tokens.numel() else (0, 0)
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"{name} holds id {low if low < 0 else high}, the vocabulary goes from 0 to {vocab_size - 1}: "
            "take the tokenizer that the model was trained with, and pad with one of its ids"
        )


def check_targets(targets: Tensor, vocab_size: int) -> None:
    """Raises a ValueError for targets that are neither ids below `vocab_size` nor `IGNORE`."""
    _check_kind(targets, "targets", "BT")
    wrong = targets[((targets < 0) | (targets >= vocab_size)) & (targets != IGNORE)]
    if wrong.numel():
        raise ValueError(
            f"targets holds {wrong[0].item()}, the vocabulary goes from 0 to {vocab_size - 1}: write {IGNORE} where "
            "padding or anything else asks nothing"
        )


def check_pair(tokens: Tensor, targets: Tensor) -> None:
    """Raises a ValueError for tokens and targets that are not of one shape (B, T); looks at no id."""
    _check_kind(tokens, "tokens", "BT")
    if tokens.shape != targets.shape:
        raise ValueError(
            f"targets has shape {tuple(targets.shape)}, tokens {tuple(tokens.shape)}: give one target for each token, "
            f"{IGNORE} where nothing is asked"
        )


def _check_kind(ids: Tensor, name: str, axes: str) -> None:
    if ids.ndim != len(axes):
        hint = {(1, 2): f", {name}[None] for a single sequence", (2, 1): f", {name}[0] for the first sequence"}
        raise ValueError(
            f"{name} has shape {tuple(ids.shape)}: give ({', '.join(axes)}){hint.get((ids.ndim, len(axes)), '')}"
        )
    if ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{name} is {ids.dtype}: ids are whole numbers, give {name}.long()")
