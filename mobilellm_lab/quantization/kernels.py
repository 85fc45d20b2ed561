"""Kernels that really calculate with few bits on a CPU: torchao's and torch's own, each with the trap it sets"""

import copy
import importlib.util
import logging
import re
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mobilellm_lab.model import Transformer

GROUP = 32  # neighbouring weights that share a scale, where a kernel has groups
ROWS = 16  # torch's int4 product takes outputs in blocks of as many
DEPRECATED = "torch.ao.quantization is deprecated and will be removed in 2.10"  # said by 2.13, where it still is
NO_CPU_INT4 = "torchao int4"  # Int4WeightOnlyConfig, under the name that people look for
_LEGACY = (  # what torch.ao warns of on every use; none of it is the reader's doing
    DEPRECATED,
    "torch.quantize_per_tensor, torch.quantize_per_channel",  # its tensors are deprecated, too
    "Please use quant_min and quant_max",  # torch's own qconfigs still ask for reduce_range
    "TypedStorage is deprecated",  # as it rebuilds quantized tensors from a file
)


def torchao() -> ModuleType:
    """torchao, imported here and nowhere else, without its noise. It takes about a second.

    Its wheel carries two libraries for CUDA that a CPU cannot load, and one call of its own is deprecated; it says so
    on every import, and neither matters here.

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


def linear(weight: Float[Tensor, "out in"]) -> nn.Linear:
    """A Linear around this very tensor; nothing is drawn, nothing copied."""
    layer = nn.Linear(1, 1, bias=False)
    layer.weight, (layer.out_features, layer.in_features) = nn.Parameter(weight, requires_grad=False), weight.shape
    return layer


def with_head(model: Transformer) -> Transformer:
    """The same model as most libraries build it: the output layer is a Linear that shares the embedding's table.

    Converters replace modules. Our tied output layer is none, but a product with the table: whatever they do to a
    tied model of ours, it stays in float. All tensors are shared with `model`, so train neither.
    """
    tensors = (*model.parameters(), *model.buffers())
    twin = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    if model.config.tie_embeddings:
        twin.config = replace(model.config, tie_embeddings=False)
        twin.head = linear(twin.embed.weight.detach())
        twin.head.weight = twin.embed.weight
    return twin


class Rows(nn.Module):
    """An embedding that reads the rows it is asked for from a quantized table: no other row is dequantized.

    torchao's own lookup dequantizes the whole table for every token.
    """

    def __init__(self, weight: nn.Parameter):
        super().__init__()
        self.weight = weight

    def forward(self, tokens: Int[Tensor, "*B"]) -> Float[Tensor, "*B D"]:
        codes, scale = self.weight.qdata[tokens], self.weight.scale[tokens]  # (*B, D), (*B, groups)
        return (codes.unflatten(-1, (scale.shape[-1], -1)) * scale[..., None]).flatten(-2)


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One way to run a model with few bits here and now."""

    name: str
    bits: int  # of a weight
    caption: str  # what it does
    trap: str  # what it does not do, or what it costs
    successor: Callable[[nn.Linear], nn.Module]  # what takes the place of a Linear; the same one where it cannot
    retie: Callable[[nn.Module], nn.Module] | None = None  # embedding that reads the new head's table, if there is one
    lacks: Callable[[], str] = lambda: ""  # what this machine lacks for it; "" for nothing

    def preparing(self, model: Transformer) -> Generator[float, None, Transformer]:
        """Yields the share of the matrices that are converted; the generator's value is the model. See `prepare`."""
        if lacking := self.lacks():
            raise ValueError(f"backend={self.name!r}: {lacking}")
        weight = model.embed.weight
        if weight.dtype != torch.float32 or weight.device.type != "cpu":
            raise ValueError(
                f"backend={self.name!r}: give a float32 model on the CPU, not {weight.dtype} {weight.device}"
            )
        ready = with_head(model).eval()
        places = [
            (parent, name, child)
            for parent in ready.modules()
            for name, child in parent.named_children()
            if type(child) is nn.Linear
        ]
        for number, (parent, name, child) in enumerate(places, 1):
            setattr(parent, name, self.successor(child))
            yield number / len(places)
        if self.retie is not None and model.config.tie_embeddings:
            ready.embed = self.retie(ready.head)
        copies: dict[int, nn.Parameter] = {}  # what stays in float; what shares a tensor goes on sharing it
        for module in ready.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                if type(parameter.data) is Tensor:
                    clone = nn.Parameter(parameter.detach().clone(), requires_grad=False)
                    setattr(module, name, copies.setdefault(id(parameter), clone))
        return ready

    def prepare(self, model: Transformer) -> Transformer:
        """The model on this backend, with a head of its own (`with_head`); `model` is left as it is.

        Raises:
            ValueError: this machine lacks what the backend needs, or the model is not in float32 on the CPU.
        """
        steps = self.preparing(model)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return done.value


def _torchao(make_config: Callable[[ModuleType], object]) -> Callable[[nn.Linear], nn.Module]:
    """The successor by `quantize_` with this configuration."""

    def successor(layer: nn.Linear) -> nn.Module:
        ao = torchao()
        # By rows: torchao keeps a matrix as it is stored, and its dynamic kernel would copy ours, which are stored by
        # columns, for every token.
        box = nn.Sequential(linear(layer.weight.detach().contiguous()))
        ao.quantize_(box, make_config(ao.quantization))
        return box[0]

    return successor


