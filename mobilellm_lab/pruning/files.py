"""Pruned model on disk: dense, zlib, bitmap or CSR, verified to the last weight when loaded"""

import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mobilellm_lab import checkpoints, measuring
from mobilellm_lab.checkpoints import CONFIG, WEIGHTS, TensorFiles
from mobilellm_lab.config_checks import require_sizes, require_unedited
from mobilellm_lab.pruning.kernels import INDEX, csr_parts, csr_tensor
from mobilellm_lab.pruning.masks import Masks, PrunedModel, require_pruned
from mobilellm_lab.pruning.storage import FORMATS, require_format
from mobilellm_lab.quantization.packing import pack, packed_bytes, unpack

FORMAT = "mobilellm-lab pruned checkpoint"


def save_sparse(
    pruned: PrunedModel,
    folder: str | Path,
    *,
    format: str = "bitmap",
    task: dict | None = None,
    vocabulary: list[str] | None = None,
) -> None:
    """Writes the pruned model into `folder`, all of it or nothing; task and vocabulary as in `checkpoints.save`.

    model.safetensors holds every masked matrix in this format and the rest dense; config.json holds the shape, the
    format, the kept weights of each masked matrix, and the hashes. "dense" and "zlib" store no mask: there a kept
    weight of exactly 0 comes back as pruned.

    Raises:
        ValueError: an unknown format, not a PrunedModel, masked weights that have changed, NaN or inf, a vocabulary
            of another size, a task that is not JSON, or a folder with other things in it.
    """
    require_format(format)
    require_pruned(pruned)
    PrunedModel(model=pruned.model, masks=pruned.masks)  # its weights may have been trained since
    for name, p in pruned.model.named_parameters():
        if not p.isfinite().all():
            raise ValueError(f"model: NaN or inf in tensor {name}: train or load the model again")
    checkpoints.require_vocabulary(pruned.model.config, vocabulary)
    state = {name: value.cpu().contiguous() for name, value in pruned.model.state_dict().items()}
    for name, mask in pruned.masks.items():
        parts = _encode(state.pop(name), mask, format)
        state |= {_part(name, key): value for key, value in parts.items()}
    kept = {name: int(mask.sum()) for name, mask in pruned.masks.items()}
    said = {"sparse": {"format": format, "kept": kept}, "task": task, "vocabulary": vocabulary}
    checkpoints.write_folder(Path(folder), checkpoints.describe(FORMAT, pruned.model, **said), state)


def load_sparse(folder: str | Path) -> PrunedModel:
    """What `save_sparse` wrote, with the same masks and the same weights, bit for bit.

    Raises:
        ValueError: missing, damaged, cut short or foreign, or of another shape; names the file and a remedy, or the
            tensor and what is wrong with it.
    """
    path, weights = Path(folder) / CONFIG, Path(folder) / WEIGHTS
    raw, config = checkpoints.read_config(path, FORMAT)
    shapes = checkpoints.shapes(config)
    with TensorFiles([weights]) as files:
        require_sizes(config, files.shapes, path)
        format, kept = _sparse(raw.get("sparse"), shapes, path)
        wanted = {name: (shape, torch.float32) for name, shape in shapes.items() if name not in kept}
        for name in kept:
            wanted |= {_part(name, key): each for key, each in _layout(shapes[name], kept[name], format).items()}
        sizes = {name: shape or files.shapes.get(name, ("any",)) for name, (shape, _) in wanted.items()}
        checkpoints.compare(sizes, files.shapes, weights)
        require_unedited(raw, config, path)
        state = {name: files.read_any(name) for name in files.shapes}
    for name, value in state.items():
        if value.dtype != wanted[name][1]:
            raise ValueError(f"{weights}: tensor {name} is {value.dtype}, the config asks for {wanted[name][1]}")
    masks: Masks = {}
    for name in kept:
        parts = {key: state.pop(_part(name, key)) for key in _layout(shapes[name], kept[name], format)}
        try:
            state[name], masks[name] = _decode(parts, shapes[name], format)
        except (ValueError, RuntimeError, zlib.error) as error:
            raise ValueError(f"{weights}: {name} is no {format} matrix ({error}): copy it again") from error
    model = checkpoints.assemble(config, state)
    if checkpoints.fingerprint(model) != raw.get("fingerprint"):
        raise ValueError(f"{weights}: not the weights whose fingerprint is in {path}: copy both files again")
    return PrunedModel(model=model.eval(), masks=masks)


