"""Low-bit CPU kernels of torchao, of torch and of this package, each with its trap"""

import importlib.util
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.layers import PackedEmbedding, PackedLinear
from mobilellm_lab.quantization.libraries.copies import linear, twin_of, with_head
from mobilellm_lab.quantization.libraries.load import torchao
from mobilellm_lab.quantization.libraries.replacements import (
    GROUP,
    ROWS,
    by_packing,
    by_torch_ao,
    by_torchao,
    in_groups,
    int4_prototype,
    int4_unpacked,
    int8_dynamic,
    int8_weights,
    rows_by,
)

NO_CPU_INT4 = "torchao int4"  # Int4WeightOnlyConfig, under the name that people look for


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One way to run a model with few bits on this machine."""

    name: str
    bits: int  # of a weight
    caption: str  # what it does
    trap: str  # what it does not do, or what it costs
    successor: Callable[[nn.Linear], nn.Module]  # what takes the place of a Linear; the same one where it cannot
    table: Callable[[nn.Embedding], nn.Module] | None  # an embedding whose `weight` serves a tied head; None: untied
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
        ready = (with_head(model) if self.table is None else twin_of(model)).eval()
        places = [
            (parent, name, child)
            for parent in ready.modules()
            for name, child in parent.named_children()
            if type(child) is nn.Linear
        ]
        for number, (parent, name, child) in enumerate(places, 1):
            setattr(parent, name, self.successor(child))
            yield number / len(places)
        if self.table is not None:
            ready.embed = self.table(ready.embed)
        copies: dict[int, nn.Parameter] = {}  # what stays in float; what shares a tensor goes on sharing it
        for module in ready.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                if type(parameter.data) is Tensor:
                    clone = nn.Parameter(parameter.detach().clone(), requires_grad=False)
                    setattr(module, name, copies.setdefault(id(parameter), clone))
        return ready

    def prepare(self, model: Transformer) -> Transformer:
        """The model on this backend; `model` is left as it is.

        Where one table cannot serve embedding and head, the copy is untied, and its config says so.

        Raises:
            ValueError: this machine lacks what the backend needs, or the model is not in float32 on the CPU.
        """
        steps = self.preparing(model)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return done.value


def _no_torchao() -> str:
    return "" if importlib.util.find_spec("torchao") else "torchao is not installed, type `pip install torchao`"


def _no_engine() -> str:
    if {*torch.backends.quantized.supported_engines} - {"none"}:
        return ""
    return "this build of torch has no engine for quantized products (torch.backends.quantized.supported_engines)"


_ALL = (
    Backend(
        name="float32",
        bits=32,
        caption="the model that all others are compared with",
        trap="every token loads every weight in full",
        successor=lambda layer: layer,
        table=lambda embedding: embedding,
    ),
    Backend(
        name="torch.ao int8 dynamic",
        bits=8,
        caption="torch's own quantize_dynamic: int8 weights, inputs rounded for every product, integer arithmetic",
        trap=(
            "deprecated. It replaces Linears only: the head becomes int8, the embedding stays float32, and the table "
            "that they shared is stored twice. One scale for a whole matrix"
        ),
        successor=by_torch_ao,
        table=None,
        lacks=_no_engine,
    ),
    Backend(
        name="torchao int8 dynamic",
        bits=8,
        caption="the same idea in the library that is to replace it: a scale per channel and per token",
        trap=(
            "made for torch.compile. Without it every product starts a dozen operations more, and a small model "
            "does little but start operations"
        ),
        successor=by_torchao(int8_dynamic),
        table=rows_by(by_torchao(int8_dynamic)),
        lacks=_no_torchao,
    ),
    Backend(
        name="torchao int8 weight-only",
        bits=8,
        caption="int8 weights, a scale per channel; the product itself is in float32",
        trap="the file is small, but every token dequantizes each weight to float32 first",
        successor=by_torchao(int8_weights),
        table=rows_by(by_torchao(int8_weights)),
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
        successor=in_groups(int4_prototype, rows=ROWS),
        table=None,
        lacks=_no_torchao,
    ),
    Backend(
        name="torchao int4 (one per byte)",
        bits=4,
        caption=f"IntxWeightOnlyConfig: 16 levels, a scale per {GROUP}; made to be exported",
        trap="each 4-bit weight lies in a byte of its own: with more scales than int8 it is larger than int8",
        successor=in_groups(int4_unpacked),
        table=rows_by(in_groups(int4_unpacked)),
        lacks=_no_torchao,
    ),
    Backend(
        name="packed 4-bit (ours)",
        bits=4,
        caption=f"16 levels, two weights to a byte, a float16 scale per {GROUP}; unpacked by ordinary torch operations",
        trap="small, but each use dequantizes all weights in main memory; a real kernel does that in registers",
        successor=by_packing(PackedLinear),
        table=by_packing(PackedEmbedding),
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
    """Packing format of torchao's Int4WeightOnlyConfig -> the error with which it refuses this CPU, "" if it works."""
    q, said = torchao().quantization, {}
    for packing in q.quant_api.Int4PackingFormat:
        # Of bfloat16, since one format looks at the type first.
        box = nn.Sequential(linear(torch.ones(256, 256, dtype=torch.bfloat16)))
        config = q.Int4WeightOnlyConfig(group_size=GROUP, int4_packing_format=packing, set_inductor_config=False)
        try:
            q.quantize_(box, config)
            said[packing.value] = ""
        except (ImportError, NotImplementedError, AssertionError, RuntimeError) as error:
            said[packing.value] = f"{type(error).__name__}: {error}"
    return said
