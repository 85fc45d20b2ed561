"""Chapter 2: gain and cost of depth at a fixed number of parameters"""

import lazy_loader

_HOMES = {
    "causality": ["EncoderLM", "Noise", "leak", "train_on_noise"],
    "cost": ["Cost", "CostRun", "costs", "measure"],
    "recipe": ["DEFAULTS", "HOLD", "Recipe", "Result", "Run"],
    "study.sweep": ["arms", "band", "roadmap", "training"],
}
__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs=_HOMES)

__all__ = [
    "DEFAULTS",
    "HOLD",
    "Cost",
    "CostRun",
    "EncoderLM",
    "Noise",
    "Recipe",
    "Result",
    "Run",
    "arms",
    "band",
    "costs",
    "leak",
    "measure",
    "roadmap",
    "train_on_noise",
    "training",
]
