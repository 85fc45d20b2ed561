"""Quantization-aware training: a straight-through estimator, scales that follow or are learned"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.grid import SCALE_DTYPES, SMALLEST_SCALE, Grid, QTensor, check
from mobilellm_lab.quantization.quantized import QuantizedModel, require_floats, select
from mobilellm_lab.tasks import Task
from mobilellm_lab.training import Step, TrainConfig, train


class _StraightThrough(torch.autograd.Function):
    """Onto the grid forwards; backwards as if nothing had been rounded, and nothing where a weight is saturated."""

    @staticmethod
    def forward(ctx, w, scale, zero, grid):
        codes = grid.quantize(w, scale, zero)
        ctx.save_for_backward(w, scale, zero, codes)
        ctx.grid = grid
        return grid.dequantize(codes, scale, zero)

    @staticmethod
    def backward(ctx, gradient):
        w, scale, zero, codes = ctx.saved_tensors
        grid = ctx.grid
        if grid.bits < 2:  # no code is the last one before the range ends: every weight goes on moving
            return gradient, None, None, None
        steps, zeros = w * (1 / spread(grid, scale, w.shape)), spread(grid, zero, w.shape)
        code = steps.round() + zeros
        inside = (code >= grid.low) & (code <= grid.high)
        # LSQ, equation 3: what the value moves by when the step grows, code - zero beyond the ends
        per_step = codes - zeros - inside * steps
        return gradient * inside, gathered(grid, gradient * per_step) if ctx.needs_input_grad[1] else None, None, None


class _Stored(torch.autograd.Function):
    """A learned step as it can be stored, not too small and rounded; backwards as if it were neither."""

    @staticmethod
    def forward(ctx, step, grid):
        return step.clamp(min=SMALLEST_SCALE).to(SCALE_DTYPES[grid.scale_dtype]).float()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def ste(
    w: Float[Tensor, "R C"],
    grid: Grid,
    scale: Float[Tensor, "r n"] | None = None,
    zero: Int[Tensor, "r n"] | None = None,
) -> Float[Tensor, "R C"]:
    """`grid.fake(w)` with a gradient: the straight-through estimator.

    A gradient passes as if nothing had been rounded; from 2 bits on it stops where a weight rounds to beyond the last
    code, as in torch and torchao (in LSQ's paper half a step earlier, beyond the last value). Without `scale` and
    `zero` the grid is fitted to `w` each time, and no gradient reaches it; a `scale` of your own receives LSQ's.

    Source: arXiv 1308.3432; learned steps: LSQ, arXiv 1902.08153.
    """
    if scale is None:
        scale, zero = grid.fit(w)
    return _StraightThrough.apply(w, scale, zero, grid)


def spread(grid: Grid, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """One value per group as something that broadcasts to one per weight."""
    return values if values.shape[1] == 1 else values.repeat_interleave(grid.group_size, 1)[:, : shape[1]]


def gathered(grid: Grid, each: Float[Tensor, "R C"]) -> Float[Tensor, "r n"]:
    """The sum over each group of one value per weight."""
    rows, n_groups = grid.groups(tuple(each.shape))
    if rows == 1 and n_groups == 1:
        return each.sum().view(1, 1)
    size = grid.group_size or each.shape[1]
    return F.pad(each, (0, -each.shape[1] % size)).view(rows, n_groups, size).sum(-1)


class FakeQuant(nn.Module):
    """A parametrization: the layer reads weights on the grid, the optimizer moves the floats behind them.

    A learned step has LSQ's forward pass and gradient (Esser et al., ICLR 2020, arXiv 1902.08153). What the optimizer
    moves is its logarithm: an update of AdamW changes the step by about `lr` of itself, at any number of bits, and it
    never reaches zero. LSQ's factor on this gradient, made for SGD, is left out, since AdamW divides by the gradient's
    size and the factor cancels. A step moved itself would move as far as a weight, which is up to 128 steps large.
    """

    def __init__(self, w: Float[Tensor, "R C"], grid: Grid, *, learned_step: bool = False):
        super().__init__()
        check(w)
        self.grid, self.log_step, self.zero = grid, None, None
        if learned_step:
            scale, self.zero = grid.fit(w, shrink=grid.search(w))
            self.log_step = nn.Parameter(scale.log())

    def fitted(self, w: Float[Tensor, "R C"]) -> tuple[Float[Tensor, "r n"], Int[Tensor, "r n"]]:
        """(scale, zero) that these weights are rounded with now; the scale as it can be stored."""
        if self.log_step is None:
            return self.grid.fit(w)
        return _Stored.apply(self.log_step.exp(), self.grid), self.zero

    def forward(self, w: Float[Tensor, "R C"]) -> Float[Tensor, "R C"]:
        return ste(w, self.grid, *self.fitted(w))


@dataclass
class QATRun:
    """Quantization-aware training, from a trained float model that stays as it is.

    Iterate for the steps of `training.train`, stop whenever you like, then ask for `result()`. All is checked before
    any time is spent.

    Args:
        model: what to start from.
        task: what to train on; the model's own.
        grid: of every matrix of these `layers`, fitted anew at each step.
        learned_step: the scales are parameters, too, as in LSQ; starts from the least squared error.
        steps, seconds, batch_size, lr, seed: as in `TrainConfig`, with AdamW.

    Raises:
        ValueError: a field out of range, a task of another vocabulary, NaN among the weights, a model that is not in
            float32, or a learned step where the scale is the mean of the weights.
    """

    model: Transformer
    task: Task
    grid: Grid
    layers: str = "all"
    learned_step: bool = False
    steps: int = 100
    seconds: int | float = math.inf
    batch_size: int = 16
    lr: int | float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        require_floats(self.model)
        if self.learned_step and self.grid.bits < 2:
            raise ValueError(
                f"learned_step=True: at {self.grid.bits} bits the scale is the weights' mean, give 2 or more"
            )
        if self.task.vocab_size != self.model.config.vocab_size:
            raise ValueError(
                f"task {self.task.name} has {self.task.vocab_size} tokens, the model {self.model.config.vocab_size}: "
                "train on what it was trained on"
            )
        self.config = TrainConfig(
            steps=self.steps,
            seconds=float(self.seconds),
            batch_size=self.batch_size,
            optimizer="adamw",
            lr=float(self.lr),
            seed=self.seed,
        )
        self.trained = copy.deepcopy(self.model).train()
        self.names = list(select(self.model, self.layers))
        for name in self.names:
            layer = self.trained.get_submodule(name.removesuffix(".weight"))
            check(layer.weight, name)
            rounding = FakeQuant(layer.weight, self.grid, learned_step=self.learned_step)
            parametrize.register_parametrization(layer, "weight", rounding)

    def __iter__(self) -> Iterator[Step]:
        yield from train(self.trained, self.task, self.config)

    @torch.no_grad()
    def result(self) -> QuantizedModel:
        """The model as it stands, its matrices on their grids; after no step, what rounding alone gives."""
        state, tensors = self.trained.state_dict(), {}
        for name in self.names:
            layer = self.trained.get_submodule(name.removesuffix(".weight")).parametrizations.weight
            w = state[f"{name.removesuffix('.weight')}.parametrizations.weight.original"]
            scale, zero = layer[0].fitted(w)
            tensors[name] = QTensor(self.grid, self.grid.quantize(w, scale, zero), scale, zero)
        plain = copy.deepcopy(self.model)
        rest = {name: value for name, value in state.items() if ".parametrizations." not in name}
        plain.load_state_dict(rest, strict=False)
        return QuantizedModel.of(plain.eval(), tensors)
