"""Chapter 2: what depth costs and what it buys at a fixed number of parameters."""

from mobilellm_lab.deep_narrow.recipe import DEFAULTS, HOLD, Recipe, Result, Run, decode_throughput

__all__ = ["DEFAULTS", "HOLD", "Recipe", "Result", "Run", "decode_throughput"]
