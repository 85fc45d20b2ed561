"""Layout of the weights in memory: by rows, as tools expect them, or as decoding reads them fastest"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def for_decoding(model: nn.Module) -> nn.Module:
    """The same model, its tall float32 matrices stored column by column, so that a product with one token is faster.

    Call it before speed counts: on a freshly built or loaded model it changes no value and no name. One matrix moves
    at a time, so the weights are never held twice. Training, saving, quantizing and generating go on as before. Tools
    that ask for rows (`torch.nn.utils.prune`, `safetensors.torch.save_file`, an exporter) come after `contiguous_`.
    torch's 16-bit kernels are faster by rows, so those matrices stay; so do the packed weights of other libraries.
    Make a `fused=True` optimizer of torch's anew after either call: it takes for granted that its moments lie as the
    weights do, and is wrong in silence where they do not.
    """

    def by_columns(weight: Tensor) -> Tensor:
        tall = weight.ndim == 2 and weight.shape[0] > weight.shape[1] and weight.dtype == torch.float32
        return weight.t().contiguous().t() if tall else weight

    return _laid_out(model, by_columns)


def contiguous_(model: nn.Module) -> nn.Module:
    """The same model, every weight row by row again, as it was built or loaded: undoes `for_decoding`."""
    return _laid_out(model, torch.Tensor.contiguous)


def _laid_out(model: nn.Module, layout: Callable[[Tensor], Tensor]) -> nn.Module:
    """The model, each weight in this layout; weights that share their memory go on sharing it."""
    shared: dict[tuple, list[nn.Parameter]] = {}
    for p in model.parameters():
        if type(p.data) is Tensor:
            place = p.data_ptr() or id(p)  # on the meta device there is no memory to share
            shared.setdefault((place, p.shape, p.stride()), []).append(p)
    for same in shared.values():
        weight = layout(same[0].data)
        for p in same:
            p.data = weight
    return model
