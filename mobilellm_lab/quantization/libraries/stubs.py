"""Attention block with quantization stubs to place, so that it survives convert

`AttentionBlock` holds two Linears, two QuantStubs, two DeQuantStubs and the arithmetic between them; how they are put
together is a function `attend(block, x)`, which the reader writes. `survives(attend)` takes it through the article's
flow (float run, prepare, calibrate on sequences, convert, run) and says how far it came:

    def attend(block, x):                     # as in tutorials: one stub at each end
        x = block.quant_a(x)
        y = block.mix(*block.split(block.qkv(x)))
        return block.dequant_b(block.out(y))

    print(survives(attend))    # failed at run: ... Could not run 'aten::bmm.out' with arguments from the 'QuantizedCPU'

A QuantStub observes before convert and quantizes after it; it has one range, so it serves one place. A DeQuantStub
gives floats back. After convert a Linear takes int8 only; `split` takes both, `mix` takes floats only.
"""

import copy
import math
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.ao.nn.quantized as nnq
from jaxtyping import Float
from torch import Tensor, nn

from mobilellm_lab.quantization.libraries.eager import observers_without_data
from mobilellm_lab.quantization.libraries.load import without_legacy_warnings

STAGES = ("float", "calibrate", "convert", "run", "survived")
LINEARS, QUANTS = ("qkv", "out"), ("quant_a", "quant_b")
TOLERANCE = 0.1  # of the float output: the repaired block is off by 4 to 7 % (tests/quantization/test_eager.py)
CALIBRATION, SEQUENCES, LENGTH, DIM = 8, 4, 12, 32  # batches of so many sequences, positions and channels


class AttentionBlock(nn.Module):
    """Causal attention over (B, T, D), with `attend(block, x)` as its forward pass."""

    def __init__(self, attend: Callable[["AttentionBlock", Tensor], Tensor], *, n_heads: int = 4, seed: int = 0):
        super().__init__()
        self.attend, self.n_heads = attend, n_heads
        self.quant_a, self.quant_b = torch.ao.quantization.QuantStub(), torch.ao.quantization.QuantStub()
        self.dequant_a, self.dequant_b = torch.ao.quantization.DeQuantStub(), torch.ao.quantization.DeQuantStub()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.qkv, self.out = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)

    def split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (B, H, T, Dh) each, of (B, T, 3 D): views, which int8 tensors have, too."""
        B, T, _ = qkv.shape
        return qkv.view(B, T, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What each position takes from those before it, (B, T, D), of (B, H, T, Dh) each: two products and a softmax.

        Not said to be floats, so that it is torch that refuses int8 tensors.
        """
        T = q.shape[2]
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5  # (B, H, T, T)
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        y = scores.masked_fill(future, -torch.inf).softmax(-1) @ v
        return y.transpose(1, 2).flatten(2)

    def forward(self, x: Float[Tensor, "B T D"]) -> Tensor:
        return self.attend(self, x)


@dataclass(frozen=True, kw_only=True)
class Survival:
    """How far a block came, and what was left of it."""

    stage: str  # the last of STAGES that it reached; the one in which it failed, or "survived"
    error: Exception | None  # what it raised there
    quantized: tuple[str, ...]  # those of LINEARS that ran as int8 kernels
    entered: tuple[str, ...]  # those of QUANTS that had made int8 of something by then
    blind: tuple[str, ...]  # stubs and Linears that calibration never reached: their scale stays 1
    shared: tuple[str, ...]  # stubs that quantized at two places or more: one range for tensors of different size
    relative_error: float  # |y - y of the float block| over |y|, root mean squares; infinite where it did not run

    @property
    def survived(self) -> bool:
        """It ran, with both Linears in int8, each stub at one place, and near the float block."""
        sound = self.stage == "survived" and not self.shared and self.relative_error < TOLERANCE
        return sound and self.quantized == LINEARS

    def __str__(self) -> str:
        if self.error is not None:
            return f"failed at {self.stage}: {type(self.error).__name__}: {first_sentence(self.error)}"
        return f"ran with {' and '.join(self.quantized) or 'nothing'} in int8, {self.relative_error:.1%} off"


def first_sentence(error: Exception) -> str:
    """The beginning of a message: torch's go on for pages."""
    return str(error).splitlines()[0].split(". ")[0]


def survives(attend: Callable[[AttentionBlock, Tensor], Tensor], *, seed: int = 0) -> Survival:
    """Takes a block with this forward pass through float, calibrate, convert and a run on new sequences.

    From calibration on, what `attend` raises is in the result. A block that does not even run in float raises.
    """
    generator = torch.Generator().manual_seed(seed)
    *calibration, new = (_sequences(generator) for _ in range(CALIBRATION + 1))
    block = AttentionBlock(attend, seed=seed).eval()
    with torch.no_grad():
        wanted = block(new)
    prepared = copy.deepcopy(block)
    prepared.qconfig = torch.ao.quantization.get_default_qconfig(torch.backends.quantized.engine)
    calls: Counter[str] = Counter()
    found = {"quantized": (), "entered": (), "blind": (), "shared": (), "relative_error": math.inf}
    stage = "calibrate"
    try:
        with torch.no_grad(), without_legacy_warnings(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "must run observer before calling calculate_qparams")  # it is in `blind`
            torch.ao.quantization.prepare(prepared, inplace=True)
            _count(prepared, calls)
            for x in calibration:
                prepared(x)
            found["blind"] = tuple(observers_without_data(prepared))
            found["shared"] = tuple(name for name in QUANTS if calls[name] > len(calibration))
            stage = "convert"
            ready = torch.ao.quantization.convert(prepared, inplace=False)
            stage = "run"
            calls.clear()
            _count(ready, calls)
            try:
                y = ready(new)
            finally:
                int8 = (name for name in LINEARS if isinstance(getattr(ready, name), nnq.Linear))
                found["quantized"] = tuple(name for name in int8 if calls[name])
                found["entered"] = tuple(name for name in QUANTS if calls[name])
            found["relative_error"] = float((y - wanted).norm() / wanted.norm())
    except Exception as error:  # whatever the reader's function does; the cause, where a check has wrapped it
        return Survival(stage=stage, error=error.__cause__ or error, **found)
    return Survival(stage="survived", error=None, **found)


def _sequences(generator: torch.Generator) -> Float[Tensor, "B T D"]:
    """Activations as a model has them: two channels are larger than all others."""
    x = torch.randn(SEQUENCES, LENGTH, DIM, generator=generator)
    x[..., :2] *= 3
    return x


def _count(block: AttentionBlock, calls: Counter[str]) -> None:
    """Counts how often each part of the block has run to its end, from now on."""
    for name, part in block.named_children():
        part.register_forward_hook(lambda *_, name=name: calls.update([name]))
