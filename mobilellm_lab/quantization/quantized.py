"""Quantized model: its matrices, their float weights on grids, and the codes"""

from dataclasses import dataclass

import torch
from torch import nn

from mobilellm_lab.checkpoints import assemble, shapes
from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.grid import QTensor

LAYERS = ("all", "blocks", "attention", "ffn", "embedding")


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedModel:
    """What a quantization made; `packed` turns it into a model that holds bytes, `save_quantized` into a file.

    Raises:
        ValueError: a name or a shape that is none of the model's matrices.
    """

    model: Transformer  # float32, its quantized matrices exactly `tensors[name].dequantize()`; config unchanged
    tensors: dict[str, QTensor]  # by state_dict name; a matrix that is not here stayed float

    def __post_init__(self) -> None:
        _require(self.model, self.tensors)

    @classmethod
    def of(cls, model: Transformer, tensors: dict[str, QTensor]) -> "QuantizedModel":
        """A copy of `model` whose matrices of these names are what the tensors stand for."""
        _require(model, tensors)
        rest = {name: value for name, value in model.state_dict().items() if name not in tensors}
        own = {"dtype": torch.float32, "copy": True, "memory_format": torch.contiguous_format}
        weights = {name: value.detach().to(**own) for name, value in rest.items()}
        weights |= {name: tensor.dequantize() for name, tensor in tensors.items()}
        return cls(model=assemble(model.config, weights).train(model.training), tensors=dict(tensors))


def matrices(model: nn.Module) -> dict[str, nn.Parameter]:
    """All matrices by state_dict name; the vectors of the norms are few, and stay float.

    A shared block and a tied table are one matrix each.
    """
    return {name: p for name, p in model.named_parameters() if p.ndim == 2}


def select(model: nn.Module, layers: str = "all") -> dict[str, nn.Parameter]:
    """The matrices of one part; "embedding" is the table with its factors and the output layer, tied or not.

    Raises:
        ValueError: no such part.
    """
    if layers not in LAYERS:
        raise ValueError(f"layers={layers!r}: choose one of {', '.join(LAYERS)}")

    def chosen(name: str) -> bool:
        part = "attention" if ".attention." in name else "ffn" if ".ffn." in name else "embedding"
        return layers in ("all", part) or (layers == "blocks" and part != "embedding")

    return {name: p for name, p in matrices(model).items() if chosen(name)}


def require_floats(model: object) -> None:
    """Raises a ValueError for what is no model with its matrices in float32.

    A type of fewer bits could not hold what the codes stand for: the model would not be that of its tensors.
    """
    if isinstance(model, QuantizedModel):
        raise ValueError("model is a QuantizedModel: give the float model that it was made from")
    if not isinstance(model, Transformer):
        raise ValueError(f"model is a {type(model).__name__}: give a Transformer, such as load_model(...).model")
    present = matrices(model)
    for name, shape in shapes(model.config).items():
        if len(shape) == 2 and name not in present:
            raise ValueError(f"model: {name} is packed or converted already: give the float model that it was made of")
    for name, p in model.named_parameters():
        if p.dtype != torch.float32:
            raise ValueError(
                f"model: {name} is {p.dtype}: give a float32 model, as from_pretrained(folder) loads it; "
                "QuantizedModel.of(model, {}).model casts any other"
            )


def require_quantized(q: object) -> None:
    """Raises a ValueError for what `quantize` did not give."""
    if not isinstance(q, QuantizedModel):
        raise ValueError(f"q is a {type(q).__name__}: give what quantize(...) returns")


def _require(model: Transformer, tensors: dict[str, QTensor]) -> None:
    own = {name: tuple(p.shape) for name, p in matrices(model).items()}
    for name, tensor in tensors.items():
        if own.get(name) != tensor.shape:
            raise ValueError(f"tensor {name} of shape {tensor.shape}: the model has {own.get(name, 'none')} there")
