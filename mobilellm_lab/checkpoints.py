"""Checkpoints: folders with weights, config and their hashes, written atomically"""

import hashlib
import json
import warnings
from contextlib import ExitStack
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mobilellm_lab.config_checks import config_sha256, require_sizes, require_unedited
from mobilellm_lab.foreign import behind, instead_of, remedy_of_pointer
from mobilellm_lab.model import ModelConfig, Transformer, rope_tables
from mobilellm_lab.safe_files import replacing_folder, restore
from mobilellm_lab.stored import as_stored

FORMAT, VERSION = "mobilellm-lab checkpoint", 2  # version 1 had no config_sha256
CONFIG, WEIGHTS = "config.json", "model.safetensors"


class OldFormatWarning(UserWarning):
    """A file of an older format, which is loaded without the check for edits."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Contents of a checkpoint folder."""

    model: Transformer
    task: dict | None  # name and options of the training task
    vocabulary: list[str] | None  # the word of each row of the embedding table
    fingerprint: str  # of the weights


def fingerprint(model: Transformer) -> str:
    """SHA-256 over name, type, shape and bytes of every weight, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def save(
    model: Transformer, folder: str | Path, *, task: dict | None = None, vocabulary: list[str] | None = None
) -> None:
    """Writes weights, shape, task, vocabulary and their hashes into `folder`; all of it or nothing.

    An older checkpoint in the same place is replaced whole, any other folder is left alone.

    Raises:
        ValueError: a model whose weights are not those of its config, a vocabulary of another size, a task that is
            not JSON, or a folder with other things in it.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    compare(shapes(model.config), {name: tuple(tensor.shape) for name, tensor in tensors.items()}, "model")
    require_vocabulary(model.config, vocabulary)
    write_folder(Path(folder), describe(FORMAT, model, task=task, vocabulary=vocabulary), tensors)


def load(folder: str | Path) -> Checkpoint:
    """The checkpoint that `save` wrote, verified to the last bit.

    Raises:
        ValueError: missing, damaged, cut short or foreign; names the file and a remedy, or the tensor and both
            shapes.
    """
    path, weights = Path(folder) / CONFIG, Path(folder) / WEIGHTS
    raw, config = read_config(path, FORMAT)
    with TensorFiles([weights]) as files:
        require_sizes(config, files.shapes, path)
        compare(shapes(config), files.shapes, weights)
        require_unedited(raw, config, path)
        model = assemble(config, {name: files.read(name) for name in files.shapes})
    if fingerprint(model) != raw.get("fingerprint"):
        raise ValueError(
            f"Cannot load {weights}: its weights do not have the fingerprint in {path}; copy both files again"
        )
    return Checkpoint(
        model=model, task=raw.get("task"), vocabulary=raw.get("vocabulary"), fingerprint=raw["fingerprint"]
    )


def require_vocabulary(config: ModelConfig, vocabulary: list[str] | None) -> None:
    """Raises a ValueError for a vocabulary without one word for each row of the embedding table."""
    if vocabulary is not None and len(vocabulary) != config.vocab_size:
        raise ValueError(
            f"vocabulary of {len(vocabulary)} words for vocab_size={config.vocab_size}: give one for each row"
        )


def describe(format: str, model: Transformer, **said: object) -> dict:
    """Contents of a model's config file: shape, the entries `said`, and both hashes.

    Raises:
        ValueError: `said` is not JSON.
    """
    try:
        said = json.loads(json.dumps({"model": as_stored(model.config), **said}))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"{CONFIG}: {error}: give names, numbers, lists and dicts only") from error
    hashes = {"fingerprint": fingerprint(model), "config_sha256": config_sha256(model.config, said)}
    return {"format": format, "version": VERSION, **said, **hashes}


