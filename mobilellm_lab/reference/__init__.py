"""Measured sweeps that the repository carries, each row with its provenance, and their reader."""

from pathlib import Path

from mobilellm_lab.choices import advice
from mobilellm_lab.reference.models import MODELS, ModelSpec, ReferenceModel, load_model
from mobilellm_lab.reference.origin import Origin, origin
from mobilellm_lab.sweeps import Store

FOLDER = Path(__file__).parent


def sweep_names() -> tuple[str, ...]:
    """The stored sweeps: one file each."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.jsonl")))


def open_sweep(name: str) -> Store:
    """The stored sweep called `name`; its rows are dicts, see the modules that the chapter's `study/names.py` lists.

    Raises:
        ValueError: no such sweep.
    """
    if name not in sweep_names():
        raise ValueError(f"sweep={name!r}: {advice(name, sweep_names())}")
    return Store(FOLDER / f"{name}.jsonl")


__all__ = [
    "FOLDER",
    "MODELS",
    "ModelSpec",
    "Origin",
    "ReferenceModel",
    "load_model",
    "open_sweep",
    "origin",
    "sweep_names",
]
