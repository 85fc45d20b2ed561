"""Checks of a checkpoint's config: its own hash, and its sizes beside the weights' header, before a model is built"""

import hashlib
import json
from dataclasses import fields
from pathlib import Path

from mobilellm_lab.foreign import behind
from mobilellm_lab.model import ModelConfig

HASHED = ("task", "vocabulary", "grids", "sparse")  # besides the shape; the fingerprint sees the weights
POSITIONS = 2**20  # that a config without a hash may ask for: no weight tells how many there are


def config_sha256(config: ModelConfig, said: dict) -> str:
    """SHA-256 over the fields of the shape that are not at their default, and over what else a config file says.

    A field that the shape gets later leaves it as it is.
    """
    shape = {field.name: (field.type(getattr(config, field.name)), field.default) for field in fields(config)}
    held = {name: said[name] for name in HASHED if said.get(name) is not None}
    held["model"] = {name: value for name, (value, default) in shape.items() if value != default}
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def require_unedited(raw: dict, config: ModelConfig, path: Path) -> None:
    """Raises a ValueError for a config file that says something else than when it was written."""
    if raw["version"] == 1 and "config_sha256" not in raw:
        require_positions(config, path)
    elif raw.get("config_sha256") != config_sha256(config, raw):
        raise ValueError(
            f"{path}: model, {', '.join(HASHED[:-1])} or {HASHED[-1]} were edited after they were saved: copy it again"
        )


def require_positions(config: ModelConfig, path: Path) -> None:
    """Raises a ValueError for more positions than a config without a hash may ask tables for."""
    if config.max_seq_len > POSITIONS:
        raise ValueError(f"{path}: {config.max_seq_len} positions are beyond {POSITIONS}: copy it again")


def require_sizes(
    config: ModelConfig, found: dict[str, tuple[int, ...]], path: Path, *, blocks: str = "blocks"
) -> None:
    """Raises a ValueError for sizes far from those of the tensors found, in which `blocks` begins a block's name.

    It comes before anything of such a size is built: `compare` of the shapes then names each smaller difference.
    """
    stored = len({name[len(blocks) + 1 :].split(".")[0] for name in found if name.startswith(f"{blocks}.")})
    longest = max((size for shape in found.values() for size in shape), default=0)
    norm = ".".join([*blocks.split(".")[:-1], "norm.weight"])  # a name that every model has
    if norm not in found and (renamed := behind(norm, found)):
        raise ValueError(f"{path.parent}: {renamed}")
    if config.n_layers != stored:
        raise ValueError(
            f"{path}: n_layers={config.n_layers}, the weights are of {stored} blocks: copy both files again"
        )
    sizes = {name: getattr(config, name) for name in ("vocab_size", "dim", "hidden_dim", "embed_dim")}
    for name, size in (sizes | {"n_heads * head_dim": config.n_heads * config.head_dim}).items():
        if size > 8 * longest:  # eight columns of 1 bit are a byte
            raise ValueError(f"{path}: {name}={size}, no tensor is longer than {longest}: copy both files again")
