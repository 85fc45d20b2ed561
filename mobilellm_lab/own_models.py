"""The reader's own models: checkpoint folders in one place, kept by chapter 2's panel and offered by later ones"""

import os
from itertools import count
from pathlib import Path

from safetensors import SafetensorError

from mobilellm_lab import checkpoints
from mobilellm_lab.model import Transformer

VARIABLE = "MOBILELLM_LAB_MODELS"  # names another folder


def models_folder() -> Path:
    """The folder, which need not exist yet: `my_models` beside the lab, or what MOBILELLM_LAB_MODELS names."""
    return Path(os.environ.get(VARIABLE) or "my_models").absolute()


def own_models() -> dict[str, Path]:
    """The checkpoint folders in it by name, the newest first."""
    configs = sorted(models_folder().glob(f"[!.]*/{checkpoints.CONFIG}"), key=_age)
    return {path.parent.name: path.parent for path in configs}


def keep(model: Transformer, name: str, *, task: dict, vocabulary: list[str] | None = None) -> Path:
    """Saves a model as `name`, where that is taken as `name-2` and so on; returns its folder.

    Raises:
        ValueError: the folder cannot be written.
    """
    try:
        place = _claim(models_folder(), name)
        try:
            checkpoints.save(model, place, task=task, vocabulary=vocabulary)
        except BaseException:
            place.rmdir()
            raise
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"Cannot keep the model in {models_folder()}: {error}; name a folder that can be written in {VARIABLE}"
        ) from error
    return place


def _claim(parent: Path, name: str) -> Path:
    """Makes an empty folder that nobody else has; its name is free, or ends in the first free number."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        place = parent / (name if number == 1 else f"{name}-{number}")
        try:
            place.mkdir()
        except FileExistsError:
            continue
        return place


def _age(path: Path) -> int:
    return -path.stat().st_mtime_ns
