"""Four columns that never mix: theoretical size, size on disk, size in memory, measured time."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil
import torch

from mobilellm_lab import footprint
from mobilellm_lab.measuring.latency import Latency
from mobilellm_lab.model import ModelConfig, Transformer

MIB = 2**20


class _Column(ABC):
    """A quantity that adds to, compares with and is divided by its own kind only; plain numbers may scale it."""

    KIND: ClassVar[str]  # its name in errors and prints

    @property
    @abstractmethod
    def _number(self) -> int | float: ...

    @abstractmethod
    def _made(self, number: int | float) -> "_Column": ...

    def _same(self, other: object, verb: str) -> int | float:
        if type(other) is type(self):
            return other._number
        found = other.KIND if isinstance(other, _Column) else f"{other!r}, a plain {type(other).__name__}"
        raise TypeError(
            f"cannot {verb} {self} and {found}: {self.KIND} is a column of its own; print them side by side, "
            "or take the bare numbers (.bytes, .ms) and say what the result means"
        )

    def __add__(self, other: object) -> "_Column":
        return self._made(self._number + self._same(other, "add"))

    def __radd__(self, other: object) -> "_Column":
        if other == 0 and type(other) is int:  # where sum() starts
            return self
        return self._made(self._number + self._same(other, "add"))

    def __sub__(self, other: object) -> "_Column":
        return self._made(self._number - self._same(other, "subtract"))

    def __lt__(self, other: object) -> bool:
        return self._number < self._same(other, "compare")

    def __le__(self, other: object) -> bool:
        return self._number <= self._same(other, "compare")

    def __gt__(self, other: object) -> bool:
        return self._number > self._same(other, "compare")

    def __ge__(self, other: object) -> bool:
        return self._number >= self._same(other, "compare")

    def __eq__(self, other: object) -> bool:
        return self._number == self._same(other, "compare")

    def __hash__(self) -> int:
        return hash((type(self), self._number))

    def __mul__(self, factor: object) -> "_Column":
        if not isinstance(factor, int | float):
            raise TypeError(f"cannot multiply {self} by {factor!r}: a plain number scales it, nothing else does")
        return self._made(self._number * factor)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> "_Column | float":
        """Ratio to another value of the column, or this divided by a plain number."""
        if isinstance(other, int | float):
            return self._made(self._number / other)
        return self._number / self._same(other, "divide")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Size(_Column):
    bytes: int | float

    def __post_init__(self) -> None:
        if not isinstance(self.bytes, int | float):
            raise TypeError(f"bytes={self.bytes}: give a plain number of bytes")

    @property
    def _number(self) -> int | float:
        return self.bytes

    def _made(self, number: int | float) -> "_Column":
        return type(self)(bytes=number)

    @property
    def mib(self) -> float:
        """Size in MiB, 2**20 bytes."""
        return self.bytes / MIB

    def __str__(self) -> str:
        return f"{self.mib:.4g} MiB ({self.KIND})"


class Theoretical(_Size):
    """Bytes by formula; nothing was built."""

    KIND = "theoretical"


class OnDisk(_Size):
    """Bytes of a file, its header and padding included."""

    KIND = "on disk"


class InMemory(_Size):
    """Bytes of live tensors or of a process."""

    KIND = "in memory"


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured(_Column):
    """A measured duration, in milliseconds."""

    ms: float
    KIND: ClassVar[str] = "measured"

    def __post_init__(self) -> None:
        if not isinstance(self.ms, int | float):
            raise TypeError(f"ms={self.ms}: give a plain number of milliseconds")

    @property
    def _number(self) -> int | float:
        return self.ms

    def _made(self, number: int | float) -> "_Column":
        return type(self)(ms=number)

    def __str__(self) -> str:
        return f"{self.ms:.4g} ms ({self.KIND})"


def theoretical_weights(config: ModelConfig, *, bits_per_weight: int | float = 16) -> Theoretical:
    """Bytes of all weights by formula; a shared block and a tied table count once."""
    return Theoretical(bytes=footprint.weight_bytes(config, bits_per_weight=bits_per_weight))


def theoretical_kv(
    config: ModelConfig, *, context: int, batch: int = 1, bits_per_value: int | float = 16
) -> Theoretical:
    """Bytes of the KV cache by formula, for `batch` sequences of `context` positions.

    Raises:
        ValueError: a negative context, no sequence, or bits that are not positive.
    """
    if context < 0 or batch < 1:
        raise ValueError(f"context={context}, batch={batch}: give 0 or more positions of at least 1 sequence")
    each = footprint.kv_bytes_per_token(config, bytes_per_value=bits_per_value / 8)
    return Theoretical(bytes=batch * context * each)


def on_disk(*paths: str | Path) -> OnDisk:
    """Bytes of these files together; of a folder, every file below it counts.

    Raises:
        ValueError: no such file or folder.
    """
    files = []
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f"path={str(path)!r}: no such file or folder; give what was saved")
        files += [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return OnDisk(bytes=sum(file.stat().st_size for file in files))


def in_memory(model: Transformer | torch.nn.Module) -> InMemory:
    """Bytes of a live module's parameters and buffers; storage that two of them share counts once."""
    tensors = (*model.parameters(), *model.buffers())
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return InMemory(bytes=sum(storages.values()))


def resident(pid: int | None = None) -> InMemory:
    """Resident set of a process now, of this one unless `pid` names another.

    Raises:
        ValueError: no such process.
    """
    try:
        return InMemory(bytes=psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess as error:
        raise ValueError(f"pid={pid}: no such process, give one that runs") from error


def measured(latency: Latency) -> Measured:
    """The median of a latency as its column."""
    return Measured(ms=latency.median_ms)
