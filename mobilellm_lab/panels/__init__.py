"""Live runs behind sliders: the only place that knows Jupyter."""

from mobilellm_lab.panels.deep_narrow import deep_narrow_panel
from mobilellm_lab.panels.live import Job, Live
from mobilellm_lab.panels.predict import predict

__all__ = ["Job", "Live", "deep_narrow_panel", "predict"]