def read_config(path: Path, format: str) -> tuple[dict, ModelConfig]:
    """Contents of a checkpoint's config file, and the model's shape in it; a missing field has its default.

    Raises:
        ValueError: missing, damaged, of another format or version, or with a shape that cannot be built.
    """
    restore(path.parent)
    raw = read_json(path)
    if raw.get("format") != format:
        found = f": it is a {raw['format']}" if isinstance(raw.get("format"), str) else ""
        hint = ": it is a Hugging Face folder, use from_pretrained" if "model_type" in raw else found
        raise ValueError(f"{path} is not a {format}{hint}")
    if raw.get("version") not in (1, VERSION) or type(raw["version"]) is not int:
        raise ValueError(
            f"{path}: version={raw.get('version')!r}, this package reads 1 and {VERSION}: install a newer one"
        )
    if raw["version"] != VERSION:
        text = f"{path} has format version {raw['version']}, which does not detect edits; load and save it again"
        warnings.warn(text, OldFormatWarning, stacklevel=3)
    known = {field.name: field.type for field in fields(ModelConfig)}
    needed = {field.name for field in fields(ModelConfig) if field.default is MISSING}
    shape = raw.get("model")
    if not isinstance(shape, dict) or not needed <= shape.keys():
        raise ValueError(f"{path}: model must hold {', '.join(known)}: save it again")
    if unknown := sorted(shape.keys() - known.keys()):
        raise ValueError(
            f"Cannot load {path}: unknown model fields {', '.join(unknown)}; install a newer version of this package"
        )
    for name in shape:
        kind, value = known[name], shape[name]
        if kind == tuple[int, ...]:
            if type(value) is not list or any(type(size) is not int for size in value):
                raise ValueError(f"{path}: {name}={value!r} must be a list of whole numbers: save it again")
        elif type(value) not in ((int, float) if kind is float else (kind,)):
            raise ValueError(f"{path}: {name}={value!r} must be of type {kind.__name__}: save it again")
    try:
        return raw, ModelConfig(**{name: known[name](value) for name, value in shape.items()})
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path}: {error}") from error


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every weight that a model of this config stores."""
    with torch.device("meta"):
        model = Transformer(replace(config, max_seq_len=1))  # of which no weight depends
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def compare(wanted: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]], where: str | Path) -> None:
    """Raises a ValueError that names the first tensor that is missing, unexpected or of another shape."""
    for name in wanted:
        if name not in found:
            if renamed := behind(name, found.keys() - wanted.keys()):
                raise ValueError(f"{where}: {renamed}")
            raise ValueError(f"{where}: tensor {name} of shape {wanted[name]} is missing")
        if wanted[name] != found[name]:
            raise ValueError(f"{where}: tensor {name} has shape {found[name]}, the config asks for {wanted[name]}")
    for name in found:
        if name not in wanted:
            raise ValueError(f"{where}: unexpected tensor {name} of shape {found[name]}")


def assemble(config: ModelConfig, tensors: dict[str, Tensor]) -> Transformer:
    """The model of this config with these tensors, without initialising weights first."""
    with torch.device("meta"):
        model = Transformer(config)
    model.load_state_dict(tensors, assign=True)
    model.cos, model.sin = (table.to(model.embed.weight.dtype) for table in rope_tables(config))
    return model


class TensorFiles:
    """Several safetensors files read as one; open only inside `with`."""

    def __init__(self, paths: list[Path]):
        self.stack, self.shapes, self._files = ExitStack(), {}, {}
        for path in paths:
            try:
                file = self.stack.enter_context(safe_open(path, "pt"))
            except FileNotFoundError as error:
                raise ValueError(f"{path} is missing: {instead_of(path)}") from error
            except OSError as error:
                raise ValueError(f"{path} cannot be read ({error}): give a file, or copy it again") from error
            except SafetensorError as error:
                remedy = remedy_of_pointer(path) or "copy or download it again"
                raise ValueError(f"{path} is damaged or cut short ({error}): {remedy}") from error
            for name in file.keys():  # noqa: SIM118 - not a dict, and cannot be iterated
                if name in self._files:
                    raise ValueError(f"{path}: tensor {name} is in another file too: download the folder again")
                self._files[name], self.shapes[name] = file, tuple(file.get_slice(name).get_shape())

    def __enter__(self) -> "TensorFiles":
        return self

    def __exit__(self, *exception) -> None:
        self.stack.close()

    def read_any(self, name: str) -> Tensor:
        """The tensor in memory of its own, so that the file may change or go."""
        return self._files[name].get_tensor(name).clone()

    def read(self, name: str) -> Tensor:
        """The same of a float tensor; a ValueError names any other."""
        tensor = self.read_any(name)
        if not tensor.is_floating_point():
            raise ValueError(
                f"tensor {name} is {tensor.dtype}: only float weights are read, give the unquantized model"
            )
        return tensor


def read_json(path: Path) -> dict:
    """The object in a JSON file; a ValueError names the file that has none."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"{path} is missing: {instead_of(path)}") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): give a file, or copy it again") from error
    except (ValueError, RecursionError) as error:  # not JSON, not even text, or nested without end
        raise ValueError(f"{path} is damaged ({error}): {remedy_of_pointer(path) or 'copy it again'}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no JSON object: copy it again")
    return value


def write_folder(folder: Path, config: dict, tensors: dict[str, Tensor]) -> None:
    """Writes a folder with exactly these two files, and moves it into place when both are complete on disk."""
    folder = folder.resolve()
    if folder.exists() and not (folder.is_dir() and {path.name for path in folder.iterdir()} <= {CONFIG, WEIGHTS}):
        raise ValueError(f"Cannot save to {folder}: it holds other files; choose a new or empty folder")
    with replacing_folder(folder) as draft:
        save_file(tensors, draft / WEIGHTS, metadata={"format": "pt"})
        (draft / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
