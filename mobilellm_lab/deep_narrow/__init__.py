"""Chapter 2: what depth costs and what it buys at a fixed number of parameters."""

from mobilellm_lab.deep_narrow.recipe import DEFAULTS, HOLD, Recipe, Result, Run, decode_throughput
from mobilellm_lab.deep_narrow.sweep import SEEDS, VALIDATION_SEED, Arm, arms, missing, roadmap, run_arms

__all__ = [
    "DEFAULTS",
    "HOLD",
    "SEEDS",
    "VALIDATION_SEED",
    "Arm",
    "Recipe",
    "Result",
    "Run",
    "arms",
    "decode_throughput",
    "missing",
    "roadmap",
    "run_arms",
]
