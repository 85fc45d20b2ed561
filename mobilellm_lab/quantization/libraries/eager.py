"""Eager static int8 quantization (prepare, calibrate, convert) of a transformer with torch.ao

Static: the range of every activation is measured beforehand, on calibration data, and kept. So activations travel as
8-bit tensors, which few operations accept. Here each Linear stands between a stub that quantizes its input and one that
dequantizes its output; norms, attention products and sums stay in float, since torch has no int8 kernels for them. The
embedding is quantized by the only configuration that torch allows for it, or left alone.

    ready = quantize_static(model, calibration_batches)     # or the four steps by hand:
    prepared = prepare(model); calibrate(prepared, batches); ready = convert(prepared)
    save(ready, "quantized.pt"); same = load("quantized.pt", model.config)

What goes wrong without stubs is in `article.py`, a block to repair in `stubs.py`.
Source of the flow: torch.ao.quantization's documentation, "Eager Mode Quantization".
"""

import copy
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization.libraries import converted
from mobilellm_lab.quantization.libraries.copies import with_head
from mobilellm_lab.quantization.libraries.load import without_legacy_warnings
from mobilellm_lab.quantization.quantized import require_floats
from mobilellm_lab.tasks import Batch


class Table(nn.Module):
    """An embedding that may be swapped for torch.ao's, whose `weight` is a method where everybody expects a tensor."""

    def __init__(self, rows: nn.Embedding):
        super().__init__()
        self.rows = rows

    @property
    def weight(self) -> Float[Tensor, "V E"]:
        """The table in float, whatever it is stored in."""
        weight = self.rows.weight
        return weight if isinstance(weight, Tensor) else weight().dequantize()

    def forward(self, tokens: Int[Tensor, "*B"]) -> Float[Tensor, "*B E"]:
        return self.rows(tokens.contiguous())  # its kernel refuses a slice


def prepare(model: Transformer, *, quantize_embedding: bool = True) -> Transformer:
    """A copy of the model with stubs around every Linear and observers in place, ready for `calibrate`.

    The output layer becomes a Linear of its own (`with_head`), a block that runs twice is observed over both runs. The
    configuration is that of torch's engine for this processor, `torch.backends.quantized.engine`. "x86", the article's,
    gives activations 7 bits and not 8 (`reduce_range`): on older processors its sums of products would overflow.

    Args:
        quantize_embedding: 8 bits, a scale and a zero per row; else it stays in float32.

    Raises:
        ValueError: this build of torch has no engine, or the model is not in float32.
    """
    engine = torch.backends.quantized.engine
    if engine == "none":
        raise ValueError("engine='none': this build of torch has no quantized kernels, take a backend of torchao")
    require_floats(model)
    stubbed = copy.deepcopy(with_head(model)).eval()
    for parent in list(stubbed.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, torch.ao.quantization.QuantWrapper(child))
    stubbed.embed = Table(stubbed.embed)
    stubbed.qconfig = torch.ao.quantization.get_default_qconfig(
        engine
    )  # every module without one of its own inherits it
    rows = torch.ao.quantization.float_qparams_weight_only_qconfig if quantize_embedding else None
    stubbed.embed.rows.qconfig = rows
    with without_legacy_warnings():
        return torch.ao.quantization.prepare(stubbed, inplace=True)


def calibrate(prepared: Transformer, batches: Iterable[Batch]) -> int:
    """Shows the observers what activations look like on these tokens; returns the number of sequences.

    Raises:
        ValueError: no batch.
    """
    seen = 0
    with torch.no_grad(), without_legacy_warnings():
        for batch in batches:
            prepared(batch.tokens)
            seen += len(batch.tokens)
    if not seen:
        raise ValueError("batches is empty: give real sequences, such as a few of `task.batch(i, 16)`")
    return seen


def convert(prepared: Transformer) -> Transformer:
    """The quantized model: every stub and Linear becomes its int8 counterpart. `prepared` is left as it is.

    Raises:
        ValueError: an observer has seen nothing. torch itself only warns, and takes 1 for every scale.
    """
    blind = observers_without_data(prepared)
    if blind:
        raise ValueError(
            f"{len(blind)} observers have seen no data, the first that of {blind[0]}: "
            "call `calibrate(prepared, batches)` first"
        )
    return _converted(prepared)


def observers_without_data(prepared: nn.Module) -> list[str]:
    """Names of the modules whose output nobody has seen since `prepare`, in order."""
    return [
        name.removesuffix(".activation_post_process")
        for name, module in prepared.named_modules()
        if name.endswith("activation_post_process") and hasattr(module, "min_val") and not _finite(module.min_val)
    ]


def quantize_static(model: Transformer, batches: Iterable[Batch], *, quantize_embedding: bool = True) -> Transformer:
    """Prepare, calibrate, convert; see there. `model` is left as it is.

    Raises:
        ValueError: no batch, this build of torch has no engine, or the model is not in float32.
    """
    prepared = prepare(model, quantize_embedding=quantize_embedding)
    calibrate(prepared, batches)
    return convert(prepared)


def save(quantized: Transformer, path: str | Path) -> None:
    """Writes the state dict, whole or not at all: codes, scales and zero points, no modules and no code."""
    converted.save(quantized, path)


def load(path: str | Path, config: ModelConfig, *, quantize_embedding: bool = True) -> Transformer:
    """The model that `save` wrote, to the last bit.

    In the order that the article demands: the architecture, prepare, convert, and only then the state dict. Ranges are
    in the file, so nothing is calibrated.

    Raises:
        ValueError: no such file, a damaged one, or one of another shape.
    """
    state = converted.read_state(path)
    empty = _converted(prepare(Transformer(config), quantize_embedding=quantize_embedding))
    converted.require_shapes(state, empty, path)
    try:
        empty.load_state_dict(state)
    except (RuntimeError, AttributeError, KeyError) as error:
        raise ValueError(
            f"path={str(path)!r} does not fit this config with quantize_embedding={quantize_embedding}: "
            "give those that it was saved with"
        ) from error
    return empty


def _finite(low: Tensor) -> bool:
    return low.numel() > 0 and bool(low.isfinite().all())


def _converted(prepared: Transformer) -> Transformer:
    with without_legacy_warnings(), warnings.catch_warnings():
        # Observers that have seen nothing: an error in `convert`, and right in `load`, whose file has the scales.
        warnings.filterwarnings("ignore", "must run observer before calling calculate_qparams")
        return torch.ao.quantization.convert(prepared, inplace=False)
