"""Drop-in replacements for `nn.Linear`: around torchao's, torch.ao's or our own packed weights"""

from collections.abc import Callable
from types import ModuleType

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mobilellm_lab.quantization.grid import Grid, QTensor
from mobilellm_lab.quantization.layers import PackedMatrix, packed_parts
from mobilellm_lab.quantization.libraries.copies import linear
from mobilellm_lab.quantization.libraries.load import torchao, without_legacy_warnings

GROUP = 32  # neighbouring weights that share a scale, where a kernel has groups
PACKED = Grid(bits=4, group_size=GROUP)
ROWS = 16  # torch's int4 product takes outputs in blocks of as many


class Rows(nn.Module):
    """An embedding on a quantized table of torchao's, whose `weight` serves a tied head, too.

    It dequantizes the rows that it is asked for, where torchao's own lookup dequantizes the whole table at every token.
    """

    def __init__(self, weight: nn.Parameter):
        super().__init__()
        self.weight = weight

    def forward(self, tokens: Int[Tensor, "*B"]) -> Float[Tensor, "*B D"]:
        codes, scale = self.weight.qdata[tokens], self.weight.scale[tokens]  # (*B, D), (*B, groups)
        return (codes.unflatten(-1, (scale.shape[-1], -1)) * scale[..., None]).flatten(-2)


def by_torchao(make_config: Callable[[ModuleType], object]) -> Callable[[nn.Linear], nn.Module]:
    """The successor by `quantize_` with this configuration."""

    def successor(layer: nn.Linear) -> nn.Module:
        ao = torchao()
        # By rows: torchao keeps a matrix as it is stored, and its dynamic kernel would copy one that is laid out
        # `for_decoding` for every token.
        box = nn.Sequential(linear(layer.weight.detach().contiguous()))
        ao.quantize_(box, make_config(ao.quantization))
        return box[0]

    return successor


def in_groups(make_config: Callable[[ModuleType], object], *, rows: int = 1) -> Callable[[nn.Linear], nn.Module]:
    """The same, for a kernel that takes whole groups of inputs and of outputs only: other matrices stay in float."""
    convert = by_torchao(make_config)
    return lambda layer: layer if layer.in_features % GROUP or layer.out_features % rows else convert(layer)


def rows_by(convert: Callable[[nn.Linear], nn.Module]) -> Callable[[nn.Embedding], nn.Module]:
    """The table converted as a Linear would be; a lookup and a product need the same codes."""

    def table(embedding: nn.Embedding) -> nn.Module:
        made = convert(linear(embedding.weight.detach()))
        return embedding if type(made.weight.data) is Tensor else Rows(made.weight)

    return table


def by_packing(kind: type[PackedMatrix]) -> Callable[[nn.Module], nn.Module]:
    """The successor that unpacks at each use."""

    def successor(layer: nn.Linear | nn.Embedding) -> nn.Module:
        tensor = QTensor.of(layer.weight.detach(), PACKED)
        made = kind(PACKED, tensor.shape)
        made.load_state_dict(packed_parts(tensor), assign=True)
        return made

    return successor


def by_torch_ao(layer: nn.Linear) -> nn.Module:
    """The successor by `quantize_dynamic`, as everybody calls it: one scale for the matrix."""
    with without_legacy_warnings():
        box = nn.Sequential(linear(layer.weight.detach()))
        return torch.ao.quantization.quantize_dynamic(box, {nn.Linear}, dtype=torch.qint8)[0]


def int8_weights(q: ModuleType) -> object:
    """Codes by row; without `False` it would change the compiler's settings, for everybody."""
    return q.Int8WeightOnlyConfig(set_inductor_config=False)


def int8_dynamic(q: ModuleType) -> object:
    """Products of two int8 are summed in 16 bits by older processors, and overflow there unless a bit is left out."""
    narrow = torchao().utils.should_reduce_range(torch.device("cpu"))
    return q.Int8DynamicActivationInt8WeightConfig(set_inductor_config=False, reduce_range=narrow)


def int4_unpacked(q: ModuleType) -> object:
    """16 levels in groups, a byte each: what ExecuTorch's exporter reads."""
    return q.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=q.PerGroup(GROUP))


def int4_prototype(q: ModuleType) -> object:
    """16 levels in groups, for torch's `_weight_int4pack_mm_for_cpu`."""
    config = torchao().prototype.quantization.int4.PrototypeInt4WeightOnlyConfig
    return config(group_size=GROUP, set_inductor_config=False)
