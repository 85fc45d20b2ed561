"""Recipes of post-training quantization and of QAT, every choice a field"""

import math
from dataclasses import dataclass

from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.activations import ACTIVATIONS
from mobilellm_lab.quantization.calibration import DATA, RANGES
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.ptq import CALIBRATED, METHODS
from mobilellm_lab.quantization.qat import QATRun
from mobilellm_lab.quantization.quantized import LAYERS
from mobilellm_lab.tasks import Task
from mobilellm_lab.training import TrainConfig

FLOAT = 32  # "bits" of what stays in float32
ACTIVATION_BITS = (FLOAT, 8, 6, 4)
KV_BITS = (FLOAT, 8, 4)
PLANTED = ("none", "weights", "activations")
CHANNELS = 4  # that injected outliers sit in
CALIBRATION_SEQUENCES = 16


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One setting of the controls.

    Raises:
        ValueError: a field out of range; names it, its value and a remedy, before any time is spent.
    """

    model: str = "stories-deep"  # name of the float model, which is passed beside the recipe
    bits: int | float = 4  # of a weight, one of `grid.BITS`; 32 leaves the weights alone
    group_size: int = 32  # neighbouring weights that share a scale; 0 a row, -1 the matrix
    symmetric: bool = True  # else the grid is the weights' own range
    method: str = "rtn"  # how codes are chosen: one of METHODS
    layers: str = "all"  # which matrices: one of LAYERS
    activation_bits: int = FLOAT  # of what enters a Linear
    activation: str = "dynamic"  # range of each token as it comes, or "static": measured beforehand
    ranges: str = "minmax"  # how a static range is chosen: one of RANGES
    data: str = "own"  # what is calibrated on: its own kind of text, "other": the same in shuffled order, "random"
    kv_bits: int = FLOAT  # of keys and values in the cache
    rotate: bool = False  # the residual stream is rotated first (QuaRot); the float model answers as before
    planted: str = "none"  # outliers injected first, where they do no harm in float
    factor: int | float = 16  # how many times larger than before they are
    seed: int = 0  # of the calibration sequences, and of where outliers are injected

    def __post_init__(self) -> None:
        if self.bits != FLOAT:
            object.__setattr__(self, "bits", self.grid.bits)
        offered = {"method": METHODS, "layers": LAYERS, "activation_bits": ACTIVATION_BITS, "activation": ACTIVATIONS}
        offered |= {"ranges": RANGES, "data": DATA, "kv_bits": KV_BITS, "planted": PLANTED}
        for name, values in offered.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name}={getattr(self, name)!r}: choose one of {', '.join(map(str, values))}")
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise ValueError(f"factor={self.factor}: outliers are larger than they were, choose 1 or more")

    @property
    def grid(self) -> Grid:
        """What weights are rounded to; not asked for where they stay in float."""
        return Grid(bits=self.bits, group_size=self.group_size, symmetric=self.symmetric)

    @property
    def calibrates(self) -> bool:
        """Whether it needs calibration data."""
        weights = self.bits != FLOAT and self.method in CALIBRATED
        return weights or (self.activation_bits != FLOAT and self.activation == "static")

    @property
    def draws(self) -> bool:
        """Whether the seed makes a difference."""
        return self.calibrates or self.planted != "none"


@dataclass(frozen=True, kw_only=True)
class QATRecipe:
    """A QAT run, from a float model; with 32 bits the same training without it.

    Raises:
        ValueError: a field out of range; names it, its value and a remedy, before any time is spent.
    """

    model: str = "stories-deep"  # name of the float model, which is passed beside the recipe
    bits: int | float = 2  # of a weight; 32 trains in float
    group_size: int = 32
    symmetric: bool = True
    learned_step: bool = False  # the scales are trained, too
    steps: int = 100  # updates, at most
    seconds: int | float = 0  # of training, at most; 0 sets no limit
    batch_size: int = 16  # sequences of an update
    lr: float = 1e-3  # peak
    seed: int = 0  # of the training sequences

    def __post_init__(self) -> None:
        if self.bits != FLOAT:
            object.__setattr__(self, "bits", self.grid.bits)
        self.train_config()

    @property
    def grid(self) -> Grid:
        """What weights are rounded to; not asked for where they stay in float."""
        return Grid(bits=self.bits, group_size=self.group_size, symmetric=self.symmetric)

    def train_config(self) -> TrainConfig:
        """The training that it shares with its counterpart in float."""
        limits = {"steps": self.steps, "seconds": float(self.seconds or math.inf), "batch_size": self.batch_size}
        return TrainConfig(optimizer="adamw", lr=self.lr, seed=self.seed, **limits)

    def run(self, model: Transformer, task: Task) -> QATRun:
        """The QAT run, ready to be iterated."""
        limits = {"steps": self.steps, "seconds": float(self.seconds or math.inf), "batch_size": self.batch_size}
        options = {"learned_step": self.learned_step, "lr": self.lr, "seed": self.seed}
        return QATRun(model, task, grid=self.grid, **options, **limits)
