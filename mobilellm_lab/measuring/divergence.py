"""Distance of a compressed model from its original: KL divergence and top-1 agreement."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mobilellm_lab.measuring.interval import Interval, bootstrap_interval
from mobilellm_lab.tasks import IGNORE, Batch
from mobilellm_lab.token_ids import check_targets


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Distance of a model from its original on the same text; needs no labels, shows changes that accuracy hides."""

    kl_nats: Interval  # mean KL(original || model) per evaluated position; 0 for the original itself, lower is better
    agreement: Interval  # share of evaluated positions where both have the same likeliest token, higher is better

    def __str__(self) -> str:
        return f"KL {self.kl_nats} nats per token, same top token {self.agreement}"


@torch.inference_mode()
def divergence(
    model: Callable[[Tensor], Tensor],
    original: Callable[[Tensor], Tensor],
    batches: Iterable[Batch],
    *,
    confidence: int | float = 0.95,
    seed: int = 0,
) -> Divergence:
    """KL(original || model) in nats and top-1 agreement, at every position whose target is not -100.

    Intervals are bootstraps over sequences of each sequence's mean, so sequences weigh the same.

    Raises:
        ValueError: no batch, not a single target, one that is neither an id nor -100, or vocabularies of
            different sizes.
    """
    kl, same = [], []
    for batch in batches:
        p = original(batch.tokens).double().log_softmax(-1)  # (B, T, V)
        q = model(batch.tokens).double().log_softmax(-1)
        if p.shape != q.shape:
            raise ValueError(
                f"model answers with {q.shape[-1]} logits and original with {p.shape[-1]}: "
                "a divergence needs one vocabulary"
            )
        check_targets(batch.targets, q.shape[-1])
        evaluated = (batch.targets != IGNORE).cpu()
        each = (p.exp() * (p - q)).nan_to_num(posinf=torch.inf).sum(-1).cpu()  # 0 log 0 is 0
        agree = (p.argmax(-1) == q.argmax(-1)).cpu()
        for row, where in enumerate(evaluated):
            if where.any():
                kl.append(each[row, where].mean().item())
                same.append(agree[row, where].double().mean().item())
    if not kl:
        raise ValueError("batches hold 0 target tokens: give at least one batch with a target that is not -100")
    intervals = [bootstrap_interval(np.array(rows), confidence=confidence, seed=seed) for rows in (kl, same)]
    return Divergence(kl_nats=intervals[0], agreement=intervals[1])
