"""Claims of chapter 2, each with the rule behind its verdict"""

from mobilellm_lab.deep_narrow.claims import advantages, roadmap, ways
from mobilellm_lab.teaching.claim import Claims

CLAIMS = Claims((*advantages.OWN, *ways.OWN, *roadmap.OWN), also=(*ways.ALSO, *roadmap.ALSO))

__all__ = ["CLAIMS"]
