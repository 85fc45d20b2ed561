"""Chapter 7's claims, each with the rule behind its verdict."""

from mobilellm_lab.metrics.claims import comparing, habits, measures
from mobilellm_lab.teaching.claim import Claims

CLAIMS = Claims(
    (*measures.CLAIMS, *habits.CLAIMS, *comparing.CLAIMS),
    also=(*measures.ALSO, *habits.ALSO, *comparing.ALSO),
)

__all__ = ["CLAIMS"]