def file_sizes(pruned: PrunedModel) -> dict[str, measuring.OnDisk]:
    """Bytes on disk by format, headers included; every file is written into a temporary folder."""
    sizes = {}
    for format in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            save_sparse(pruned, Path(folder) / "pruned", format=format)
            sizes[format] = measuring.on_disk(Path(folder) / "pruned")
    return sizes


def _part(name: str, key: str) -> str:
    """Name of a part of a matrix in the file."""
    return f"{name.removesuffix('.weight')}.{key}"


def _layout(shape: tuple[int, int], kept: int, format: str) -> dict[str, tuple[tuple | None, torch.dtype]]:
    """Part -> shape and type of a matrix in this format; a shape of None is not known before."""
    if format == "dense":
        return {"weight": (shape, torch.float32)}
    if format == "zlib":
        return {"zlib": (None, torch.uint8)}
    values = {"values": ((kept,), torch.float32)}
    if format == "bitmap":
        return {"bitmap": ((packed_bytes(shape[0] * shape[1], 1),), torch.uint8), **values}
    return {"rows": ((shape[0] + 1,), INDEX[format]), "columns": ((kept,), INDEX[format]), **values}


def _encode(w: Float[Tensor, "R C"], mask: Bool[Tensor, "R C"], format: str) -> dict[str, Tensor]:
    if format == "dense":
        return {"weight": w}
    if format == "zlib":
        return {"zlib": torch.from_numpy(np.frombuffer(zlib.compress(w.numpy().tobytes()), dtype=np.uint8).copy())}
    values = w[mask]
    if format == "bitmap":
        return {"bitmap": pack(2 * mask.flatten().to(torch.int8) - 1, 1), "values": values}
    rows, columns = csr_parts(mask, format)
    return {"rows": rows, "columns": columns, "values": values}


def _decode(parts: dict[str, Tensor], shape: tuple[int, int], format: str) -> tuple[Tensor, Tensor]:
    """Weights and mask of a matrix."""
    if format == "dense":
        return parts["weight"], parts["weight"] != 0
    if format == "zlib":
        size, reader = 4 * shape[0] * shape[1], zlib.decompressobj()
        data = reader.decompress(parts["zlib"].numpy().tobytes(), size + 1)  # a made-up file could fill the memory
        if len(data) != size or not reader.eof:
            raise ValueError(f"{len(data)} bytes instead of {size}")
        w = torch.frombuffer(bytearray(data), dtype=torch.float32).view(shape)
        return w, w != 0
    if format == "bitmap":
        mask = (unpack(parts["bitmap"], 1, shape[0] * shape[1]) > 0).view(shape)
        if int(mask.sum()) != len(parts["values"]):
            raise ValueError(f"{int(mask.sum())} bits for {len(parts['values'])} values")
        return torch.zeros(shape).masked_scatter_(mask, parts["values"]), mask
    indices, values = (parts["rows"], parts["columns"]), parts["values"]
    w, mask = (csr_tensor(*indices, each, shape).to_dense() for each in (values, torch.ones_like(values)))
    return w, mask > 0


def _sparse(found: object, shapes: dict[str, tuple[int, ...]], path: Path) -> tuple[str, dict[str, int]]:
    """The format, and the kept weights of every masked matrix, as the config file tells them."""
    if not isinstance(found, dict) or found.get("format") not in FORMATS or not isinstance(found.get("kept"), dict):
        raise ValueError(f"{path}: sparse must name the format and the kept weights of each matrix: save it again")
    for name, kept in found["kept"].items():
        if len(shapes.get(name, ())) != 2:
            raise ValueError(f"{path}: sparse: {name} is no matrix of this model: save it again")
        rows, columns = shapes[name]
        if type(kept) is not int or not 0 <= kept <= rows * columns:
            raise ValueError(f"{path}: sparse: {name} keeps {kept!r} of {rows * columns} weights: save it again")
    return found["format"], found["kept"]
