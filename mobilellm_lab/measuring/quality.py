"""Mean loss and perplexity on batches with masked targets"""

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilellm_lab.tasks import IGNORE, Batch
from mobilellm_lab.token_ids import check_targets


@torch.inference_mode()
def mean_loss_nats(model: Callable[[Tensor], Tensor], batches: Iterable[Batch]) -> float:
    """Mean cross-entropy in nats per target token, 0 or more; lower is better.

    Every target counts the same, whatever batch it is in. Targets are not shifted here: `targets[:, t]` is the token
    after `tokens[:, t]`, and -100 is ignored. `model` maps tokens (B, T) to logits (B, T, V).

    Raises:
        ValueError: no batch, batches without a single target, or a target that is neither an id nor -100.
    """
    total_nats, count = 0.0, 0
    for batch in batches:
        logits = model(batch.tokens)  # (B, T, V)
        check_targets(batch.targets, logits.shape[-1])
        nats = F.cross_entropy(
            logits.flatten(0, 1).float(), batch.targets.flatten(), ignore_index=IGNORE, reduction="sum"
        )
        total_nats += nats.item()
        count += int((batch.targets != IGNORE).sum())
    if count == 0:
        raise ValueError("batches hold 0 target tokens: give at least one batch with a target that is not -100")
    return total_nats / count


def perplexity(model: Callable[[Tensor], Tensor], batches: Iterable[Batch]) -> float:
    """exp of the mean loss: 1 is certain and right, the vocabulary size is a uniform guess; lower is better.

    Raises:
        ValueError: no batch, or batches without a single target.
    """
    nats = mean_loss_nats(model, batches)
    return math.inf if nats > 709 else math.exp(nats)  # the largest float64 is exp(709.78)