def _in_groups(make_config: Callable[[ModuleType], object], *, rows: int = 1) -> Callable[[nn.Linear], nn.Module]:
    """The same, for a kernel that takes whole groups of inputs and of outputs only: other matrices stay in float."""
    convert = _torchao(make_config)
    return lambda layer: layer if layer.in_features % GROUP or layer.out_features % rows else convert(layer)


def _torch_ao(layer: nn.Linear) -> nn.Module:
    with without_legacy_warnings():
        box = nn.Sequential(linear(layer.weight.detach()))
        return torch.ao.quantization.quantize_dynamic(box, {nn.Linear}, dtype=torch.qint8)[0]


def _no_torchao() -> str:
    return "" if importlib.util.find_spec("torchao") else "torchao is not installed, type `pip install torchao`"


def _no_engine() -> str:
    if {*torch.backends.quantized.supported_engines} - {"none"}:
        return ""
    return "this build of torch has no engine for quantized products (torch.backends.quantized.supported_engines)"


def _int8_weights(q: ModuleType) -> object:
    return q.Int8WeightOnlyConfig(set_inductor_config=False)  # else it changes the compiler's settings, for everybody


def _int8_dynamic(q: ModuleType) -> object:
    return q.Int8DynamicActivationInt8WeightConfig(set_inductor_config=False)


def _int4_unpacked(q: ModuleType) -> object:
    return q.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=q.PerGroup(GROUP))


def _int4_prototype(q: ModuleType) -> object:
    config = torchao().prototype.quantization.int4.PrototypeInt4WeightOnlyConfig
    return config(group_size=GROUP, set_inductor_config=False)


_ALL = (
    Backend(
        name="float32",
        bits=32,
        caption="what everything is compared with",
        trap="every weight is read in full for every token",
        successor=lambda layer: layer,
    ),
    Backend(
        name="torch.ao int8 dynamic",
        bits=8,
        caption="torch's own quantize_dynamic: int8 weights, inputs rounded for every product, integer arithmetic",
        trap=(
            "deprecated. It replaces Linears only: the head becomes int8, the embedding stays float32, and the table "
            "that they shared is stored twice. One scale for a whole matrix"
        ),
        successor=_torch_ao,
        lacks=_no_engine,
    ),
    Backend(
        name="torchao int8 dynamic",
        bits=8,
        caption="the same idea in the library that is to replace it: a scale per row and per token",
        trap=(
            "made for torch.compile. Without it every product starts about ten operations more, and a small model "
            "does nothing but start operations"
        ),
        successor=_torchao(_int8_dynamic),
        retie=lambda head: Rows(head.weight),
        lacks=_no_torchao,
    ),
    Backend(
        name="torchao int8 weight-only",
        bits=8,
        caption="int8 weights, a scale per row; the product itself is in float32",
        trap="the file is small, but for every token each weight is turned back into a float32 first",
        successor=_torchao(_int8_weights),
        retie=lambda head: Rows(head.weight),
        lacks=_no_torchao,
    ),
    Backend(
        name="torchao int4 (prototype)",
        bits=4,
        caption=f"torch's own int4 product, two weights to a byte, a scale and a zero per {GROUP}",
        trap=(
            f"a prototype. A matrix whose inputs are no multiple of {GROUP} is left in float32 without a word, and one "
            f"whose outputs are no multiple of {ROWS} is an error (here it is left in float32, too). Its packed table "
            "cannot be read row by row, so the embedding stays float32"
        ),
        successor=_in_groups(_int4_prototype, rows=ROWS),
        lacks=_no_torchao,
    ),
    Backend(
        name="torchao int4 (one per byte)",
        bits=4,
        caption=f"IntxWeightOnlyConfig: 16 levels, a scale per {GROUP}; made to be exported",
        trap="each 4-bit weight lies in a byte of its own: with more scales than int8 it is larger than int8",
        successor=_in_groups(_int4_unpacked),
        retie=lambda head: Rows(head.weight),
        lacks=_no_torchao,
    ),
)
BACKENDS = {backend.name: backend for backend in _ALL}


def find_backend(name: str) -> Backend:
    """The backend called `name`.

    Raises:
        ValueError: there is none; for "torchao int4", which has no CPU kernel, with what to take instead.
    """
    if name == NO_CPU_INT4:
        raise ValueError(
            f"backend={name!r}: Int4WeightOnlyConfig has no kernel for this CPU in any of its packing formats "
            "(`int4_refusals()` shows what each says): choose 'torchao int4 (prototype)' or 'packed 4-bit (ours)'"
        )
    if name not in BACKENDS:
        raise ValueError(f"backend={name!r}: choose one of {', '.join(BACKENDS)}")
    return BACKENDS[name]


def int4_refusals() -> dict[str, str]:
    """Packing format of torchao's Int4WeightOnlyConfig -> the error with which it refuses this CPU, "" if it does not.

    Do not install what the first two ask for: PyPI's `mslk` is an empty 0.0.0.
    """
    q, said = torchao().quantization, {}
    from torchao.quantization.quantize_.workflows import Int4PackingFormat

    for packing in Int4PackingFormat:
        # Of bfloat16, since one format looks at the type first.
        box = nn.Sequential(linear(torch.ones(256, 256, dtype=torch.bfloat16)))
        config = q.Int4WeightOnlyConfig(group_size=GROUP, int4_packing_format=packing, set_inductor_config=False)
        try:
            q.quantize_(box, config)
            said[packing.value] = ""
        except (ImportError, NotImplementedError, AssertionError, RuntimeError) as error:
            said[packing.value] = f"{type(error).__name__}: {error}"
    return said
