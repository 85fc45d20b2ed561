"""Live runs behind sliders: the only place that knows Jupyter."""

from mobilellm_lab.live.cells import check_load, progress
from mobilellm_lab.live.panel import Job, Live
from mobilellm_lab.live.predict import predict
from mobilellm_lab.live.recipe_panel import RecipePanel

__all__ = [
    "Job",
    "Live",
    "RecipePanel",
    "check_load",
    "predict",
    "progress",
]
