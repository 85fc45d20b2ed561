"""Load of this machine before a measurement, and samples repeated until their minimum is stable"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import psutil

FREE_CORES, LEAST_SHARE = 0.5, 0.8  # what others may use of a small machine, and what we need of our own core
TOLERANCE = 0.25  # above the fastest sample; on a quiet machine half of the samples lie within 0.15


@dataclass(frozen=True, kw_only=True)
class Load:
    """What else the processor does, and what it leaves."""

    others: float  # cores that other work keeps busy
    cores: int  # of the machine
    share: float  # of one core that this thread gets, 0 .. 1

    @property
    def busy(self) -> bool:
        """Whether times are worth little now: half a core of others, on many cores a quarter of them."""
        return self.others > max(FREE_CORES, self.cores / 4) or self.share < LEAST_SHARE

    def __str__(self) -> str:
        short = f", and a thread gets {self.share:.0%} of its core" if self.share < LEAST_SHARE else ""
        return f"other work keeps {self.others:.1f} of {self.cores} cores busy{short}"


def load(seconds: float = 0.2) -> Load:
    """The load over twice this time: first while this thread sleeps, then while it computes.

    Other threads of this process count as others. In a container the first is the host's load, the second sees also
    the container's own limit.
    """
    cores = psutil.cpu_count() or 1
    others = psutil.cpu_percent(interval=seconds) / 100 * cores
    wall, own = time.perf_counter(), time.thread_time()
    while time.perf_counter() - wall < seconds:
        pass
    share = min(1.0, (time.thread_time() - own) / (time.perf_counter() - wall))
    return Load(others=others, cores=cores, share=share)


def settled(samples: Sequence[float], *, tolerance: float = TOLERANCE) -> bool:
    """Whether half of these times lie within the tolerance above the smallest, which then is no lucky one."""
    return len(samples) > 1 and median(samples) <= (1 + tolerance) * min(samples)
