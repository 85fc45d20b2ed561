"""Claims of chapter 3, its own and the rest, each with the rule behind its verdict"""

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

OWN = (
    promises.FOUR_TIMES_SMALLER,
    promises.INT8_IS_FASTER,
    promises.ROUNDING_MAY_COST,
    rounding.W8A8,
    calibration.CALIBRATION_IS_ESSENTIAL,
    methods.GPTQ,
    ptq_or_qat.TRAINING_IS_BETTER,
    ptq_or_qat.TRAINING_AT_EIGHT_BITS,
    qat.TRAINING_SURVIVES,
    methods.MIXED_PRECISION,
    kv_cache.CACHE_IN_FOUR_BITS,
    shapes.DEEP_IS_FRAGILE,
)
ALSO = (
    ptq_or_qat.TRAINING_COSTS_MORE,
    qat.FOUR_BITS_ARE_NO_WORSE,
    qat.LEARNED_STEP,
    rounding.TERNARY_COLLAPSES,
    methods.AWQ,
    calibration.RANDOM_INPUT_WILL_DO,
    kv_cache.CACHE_IN_EIGHT_BITS,
    outliers.ROWS_SURVIVE_OUTLIERS,
    outliers.ROTATION_CURES_OUTLIERS,
    flow.SAMPLE_WORKS,
    flow.FUSE_FIRST,
    flow.QUANTIZE_BEFORE_LOADING,
    *published.CLAIMS,
)
CLAIMS = Claims(OWN, also=ALSO)

__all__ = ["CLAIMS"]
