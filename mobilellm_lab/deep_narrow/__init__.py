"""Chapter 2: what depth costs and what it buys at a fixed number of parameters."""

from mobilellm_lab.arms import SEEDS, VALIDATION_SEED, Arm, missing
from mobilellm_lab.deep_narrow.causality import EncoderLM, Noise, leak, train_on_noise
from mobilellm_lab.deep_narrow.cost import Cost, costs, measure
from mobilellm_lab.deep_narrow.recipe import DEFAULTS, HOLD, Recipe, Result, Run
from mobilellm_lab.deep_narrow.sweep import (
    arms,
    band,
    roadmap,
    run_arms,
    training,
)
from mobilellm_lab.measuring import decode_throughput

__all__ = [
    "DEFAULTS",
    "HOLD",
    "SEEDS",
    "VALIDATION_SEED",
    "Arm",
    "Cost",
    "EncoderLM",
    "Noise",
    "Recipe",
    "Result",
    "Run",
    "arms",
    "band",
    "costs",
    "decode_throughput",
    "leak",
    "measure",
    "missing",
    "roadmap",
    "run_arms",
    "train_on_noise",
    "training",
]
