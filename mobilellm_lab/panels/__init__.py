"""Live panels of the chapters."""

from mobilellm_lab.panels.flip import flip_panel
from mobilellm_lab.panels.quantization import quantization_panel

__all__ = ["flip_panel", "quantization_panel"]
