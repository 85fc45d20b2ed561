"""Chapter 7 live: its panel for a notebook."""

from mobilellm_lab.metrics.panel.controls import metrics_panel

__all__ = ["metrics_panel"]
