"""Claims of chapter 4, its own and the rest, each with the rule behind its verdict"""

from mobilellm_lab.pruning.claims import (
    calibration,
    combined,
    importance,
    outliers,
    promises,
    published,
    recovery,
    scope,
    shapes,
    structures,
)
from mobilellm_lab.teaching.claim import Claims

OWN = (
    promises.SMALLER,
    promises.FASTER,
    importance.HALF_IS_IDLE,
    importance.WANDA,
    importance.GRADIENT,
    structures.NEURONS,
    scope.SENSITIVITY,
    recovery.TUNING,
    recovery.REMOVED,
    recovery.SCRATCH,
    combined.TOGETHER,
    outliers.COLLAPSES,
)
ALSO = (
    promises.CSR,
    importance.UPDATE,
    importance.BY_ROW,
    calibration.MORE_DATA,
    calibration.OWN_DATA,
    structures.GROUPS,
    structures.GROUP_GRADIENT,
    structures.INFLUENCE,
    recovery.GRADUAL,
    combined.PRUNE_FIRST,
    shapes.DEEP_IS_FRAGILE,
    *published.CLAIMS,
)
CLAIMS = Claims(OWN, also=ALSO)

__all__ = ["CLAIMS"]
