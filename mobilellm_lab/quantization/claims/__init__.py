"""Chapter 3 judged: its claims, each with the rule behind its verdict."""

from mobilellm_lab.quantization.claims import (
    calibration,
    flow,
    kv_cache,
    methods,
    outliers,
    promises,
    ptq_or_qat,
    published,
    qat,
    rounding,
    shapes,
)
from mobilellm_lab.teaching.claim import Claims

ARTICLE = (*promises.CLAIMS, *ptq_or_qat.CLAIMS, *calibration.CLAIMS, *flow.CLAIMS)
PAPERS = (*rounding.CLAIMS, *qat.CLAIMS, *methods.CLAIMS, *outliers.CLAIMS, *kv_cache.CLAIMS, *shapes.CLAIMS)
CLAIMS = Claims((*ARTICLE, *PAPERS, *published.CLAIMS))

__all__ = ["CLAIMS"]
