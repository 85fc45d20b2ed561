"""Measured sweeps that the repository carries, each row with its provenance, and their reader."""

from pathlib import Path

from mobilellm_lab.reference.models import MODELS, ModelSpec, ReferenceModel, load_model
from mobilellm_lab.reference.origin import Origin, origin
from mobilellm_lab.sweeps import Store

FOLDER = Path(__file__).parent
SWEEPS = (
    "deep_narrow",
    "deep_narrow_cost",
    "constraints",
    "constraints_machine",
    "metrics",
    "metrics_lies",
    "quantization",
    "quantization_qat",
    "quantization_speed",
)


def open_sweep(name: str) -> Store:
    """The stored sweep called `name`; its rows are dicts, see `sweep` and `cost` of the chapter's package.

    Raises:
        ValueError: no such sweep.
    """
    if name not in SWEEPS:
        raise ValueError(f"sweep={name!r}: choose one of {', '.join(SWEEPS)}")
    return Store(FOLDER / f"{name}.jsonl")


__all__ = [
    "FOLDER",
    "MODELS",
    "SWEEPS",
    "ModelSpec",
    "Origin",
    "ReferenceModel",
    "load_model",
    "open_sweep",
    "origin",
]
