"""Live panels of the chapters."""

from mobilellm_lab.panels.constraints import constraints_panel
from mobilellm_lab.panels.flip import flip_panel
from mobilellm_lab.panels.metrics import metrics_panel
from mobilellm_lab.panels.quantization import quantization_panel

__all__ = ["constraints_panel", "flip_panel", "metrics_panel", "quantization_panel"]
