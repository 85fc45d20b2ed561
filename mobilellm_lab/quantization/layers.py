"""Layers of packed weights, unpacked at each use"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mobilellm_lab.model import ModelConfig, Transformer, rope_tables
from mobilellm_lab.quantization.grid import SCALE_DTYPES, Grid, QTensor
from mobilellm_lab.quantization.packing import pack, packed_bytes, unpack
from mobilellm_lab.quantization.quantized import QuantizedModel, require_quantized


def packed_parts(tensor: QTensor) -> dict[str, Tensor]:
    """The buffers of a `PackedMatrix`: `packed` codes, `scale`, and for an affine grid `zero`, packed as codes are."""
    grid = tensor.grid
    parts = {"packed": pack(tensor.codes, grid.bits), "scale": tensor.scale.to(SCALE_DTYPES[grid.scale_dtype])}
    return parts if grid.symmetric else parts | {"zero": pack(tensor.zero.to(torch.int8), grid.bits)}


class PackedMatrix(nn.Module):
    """A matrix that is there as its `packed_parts` only.

    Memory is what `QTensor.nbytes` says; each use makes the floats anew, for the time of one product. That is slower
    than floats kept, and what a real kernel avoids by unpacking in registers.
    """

    def __init__(self, grid: Grid, shape: tuple[int, int]):
        super().__init__()
        self.grid, self.shape = grid, shape
        rows, n_groups = grid.groups(shape)
        self.register_buffer("packed", torch.zeros(shape[0], packed_bytes(shape[1], grid.bits), dtype=torch.uint8))
        self.register_buffer("scale", torch.ones(rows, n_groups, dtype=SCALE_DTYPES[grid.scale_dtype]))
        if not grid.symmetric:
            self.register_buffer("zero", torch.zeros(rows, packed_bytes(n_groups, grid.bits), dtype=torch.uint8))

    @property
    def weight(self) -> Float[Tensor, "R C"]:
        """The float32 matrix, made now."""
        return self.tensor().dequantize()

    def tensor(self, rows: Int[Tensor, " N"] | None = None) -> QTensor:
        """The codes with their scales and zeros, of all rows or of these."""

        def chosen(buffer: Tensor) -> Tensor:
            return buffer if rows is None or buffer.shape[0] != self.shape[0] else buffer.index_select(0, rows)

        scale = chosen(self.scale).float()
        if self.grid.symmetric:
            zero = torch.zeros_like(scale, dtype=torch.int32)
        else:
            zero = unpack(chosen(self.zero), self.grid.bits, scale.shape[1]).to(torch.int32)
        return QTensor(self.grid, unpack(chosen(self.packed), self.grid.bits, self.shape[1]), scale, zero)

    def extra_repr(self) -> str:
        return f"{self.shape[0]} x {self.shape[1]}, {self.grid}"


class PackedLinear(PackedMatrix):
    """`F.linear` with a packed matrix, equal to it with the dequantized one bit for bit."""

    def forward(self, x: Float[Tensor, "*B C"]) -> Float[Tensor, "*B R"]:
        return F.linear(x, self.weight)


class PackedEmbedding(PackedMatrix):
    """`F.embedding` with a packed table: only the rows that are looked up are unpacked; `weight` serves a tied head."""

    def forward(self, tokens: Int[Tensor, "*B"]) -> Float[Tensor, "*B C"]:
        return self.tensor(tokens.flatten()).dequantize().view(*tokens.shape, self.shape[1])


def hollow(config: ModelConfig, grids: dict[str, Grid]) -> Transformer:
    """A model on the meta device, without values, whose matrices of these names are packed layers."""
    with torch.device("meta"):
        model = Transformer(config)
        for name, grid in grids.items():
            kind = PackedEmbedding if name == "embed.weight" else PackedLinear
            shape = tuple(model.get_parameter(name).shape)
            model.set_submodule(name.removesuffix(".weight"), kind(grid, shape))
    return model


def packed(q: QuantizedModel) -> Transformer:
    """A model of its own whose quantized matrices are packed layers; runs in `forward` and in `generate`.

    Its state_dict is what `save_quantized` writes. The logits of `q.model` within float32 rounding
    (tests/quantization/test_layers.py).

    Raises:
        ValueError: not what `quantize` gives.
    """
    require_quantized(q)
    model = hollow(q.model.config, {name: tensor.grid for name, tensor in q.tensors.items()})
    rest = {name: value.detach() for name, value in q.model.state_dict().items() if name not in q.tensors}
    state = {name: value.clone(memory_format=torch.contiguous_format) for name, value in rest.items()}
    for name, tensor in q.tensors.items():
        state |= {f"{name.removesuffix('.weight')}.{key}": value for key, value in packed_parts(tensor).items()}
    model.load_state_dict(state, assign=True)
    model.cos, model.sin = rope_tables(model.config)
    return model.train(q.model.training)
