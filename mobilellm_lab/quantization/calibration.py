"""Calibration: statistics of every matrix's inputs over a few sequences"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.grid import TENSOR, Grid
from mobilellm_lab.tasks import Batch, Task, make

DATA = ("own", "other", "random")  # what a reader may calibrate on
RANGES = ("minmax", "percentile", "mse")
PERCENTILE = 99.9  # of the values, "percentile" covers as many, cutting off equally many at both ends
BINS = 2048  # of the histogram that "mse" searches in, as many as torch's HistogramObserver takes
SAMPLE = 128  # tokens of a batch whose inputs are kept; the statistics see all


@dataclass(frozen=True, eq=False, kw_only=True)
class Inputs:
    """What one matrix was multiplied with: C channels, seen at every token."""

    gram: Float[Tensor, "C C"]  # X^T X, summed over the tokens
    mean_abs: Float[Tensor, " C"]
    low: Float[Tensor, " C"]  # smallest value of each channel
    high: Float[Tensor, " C"]
    sample: Float[Tensor, "N C"]  # the inputs of some tokens, drawn evenly


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """What the matrices of one model saw."""

    inputs: dict[str, Inputs]  # by module: "blocks.0.ffn.down"; the output layer is "head", tied or not
    tokens: int  # in all
    fingerprint: str  # of the model's weights

    def check(self, model: Transformer) -> None:
        """Raises a ValueError if another model was calibrated, or this one with other weights."""
        if fingerprint(model) != self.fingerprint:
            raise ValueError("calibration is of another model, or of other weights: calibrate this one")


@contextmanager
def watch(model: Transformer, visit: Callable[[str, Tensor], Tensor | None]) -> Iterator[None]:
    """Inside, `visit(name, x)` sees the input of every matrix as it is multiplied; a tensor it returns replaces it.

    Names are those of `Calibration.inputs`. A shared block is seen at each of its executions.
    """
    names = [
        f"blocks.{i}.{part}"
        for i in range(model.config.n_layers)
        for part in ("attention.qkv", "attention.out", "ffn.up", "ffn.down")
    ]
    factorised = model.config.embed_dim != model.config.dim
    names += ["embed_in", "embed_out"] * factorised

    def before(name: str) -> Callable:
        return lambda module, args: visit(name, args[0])

    handles = [model.get_submodule(name).register_forward_pre_hook(before(name)) for name in names]
    last = model.embed_out if factorised else model.norm  # a tied output layer is no module: see what enters it
    handles.append(last.register_forward_hook(lambda module, args, output: visit("head", output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def calibrate(model: Transformer, batches: Iterable[Batch]) -> Calibration:
    """What the matrices see while the model reads `batches`; 16 sequences are enough for a model of this course.

    Raises:
        ValueError: no batch, what is none, or NaN or inf among the inputs of a matrix.
    """
    seen: dict[str, list] = {}
    tokens = 0

    def visit(name: str, x: Float[Tensor, "B T C"]) -> None:
        x = x.flatten(0, 1).float()
        kept = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:SAMPLE].to(x.device)
        new = [x.T @ x, x.abs().sum(0), x.amin(0), x.amax(0), [x[kept]], len(x)]
        old = seen.get(name)
        if old is not None:
            merge = (torch.add, torch.add, torch.minimum, torch.maximum, list.__add__, int.__add__)
            new = [f(a, b) for f, a, b in zip(merge, old, new, strict=True)]
        seen[name] = new

    with watch(model, visit):
        for batch in batches:
            if not isinstance(batch, Batch):
                raise ValueError(f"batches hold a {type(batch).__name__}: give those of calibration_data(task)")
            model(batch.tokens.to(model.norm.weight.device))
            tokens += batch.tokens.numel()
    if not tokens:
        raise ValueError("batches hold 0 tokens: calibrate on at least one sequence")
    inputs = {}
    for name, (gram, total, low, high, sample, count) in seen.items():
        if not gram.isfinite().all():
            raise ValueError(f"{name}: NaN or inf among its inputs; train or load the model again")
        inputs[name] = Inputs(gram=gram, mean_abs=total / count, low=low, high=high, sample=torch.cat(sample))
    return Calibration(inputs=inputs, tokens=tokens, fingerprint=fingerprint(model))


def range_of(values: Float[Tensor, "*N"], bits: int, how: str = "minmax") -> tuple[float, float]:
    """(low, high) that an affine grid of `bits` should cover for these values; both ends hold 0.

    "minmax" covers all. "percentile" leaves out 0.05 % at either end. "mse" scales both ends by the factor with the
    least squared error, found on a histogram; what lies outside is cut off (tests hold it against torch's
    HistogramObserver).

    Raises:
        ValueError: an unknown way, no values, NaN or inf among them, or bits that no affine grid has.
    """
    if how not in RANGES:
        raise ValueError(f"ranges={how!r}: choose one of {', '.join(RANGES)}")
    if values.numel() == 0 or not values.isfinite().all():
        raise ValueError(f"{values.numel()} values, NaN or inf among them or none: give a sample of activations")
    grid, values = activation_grid(bits), values.flatten().float()
    if how == "percentile":
        outside = (1 - PERCENTILE / 100) / 2
        low, high = torch.quantile(values, torch.tensor([outside, 1 - outside], device=values.device)).tolist()
    else:
        low, high = values.min().item(), values.max().item()
    low, high = min(low, 0.0), max(high, 0.0)
    if how == "mse" and low < high:
        counts = torch.histc(values, BINS, low, high)
        centres = torch.linspace(low, high, 2 * BINS + 1, device=values.device)[1::2].clone()
        centres[0], centres[-1] = low, high  # so that a factor of 1 is the whole range
        shrink = grid.search(centres[None], counts).item()
        low, high = low * shrink, high * shrink
    return low, high


def activation_grid(bits: int) -> Grid:
    """The affine grid of one range for a whole tensor. Raises a ValueError for less than 2 bits."""
    return Grid(bits=bits, group_size=TENSOR, symmetric=False, scale_dtype="float32")


def calibration_data(task: Task, data: str = "own", *, sequences: int = 16, seed: int = 0) -> list[Batch]:
    """Sequences to calibrate on, as one batch: the same arguments give the same.

    "own": training sequences of the task. "other": another task's, in this task's tokens: for English the words of
    the stories spelled in its tokens, for all others English bytes modulo the vocabulary. "random": every token
    equally likely.

    Raises:
        ValueError: an unknown choice, or no sequences.
    """
    if data not in DATA:
        raise ValueError(f"data={data!r}: choose one of {', '.join(DATA)}")
    if sequences < 1:
        raise ValueError(f"sequences={sequences}: calibrate on at least one")
    if data == "own":
        return [task.batch(0, sequences, seed=seed)]
    if data == "random":
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(task.vocab_size, (sequences, task.seq_len), generator=generator)
    elif task.name == "text":
        stories = make("stories")
        words = stories.batch(0, sequences, seed=seed, seq_len=task.seq_len).tokens  # a word has a token or more
        tokens = torch.stack([task.encode(stories.decode(row))[: task.seq_len] for row in words])
    else:
        tokens = make("text").batch(0, sequences, seed=seed, seq_len=task.seq_len).tokens % task.vocab_size
    return [Batch(tokens, tokens.roll(-1, 1))]
