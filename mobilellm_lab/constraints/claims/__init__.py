"""Claims of chapter 1, each with the rule behind its verdict"""

from mobilellm_lab.constraints.claims import article, bytes_read, motivation
from mobilellm_lab.teaching.claim import Claims

CLAIMS = Claims(
    (*article.CLAIMS, *motivation.CLAIMS, *bytes_read.CLAIMS),
    also=(*article.ALSO, *motivation.ALSO, *bytes_read.ALSO),
)

__all__ = ["CLAIMS"]
