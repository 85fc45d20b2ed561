"""Import of torchao and torch.ao without their warnings"""

import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

DEPRECATED = "torch.ao.quantization is deprecated and will be removed in 2.10"  # said by 2.13, where it still is
_LEGACY = (  # what torch.ao warns of on every use; none of it is the reader's doing
    DEPRECATED,
    "torch.quantize_per_tensor, torch.quantize_per_channel",  # its tensors are deprecated, too
    "Please use quant_min and quant_max",  # torch's own qconfigs still ask for reduce_range
    "TypedStorage is deprecated",  # as it rebuilds quantized tensors from a file
)


def torchao() -> ModuleType:
    """torchao, imported here and nowhere else, without its noise. It takes about a second.

    Its wheel carries two libraries for CUDA that a CPU cannot load, and one call of its own is deprecated; it says so
    on every import, and neither matters here. What it imports later, for QAT, is imported now for the same reason.

    Raises:
        ValueError: it is not installed.
    """
    if importlib.util.find_spec("torchao") is None:
        raise ValueError("torchao is not installed: type `pip install torchao`, or choose a backend of torch's own")
    noisy = [logging.getLogger(name) for name in ("torchao", "torch.utils._pytree")]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    try:
        import torchao
        import torchao.prototype.qat
        import torchao.prototype.quantization.int4
        import torchao.quantization
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)
    return torchao


@contextmanager
def without_legacy_warnings() -> Iterator[None]:
    """Inside, torch.ao is silent about what is known of it: that it is deprecated, and so are its tensors."""
    with warnings.catch_warnings():
        for message in _LEGACY:
            warnings.filterwarnings("ignore", re.escape(message))
        yield
