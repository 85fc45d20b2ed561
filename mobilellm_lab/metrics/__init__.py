"""Chapter 7: measurements with their spread, and how to tell whether it is really better."""

from mobilellm_lab.metrics.duel import OUTCOMES, RULES, VERDICTS, judge, outcome
from mobilellm_lab.metrics.duel import Pair as DuelPair
from mobilellm_lab.metrics.duel import Recipe as DuelRecipe
from mobilellm_lab.metrics.duel import Result as DuelResult
from mobilellm_lab.metrics.duel import Run as DuelRun
from mobilellm_lab.metrics.pitfalls import LIES, Lie
from mobilellm_lab.metrics.sweep import LieTrial, lie_trials, measure_duels, measure_lies, recipes

__all__ = [
    "LIES",
    "OUTCOMES",
    "RULES",
    "VERDICTS",
    "DuelPair",
    "DuelRecipe",
    "DuelResult",
    "DuelRun",
    "Lie",
    "LieTrial",
    "judge",
    "lie_trials",
    "measure_duels",
    "measure_lies",
    "outcome",
    "recipes",
]
