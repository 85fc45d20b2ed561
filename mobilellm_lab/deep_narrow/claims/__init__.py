"""Chapter 2 judged: its claims, each with the rule behind its verdict."""

from mobilellm_lab.deep_narrow.claims import advantages, roadmap, ways
from mobilellm_lab.teaching.claim import Claims

CLAIMS = Claims((*advantages.CLAIMS, *ways.CLAIMS, *roadmap.CLAIMS))

__all__ = ["CLAIMS"]
