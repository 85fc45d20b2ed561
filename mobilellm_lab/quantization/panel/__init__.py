"""Chapter 3 live: its panel for a notebook."""

from mobilellm_lab.quantization.panel.controls import quantization_panel
from mobilellm_lab.quantization.panel.crossover import crossover_panel

__all__ = ["crossover_panel", "quantization_panel"]
