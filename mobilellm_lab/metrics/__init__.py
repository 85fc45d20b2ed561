"""Chapter 7: measures of a model, comparisons with an interval, and pitfalls of measuring"""

import lazy_loader

_HOMES = {
    "duel": ["OUTCOMES", "RULES", "VERDICTS", "DuelPair", "DuelRecipe", "DuelResult", "DuelRun", "judge", "outcome"],
    "pitfalls": ["PITFALLS", "Pitfall"],
    "study.sweep": ["PitfallTrial", "measure_duels", "measure_pitfalls", "pitfall_trials", "recipes"],
}
__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs=_HOMES)

__all__ = [
    "OUTCOMES",
    "PITFALLS",
    "RULES",
    "VERDICTS",
    "DuelPair",
    "DuelRecipe",
    "DuelResult",
    "DuelRun",
    "Pitfall",
    "PitfallTrial",
    "judge",
    "measure_duels",
    "measure_pitfalls",
    "outcome",
    "pitfall_trials",
    "recipes",
]
