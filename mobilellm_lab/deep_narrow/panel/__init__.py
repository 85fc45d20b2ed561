"""Chapter 2 live: its panel for a notebook."""

from mobilellm_lab.deep_narrow.panel.controls import deep_narrow_panel

__all__ = ["deep_narrow_panel"]
