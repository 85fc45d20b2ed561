"""Chapter 4 live: its panel for a notebook"""

from mobilellm_lab.pruning.panel.controls import pruning_panel

__all__ = ["pruning_panel"]
