"""Chapter 7 judged: its claims, each with the rule behind its verdict."""

from mobilellm_lab.metrics.claims import comparing, habits, measures
from mobilellm_lab.teaching.claim import Claims

CLAIMS = Claims((*measures.CLAIMS, *habits.CLAIMS, *comparing.CLAIMS))

__all__ = ["CLAIMS"]
