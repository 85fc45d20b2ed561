"""Post-training quantization of a model by RTN, least-error clipping, GPTQ or AWQ"""

import copy
from collections.abc import Generator

import torch
from jaxtyping import Float
from torch import Tensor

from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization.awq import drain, scaling
from mobilellm_lab.quantization.calibration import Calibration
from mobilellm_lab.quantization.gptq import gptq
from mobilellm_lab.quantization.grid import Grid, QTensor, check
from mobilellm_lab.quantization.quantized import QuantizedModel, matrices, require_floats, select

METHODS = ("rtn", "mse", "gptq", "awq")
CALIBRATED = ("gptq", "awq")  # what needs to know the inputs


def quantize(
    model: Transformer,
    grid: Grid | dict[str, Grid],
    *,
    method: str = "rtn",
    layers: str = "all",
    calibration: Calibration | None = None,
) -> QuantizedModel:
    """A copy of the model whose matrices of these `layers` lie on their grids; `model` stays as it is.

    - "rtn" rounds each weight to the nearest value of a grid that covers the largest weight of its group.
    - "mse" does so on the grid, often a narrower one, with the least squared error of the weights.
    - "gptq" chooses grids as "mse" does, with errors weighted by the inputs' energy, and makes good for each column's
      error in the next ones.
    - "awq" first moves scale from the weights into the layers before, then chooses grids as "gptq" does.

    An embedding table is looked up, not multiplied: "gptq" and "awq" round it as "mse" does, tied or not. A dict of
    grids by matrix is for mixed precision; a matrix without one stays float.

    Raises:
        ValueError: an unknown method or matrix, no grid, NaN among the weights, a model that is not in float32 or
            whose matrices are packed or converted already, a method that needs a calibration without one, or a
            calibration of another model.
    """
    return drain(quantizing(model, grid, method=method, layers=layers, calibration=calibration))


def quantizing(
    model: Transformer,
    grid: Grid | dict[str, Grid],
    *,
    method: str = "rtn",
    layers: str = "all",
    calibration: Calibration | None = None,
) -> Generator[str, None, QuantizedModel]:
    """`quantize` step by step: yields a name after every block that is scaled and every matrix that is rounded."""
    if method not in METHODS:
        raise ValueError(f"method={method!r}: choose one of {', '.join(METHODS)}")
    for own in grid.values() if isinstance(grid, dict) else (grid,):
        if not isinstance(own, Grid):
            raise ValueError(f"grid={own!r}: give a Grid, such as Grid(bits=4), or one for each matrix by name")
    require_floats(model)
    chosen = select(model, layers)
    if isinstance(grid, dict):
        for name in grid:
            if name not in matrices(model):
                raise ValueError(f"grid for {name!r}: the model's matrices are {', '.join(matrices(model))}")
        grids = {name: grid[name] for name in chosen if name in grid}
    else:
        grids = dict.fromkeys(chosen, grid)
    for name in grids:
        check(chosen[name], name)
    if method in CALIBRATED:
        if calibration is None:
            raise ValueError(f"method={method!r} needs the inputs of every matrix: give calibration=calibrate(...)")
        calibration.check(model)

    scales = {}
    if method == "awq":
        result, scales = yield from scaling(model, grids, calibration)
    else:
        result = copy.deepcopy(model)
    tensors, weights = {}, matrices(result)
    for name, own in grids.items():
        gram = None
        if method in CALIBRATED and name != "embed.weight":
            gram = calibration.inputs[name.removesuffix(".weight")].gram
        tensors[name] = _rounded(weights[name], own, method, gram, scales.get(name, 1.0))
        with torch.no_grad():
            weights[name].copy_(tensors[name].dequantize())
        yield name
    return QuantizedModel(model=result, tensors=tensors)


@torch.no_grad()
def _rounded(
    w: Float[Tensor, "R C"],
    grid: Grid,
    method: str,
    gram: Float[Tensor, "C C"] | None,
    scale: Float[Tensor, " C"] | float,
) -> QTensor:
    """One matrix on its grid; `gram` are its inputs' X^T X, and `scale` what AWQ has multiplied its columns with."""
    if method == "rtn":
        return QTensor.of(w, grid)
    if gram is None:
        return QTensor.of(w, grid, shrink=grid.search(w))
    if method == "gptq":
        return gptq(w, gram, grid)
    return QTensor.of(w, grid, shrink=grid.search(w, gram.diagonal() / scale**2))
