"""Measured sweeps that the repository carries, each row with its provenance, and their reader."""

from pathlib import Path

from mobilellm_lab.sweeps import Store

FOLDER = Path(__file__).parent
SWEEPS = ("deep_narrow",)


def open_sweep(name: str) -> Store:
    """The store of the chapter called `name`; rows are dicts, see the chapter's `sweep` module.

    Raises:
        ValueError: no such chapter.
    """
    if name not in SWEEPS:
        raise ValueError(f"sweep={name!r}: choose one of {', '.join(SWEEPS)}")
    return Store(FOLDER / f"{name}.jsonl")


__all__ = ["FOLDER", "SWEEPS", "open_sweep"]
