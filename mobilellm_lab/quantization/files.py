"""Quantized model on disk: packed bytes, scales and float rest, verified to the last weight when loaded"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mobilellm_lab import checkpoints
from mobilellm_lab.checkpoints import CONFIG, WEIGHTS, TensorFiles
from mobilellm_lab.config_checks import require_sizes, require_unedited
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.layers import PackedMatrix, hollow, packed
from mobilellm_lab.quantization.quantized import QuantizedModel
from mobilellm_lab.stored import as_stored

FORMAT = "mobilellm-lab quantized checkpoint"


def save_quantized(
    q: QuantizedModel, folder: str | Path, *, task: dict | None = None, vocabulary: list[str] | None = None
) -> None:
    """Writes the packed model into `folder`, all of it or nothing; task and vocabulary as in `checkpoints.save`.

    model.safetensors holds the state_dict of `packed(q)`, config.json the shape, the grid of each matrix, the
    fingerprint of the float weights that they stand for, and a hash of all the rest.

    Raises:
        ValueError: NaN or inf, weights that are not those of the tensors, a vocabulary of another size, a task that
            is not JSON, or a folder with other things in it.
    """
    state = {name: value.cpu().contiguous() for name, value in packed(q).state_dict().items()}
    _require_finite(state, "model")
    for name, tensor in q.tensors.items():
        if not torch.equal(q.model.get_parameter(name), tensor.dequantize()):
            raise ValueError(f"model: {name} is not what its codes stand for: quantize again after a change of weights")
    checkpoints.require_vocabulary(q.model.config, vocabulary)
    grids = {name: as_stored(tensor.grid) for name, tensor in q.tensors.items()}
    config = checkpoints.describe(FORMAT, q.model, grids=grids, task=task, vocabulary=vocabulary)
    checkpoints.write_folder(Path(folder), config, state)


def load_quantized(folder: str | Path) -> QuantizedModel:
    """What `save_quantized` wrote, with the same codes and the same float weights, bit for bit.

    Raises:
        ValueError: missing, damaged, cut short or foreign, of another shape or number of bits, or NaN inside; names
            the file and a remedy, or the tensor and what is wrong with it.
    """
    path, weights = Path(folder) / CONFIG, Path(folder) / WEIGHTS
    raw, config = checkpoints.read_config(path, FORMAT)
    with TensorFiles([weights]) as files:
        require_sizes(config, files.shapes, path)
        shapes = checkpoints.shapes(config)
        model = hollow(replace(config, max_seq_len=1), _grids(raw.get("grids"), shapes, path))
        wanted = model.state_dict()
        checkpoints.compare({name: tuple(value.shape) for name, value in wanted.items()}, files.shapes, weights)
        state = {name: files.read_any(name) for name in files.shapes}
    for name, value in state.items():
        if value.dtype != wanted[name].dtype:
            raise ValueError(f"{weights}: tensor {name} is {value.dtype}, the config asks for {wanted[name].dtype}")
    require_unedited(raw, config, path)
    _require_finite(state, weights)
    model.load_state_dict(state, assign=True)
    layers = {f"{name}.weight": layer for name, layer in model.named_modules() if isinstance(layer, PackedMatrix)}
    tensors = {name: layer.tensor() for name, layer in layers.items()}
    rest = {name: value for name, value in state.items() if name in shapes}
    made = checkpoints.assemble(config, rest | {name: tensor.dequantize() for name, tensor in tensors.items()})
    if checkpoints.fingerprint(made) != raw.get("fingerprint"):
        raise ValueError(f"{weights}: not the weights whose fingerprint is in {path}: copy both files again")
    return QuantizedModel(model=made.eval(), tensors=tensors)


def _grids(found: object, shapes: dict[str, tuple[int, ...]], path: Path) -> dict[str, Grid]:
    """The grid of each matrix, as the config file tells them."""
    if not isinstance(found, dict):
        raise ValueError(f"{path}: grids={found!r}: must name the grid of each quantized matrix, save it again")
    wanted = as_stored(Grid()).keys()  # fields that were added later may be missing
    for name, grid in found.items():
        if len(shapes.get(name, ())) != 2:
            raise ValueError(f"{path}: grids: {name} is no matrix of this model: save it again")
        if not isinstance(grid, dict) or not wanted <= grid.keys():
            raise ValueError(f"{path}: grids: {name} must hold {', '.join(sorted(wanted))}: save it again")
    try:
        return {name: Grid(**grid) for name, grid in found.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: grids: {error}") from error


def _require_finite(tensors: dict[str, Tensor], where: str | Path) -> None:
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise ValueError(f"{where}: NaN or inf in tensor {name}: make or copy it again")
