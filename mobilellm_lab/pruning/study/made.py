"""Model that a recipe made: what answers, its zeros, and its bytes by formula and as written"""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mobilellm_lab import checkpoints
from mobilellm_lab.measuring import OnDisk, Theoretical, on_disk
from mobilellm_lab.model import Transformer
from mobilellm_lab.pruning.combined import bitmap_bytes, quantize_pruned, to_bitmap
from mobilellm_lab.pruning.files import save_sparse
from mobilellm_lab.pruning.masks import PrunedModel
from mobilellm_lab.pruning.storage import theoretical_bytes
from mobilellm_lab.quantization.files import save_quantized
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.ptq import quantize
from mobilellm_lab.quantization.quantized import QuantizedModel, matrices

FORMATS = ("dense", "bitmap", "csr int32", "csr int64")


@dataclass(frozen=True, kw_only=True)
class Zeros:
    """Zeros of a pruned model, each share with its denominator."""

    by_matrix: dict[str, float]  # share of each pruned matrix
    sparsity: float  # of the prunable weights, which are those of the pruned matrices
    of_all: float  # of all weights


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Bytes of a pruned model, by formula and as written."""

    theory: dict[str, Theoretical]  # by format, all weights counted; no header
    on_disk: OnDisk  # the folder that was really written
    stored_as: str  # the format of that folder


@dataclass(frozen=True, eq=False, kw_only=True)
class Made:
    """A pruned model as it answers."""

    masked: PrunedModel  # the dense shape with zeros
    small: Transformer | None = None  # where whole groups are gone: the smaller dense model that answers alike
    quantized: QuantizedModel | None = None  # where it was rounded afterwards

    @property
    def answering(self) -> Transformer:
        """The model that is evaluated."""
        if self.quantized is not None:
            return self.quantized.model
        return self.masked.model if self.small is None else self.small

    def rounded(self, grid: Grid) -> "Made":
        """This with the weights of its blocks on a grid by RTN, its zeros kept."""
        if self.small is None and self.masked.masks:
            return Made(masked=self.masked, quantized=quantize_pruned(self.masked, grid))
        dense = self.masked.model if self.small is None else self.small
        return Made(masked=self.masked, small=self.small, quantized=quantize(dense, grid, layers="blocks"))

    def recovered(self, trained: PrunedModel) -> "Made":
        """This after fine-tuning: what was trained in the place of the masked model, or of the smaller one."""
        if self.small is None:
            return Made(masked=trained)
        return Made(masked=self.masked, small=trained.model)

    @cached_property
    def zeros(self) -> Zeros:
        """Its zeros, counted after any rounding; of a smaller model, those of the dense shape."""
        own = matrices(self.masked.model if self.small is not None else self.answering)
        counts = {name: int((own[name] == 0).sum()) for name in self.masked.masks}
        prunable = sum(own[name].numel() for name in counts)
        return Zeros(
            by_matrix={name: count / own[name].numel() for name, count in counts.items()},
            sparsity=sum(counts.values()) / max(1, prunable),
            of_all=sum(counts.values()) / sum(p.numel() for p in self.masked.model.parameters()),
        )

    def sizes(self) -> Sizes:
        """Its bytes by formula, and those of a file, which is gone afterwards."""
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "pruned"
            if self.quantized is not None:
                theory, stored_as = self._packed(folder)
            elif self.small is not None:
                checkpoints.save(self.small, folder)
                theory, stored_as = {"dense": _floats(self.small)}, "dense"
            else:
                theory = {form: theoretical_bytes(self.masked, form) for form in FORMATS}
                stored_as = "bitmap" if self.masked.masks else "dense"
                save_sparse(self.masked, folder, format=stored_as)
            return Sizes(theory=theory, on_disk=on_disk(folder), stored_as=stored_as)

    def _packed(self, folder: Path) -> tuple[dict[str, Theoretical], str]:
        """Bytes by formula of the rounded model, which is written; with a bitmap where it has zeros."""
        q = self.quantized
        rest = {name: p.detach() for name, p in q.model.named_parameters() if name not in q.tensors}
        floats, codes = sum(p.nbytes for p in rest.values()), sum(tensor.nbytes for tensor in q.tensors.values())
        theory = {"packed": Theoretical(bytes=floats + codes)}
        if not self.masked.masks or self.small is not None:
            save_quantized(q, folder)
            return theory, "packed"
        theory["bitmap"] = Theoretical(bytes=floats + sum(map(bitmap_bytes, q.tensors.values())))
        state = {name: value.contiguous() for name, value in rest.items()}
        for name, tensor in q.tensors.items():
            state |= {f"{name.removesuffix('.weight')}.{part}": value for part, value in to_bitmap(tensor).items()}
        checkpoints.write_folder(folder, {"grid": vars(next(iter(q.tensors.values())).grid)}, state)
        return theory, "bitmap"


def _floats(model: Transformer) -> Theoretical:
    return Theoretical(bytes=sum(p.nbytes for p in model.parameters()))
