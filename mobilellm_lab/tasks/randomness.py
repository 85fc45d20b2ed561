"""Counter-based random integers: one hash of (seed, sequence, draw), the same in NumPy and C"""

import numpy as np

_SPLITS = ("train", "validation", "test")


def _mix(x: np.ndarray | np.uint32) -> np.ndarray | np.uint32:
    """x (uint32) scrambled. Source: "lowbias32" of Chris Wellons, Hash Prospector, 2018, public domain."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def hash_u32(seed: int, sequence: np.ndarray, draw: np.ndarray | int) -> np.ndarray:
    """uint32 of the shape of `sequence` and `draw` broadcast: `mix(mix(mix(seed) ^ sequence) ^ draw)`."""
    with np.errstate(over="ignore"):
        start = _mix(np.array(seed % 2**32, dtype=np.uint32))
        return _mix(_mix(start ^ np.asarray(sequence).astype(np.uint32)) ^ np.asarray(draw).astype(np.uint32))


def integers(high: np.ndarray | int, seed: int, sequence: np.ndarray, draw: np.ndarray | int) -> np.ndarray:
    """int64 in 0 .. high - 1: `hash * high >> 32`, as even as 32 bits allow."""
    return (hash_u32(seed, sequence, draw).astype(np.uint64) * np.asarray(high, np.uint64) >> np.uint64(32)).astype(
        np.int64
    )


def split_seed(seed: int, split: str) -> int:
    """The seed of one split; distinct for every (seed, split), and the same training seed never reaches held-out data.

    Raises:
        ValueError: an unknown split, or a seed outside 0 .. 2**30 - 1.
    """
    if split not in _SPLITS:
        raise ValueError(f"split={split!r}: choose one of {', '.join(_SPLITS)}")
    if not 0 <= seed < 2**30:
        raise ValueError(f"seed={seed}: must be between 0 and {2**30 - 1}")
    return seed * 3 + _SPLITS.index(split)
