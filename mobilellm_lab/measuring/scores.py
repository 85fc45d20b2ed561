"""Loss, perplexity, bits per byte and accuracy with their intervals, from one pass over held-out sequences."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from mobilellm_lab.measuring.interval import Interval, check_confidence
from mobilellm_lab.tasks import IGNORE, Batch
from mobilellm_lab.token_ids import check_targets

NAMES = ("loss_nats", "perplexity", "bits_per_byte", "accuracy")


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Sums per held-out sequence. Each score is a ratio of two of them, its interval a bootstrap over sequences.

    Over sequences and not tokens, because the tokens of one sequence are right or wrong together: an interval over
    tokens would be too narrow.
    """

    nats: tuple[float, ...]  # cross-entropy of the targets of each sequence
    targets: tuple[int, ...]  # how many there are; a sequence without one is left out
    right: tuple[int, ...]  # how many the model's likeliest token is
    n_bytes: tuple[int, ...] | None = None  # bytes that the targets stand for, where that is known

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError("sequences hold 0 target tokens: give at least one with a target that is not -100")
        for name in ("nats", "right", "n_bytes"):
            sums = getattr(self, name)
            if sums is not None and len(sums) != len(self.targets):
                raise ValueError(
                    f"{name} of {len(sums)} sequences and targets of {len(self.targets)}: give one per sequence"
                )

    @property
    def sequences(self) -> int:
        return len(self.targets)

    def loss_nats(self, **options) -> Interval:
        """Mean cross-entropy in nats per target token, lower is better; options as in `interval`."""
        return self.interval("loss_nats", **options)

    def perplexity(self, **options) -> Interval:
        """exp of the mean loss, lower is better; comparable only between models of the same tokenizer."""
        return self.interval("perplexity", **options)

    def bits_per_byte(self, **options) -> Interval:
        """Bits that the model needs for a byte of text, lower is better; comparable between tokenizers."""
        return self.interval("bits_per_byte", **options)

    def accuracy(self, **options) -> Interval:
        """Share of the targets that are the model's likeliest token, 0 .. 1, higher is better."""
        return self.interval("accuracy", **options)

    def interval(self, name: str, *, confidence: int | float = 0.95, seed: int = 0, resamples: int = 2000) -> Interval:
        """The score called `name` with the interval of a percentile bootstrap over sequences.

        Raises:
            ValueError: an unknown score, bits per byte where bytes are not known, a confidence outside (0, 1).
        """
        check_confidence(confidence)
        drawn = _draw(self.sequences, seed, resamples)
        spread, tail = self._values(name, drawn), (1 - confidence) / 2
        low, high = np.quantile(spread, [tail, 1 - tail])
        value = self._values(name, np.arange(self.sequences)[None])[0]
        return Interval(value=float(value), low=float(low), high=float(high), confidence=confidence)

    def _values(self, name: str, rows: np.ndarray) -> np.ndarray:
        """The score of each set of sequences, a set per row."""
        if name not in NAMES:
            raise ValueError(f"score={name!r}: choose one of {', '.join(NAMES)}")
        if name == "bits_per_byte" and self.n_bytes is None:
            raise ValueError("bits_per_byte needs the bytes of each token: give token_bytes to score()")
        above, below = {
            "loss_nats": (self.nats, self.targets),
            "perplexity": (self.nats, self.targets),
            "bits_per_byte": (self.nats, self.n_bytes),
            "accuracy": (self.right, self.targets),
        }[name]
        ratio = np.asarray(above)[rows].sum(1) / np.asarray(below)[rows].sum(1)
        if name == "perplexity":
            with np.errstate(over="ignore"):  # a hopeless model: inf
                return np.exp(ratio)
        return ratio / math.log(2) if name == "bits_per_byte" else ratio


def _draw(count: int, seed: int, resamples: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, count, (resamples, count))


@torch.inference_mode()
def score(
    model: Callable[[Tensor], Tensor], batches: Iterable[Batch], *, token_bytes: Int[Tensor, " V"] | None = None
) -> Scores:
    """Sums per sequence for all scores. Targets as in `mean_loss_nats`: not shifted here, -100 is ignored.

    `token_bytes` holds the bytes that each token of the vocabulary stands for (`Text.token_bytes`).

    Raises:
        ValueError: no batch, not a single target, one that is neither an id nor -100, or bytes of other tokens.
    """
    nats, targets, right, n_bytes = [], [], [], []
    for batch in batches:
        logits = model(batch.tokens).float().cpu()  # (B, T, V)
        check_targets(batch.targets, logits.shape[-1])
        if token_bytes is not None and len(token_bytes) != logits.shape[-1]:
            raise ValueError(
                f"token_bytes of {len(token_bytes)} tokens, the model answers with {logits.shape[-1]} logits: "
                "give those of its own tokenizer"
            )
        evaluated = batch.targets != IGNORE  # (B, T)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE, reduction="none")
        loss = loss.double().view(evaluated.shape)  # 0 where ignored
        hit = (logits.argmax(-1) == batch.targets) & evaluated
        some = evaluated.any(1)
        nats += loss.sum(1)[some].tolist()
        targets += evaluated.sum(1)[some].tolist()
        right += hit.sum(1)[some].tolist()
        if token_bytes is not None:
            each = token_bytes[batch.targets.clamp(min=0)] * evaluated
            n_bytes += each.sum(1)[some].tolist()
    return Scores(
        nats=tuple(nats),
        targets=tuple(targets),
        right=tuple(right),
        n_bytes=tuple(n_bytes) if token_bytes is not None else None,
    )


def paired_difference(
    a: Scores, b: Scores, of: str, *, confidence: int | float = 0.95, seed: int = 0, resamples: int = 2000
) -> Interval:
    """Score `of` b minus that of a, on the same sequences in the same order; they differ if 0 is outside.

    The same sequences are drawn for both, so their difficulty cancels, and the interval is far narrower than two.
    For tokenizers that cut the text in different places only "bits_per_byte" has a meaning.

    Raises:
        ValueError: another number of sequences, an unknown score, a confidence outside (0, 1).
    """
    check_confidence(confidence)
    if a.sequences != b.sequences:
        raise ValueError(f"a has {a.sequences} sequences and b {b.sequences}: score both on the same ones")
    every, drawn = np.arange(a.sequences)[None], _draw(a.sequences, seed, resamples)
    spread, tail = b._values(of, drawn) - a._values(of, drawn), (1 - confidence) / 2
    low, high = np.quantile(spread, [tail, 1 - tail])
    value = (b._values(of, every) - a._values(of, every))[0]
    return Interval(value=float(value), low=float(low), high=float(high), confidence=confidence)
