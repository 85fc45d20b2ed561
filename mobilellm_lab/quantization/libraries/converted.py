"""Converted models: quantized matrices, bytes in memory, and a file that loads exactly"""

import pickle
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.ao.nn.quantized as nnq
from torch import Tensor, nn

from mobilellm_lab.measuring import InMemory
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization.layers import PackedMatrix
from mobilellm_lab.quantization.libraries.kernels import find_backend
from mobilellm_lab.quantization.libraries.load import torchao, without_legacy_warnings
from mobilellm_lab.quantization.libraries.replacements import Rows
from mobilellm_lab.safe_files import replacing

FLOAT = (nn.Linear, nn.Embedding)
MATRICES = (
    *FLOAT,
    nnq.Linear,
    nnq.Embedding,
    Rows,
    PackedMatrix,
)  # torch.ao's dynamic Linear is its static one's child


def quantized_matrices(model: nn.Module) -> tuple[int, int]:
    """(quantized, all) matrices of a converted model: a converter is silent about those that it skips.

    A table that serves embedding and head is one matrix; where they have one each, they are two.
    """
    found = [module for module in model.modules() if isinstance(module, MATRICES)]
    plain = [module for module in found if type(module) in FLOAT and type(module.weight.data) is Tensor]
    return len(found) - len(plain), len(found)


def in_memory(model: nn.Module) -> InMemory:
    """Bytes of all tensors of a converted model, codes, scales and float leftovers; what is shared counts once.

    `measuring.in_memory` sees parameters only, and neither into torchao's tensors nor into torch.ao's packed ones.
    Those are counted as they would be unpacked.
    """
    values = [*model.state_dict().values(), *model.buffers()]
    parts = [part for value in values for part in _plain(value)]  # all alive at once: no address is used twice
    sizes = {part.untyped_storage().data_ptr(): part.untyped_storage().nbytes() for part in parts}
    return InMemory(bytes=sum(sizes.values()))


def _plain(value: object) -> Iterator[Tensor]:
    """The ordinary tensors that a value of a state dict consists of."""
    if isinstance(value, tuple | list):  # weight and bias of torch.ao
        for part in value:
            yield from _plain(part)
    elif isinstance(value, Tensor) and hasattr(value, "__tensor_flatten__"):  # torchao
        for name in value.__tensor_flatten__()[0]:
            yield from _plain(getattr(value, name))
    elif isinstance(value, Tensor) and value.is_quantized:
        yield value.int_repr()
        if value.qscheme() in (torch.per_channel_affine, torch.per_channel_affine_float_qparams):
            yield value.q_per_channel_scales()
            yield value.q_per_channel_zero_points()
    elif isinstance(value, Tensor):
        yield value


def save(model: nn.Module, path: str | Path) -> None:
    """Writes the state dict of a converted model, whole or not at all."""
    with replacing(path) as draft, without_legacy_warnings():
        torch.save(model.state_dict(), draft)


def read_state(path: str | Path) -> dict:
    """The state dict in a file, read without running code from it (`weights_only=True`).

    Raises:
        ValueError: no such file, or it is no such state; names the file.
    """
    try:
        with without_legacy_warnings():
            return torch.load(path, weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"path={str(path)!r}: no such file; give what `save` wrote") from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"path={str(path)!r} is damaged, or no state of a converted model: save it again") from error


def require_shapes(state: dict, model: nn.Module, path: str | Path) -> None:
    """Holds a state against the converted model that is to take it; torch.ao's packed layers would take any shape.

    Raises:
        ValueError: a tensor of another shape; names it.
    """
    wanted = model.state_dict()
    for name, value in state.items():
        if name in wanted and _shape(value) != _shape(wanted[name]):
            raise ValueError(
                f"path={str(path)!r} does not fit: {name} has shape {_shape(value)}, and {_shape(wanted[name])} in "
                "this config: give the one that it was saved with"
            )


def _shape(value: object) -> tuple[int, ...] | None:
    """Of a tensor, or of the weight in a packed layer's (weight, bias)."""
    first = value[0] if isinstance(value, tuple | list) and value else value
    return tuple(first.shape) if isinstance(first, Tensor) else None


def load(path: str | Path, backend: str, config: ModelConfig) -> Transformer:
    """The model that `save` wrote: a model of this shape is converted by the same backend, then given the tensors.

    The order matters: a state dict holds tensors, not modules, so a model that is not converted has no place for them.

    Raises:
        ValueError: an unknown backend, no such file, or a state of another shape or backend.
    """
    chosen = find_backend(backend)
    if chosen.name.startswith("torchao"):
        torchao()  # a file may only name types that are known by then
    state = read_state(path)
    model = chosen.prepare(Transformer(config))
    require_shapes(state, model, path)
    try:
        model.load_state_dict(state, assign=True)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ValueError(
            f"path={str(path)!r} does not fit backend={backend!r} and this config: give those it was made with"
        ) from error
    return model
