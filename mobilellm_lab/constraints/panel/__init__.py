"""Chapter 1 live: its panel for a notebook."""

from mobilellm_lab.constraints.panel.controls import constraints_panel

__all__ = ["constraints_panel"]
