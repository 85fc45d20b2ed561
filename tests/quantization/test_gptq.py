"""GPTQ against torchao's, against the inverse Hessian by hand, and against every rounding there is."""

import inspect

import numpy as np
import pytest
import torch

from mobilellm_lab.quantization import CHANNEL, TENSOR, Grid, QTensor, calibrate, calibration_data
from mobilellm_lab.quantization.gptq import DAMPING, compensation, gptq
from mobilellm_lab.quantization.libraries.load import torchao

KINDS = ((8, True), (4, False), (3, True), (2, False), (2, True), (1.58, True), (1, True))
GRIDS = [
    Grid(bits=bits, group_size=group_size, symmetric=symmetric)
    for number, (bits, symmetric) in enumerate(KINDS)
    for group_size in ((TENSOR, 5), (8, CHANNEL))[number // 2 % 2]
]


def matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def inputs(columns: int, seed: int = 0, n: int = 300) -> torch.Tensor:
    """Inputs whose channels are correlated, (n, columns)."""
    return matrix(n, columns, seed + 100) @ matrix(columns, columns, seed + 200)


def output_error(x: torch.Tensor, w: torch.Tensor, tensor: QTensor) -> float:
    return (x @ (tensor.dequantize() - w).T).square().sum().item()


@pytest.fixture(scope="module")
def trained(text):
    """A trained layer's matrix and what it was multiplied with."""
    seen = calibrate(text.model, calibration_data(text.task, sequences=8)).inputs
    return {name: (text.model.get_submodule(name).weight.detach(), seen[name].gram) for name in seen if "." in name}


@pytest.mark.parametrize(("rows", "columns"), [(5, 24), (16, 96)])
def test_codes_are_torchaos(rows, columns):
    """Its prototype asks for CUDA and needs none: the assertion is compiled away. It knows 8 bits, a scale a row."""
    torchao()
    from torchao.prototype.gptq import api

    source = inspect.getsource(api.gptq_quantize).replace("torch.cuda.synchronize()", "pass")
    names = dict(vars(api))
    exec(compile(source, api.__file__, "exec", optimize=1), names)
    int8 = api.Int8WeightOnlyConfig(set_inductor_config=False)
    w, x = matrix(rows, columns), inputs(columns)
    w[1, 3] = 5
    grid = Grid(bits=8, group_size=CHANNEL, scale_dtype="float32")
    for damping in (0.01, 0.1):
        config = api.GPTQConfig(step="convert", base_config=int8, percdamp=damping, gptq_quantize_block_size=columns)
        theirs = names["gptq_quantize"](2 * x.T @ x, w.clone(), config)
        ours = gptq(w, x.T @ x, grid, clip=False, damping=damping)
        assert torch.equal(ours.scale.flatten(), theirs.scale.flatten())
        assert torch.equal(ours.codes, theirs.qdata)
        assert not torch.equal(ours.codes, QTensor.of(w, grid).codes)


def by_hand(w: np.ndarray, hessian: np.ndarray, grid: Grid, scale: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Optimal brain quantization in a fixed order: after each column the Hessian of the rest is inverted anew."""
    left, codes = w.astype(np.float64), np.zeros(w.shape, int)
    for j in range(w.shape[1]):
        inverse = np.linalg.inv(hessian[j:, j:])
        steps = torch.from_numpy(left[:, j]).float() * (1.0 / torch.from_numpy(scale[:, j]))
        codes[:, j] = (steps.round().numpy() + zero[:, j]).clip(grid.low, grid.high)
        error = left[:, j] - (codes[:, j] - zero[:, j]) * scale[:, j]
        left[:, j:] -= np.outer(error / inverse[0, 0], inverse[0])
    return codes


@pytest.mark.parametrize("grid", [grid for grid in GRIDS if grid.bits > 1], ids=str)
def test_codes_are_those_of_the_inverse_hessian_by_hand(grid):
    w, x = matrix(6, 24), inputs(24)
    gram = x.T @ x
    ours = gptq(w, gram, grid, clip=False)
    hessian = 2 * gram.double().numpy()
    hessian += DAMPING * hessian.diagonal().mean() * np.eye(24)
    size = 24 if grid.group_size < 1 else grid.group_size
    scale, zero = (v.repeat_interleave(size, 1)[:, :24].expand(6, -1).numpy() for v in (ours.scale, ours.zero))
    assert np.array_equal(ours.codes.numpy(), by_hand(w.numpy(), hessian, grid, scale, zero))


def test_compensation_is_the_cholesky_factor_of_the_inverse():
    x = inputs(12)
    upper = compensation(x.T @ x).double().numpy()
    hessian = 2 * (x.T @ x).double().numpy()
    hessian += DAMPING * hessian.diagonal().mean() * np.eye(12)
    assert np.allclose(upper.T @ upper, np.linalg.inv(hessian), rtol=1e-4, atol=1e-9)
    assert np.array_equal(upper, np.triu(upper))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_with_inputs_that_are_not_correlated_it_rounds_to_nearest(grid):
    w = matrix(6, 16)
    for gram in (torch.eye(16), 7 * torch.eye(16), torch.zeros(16, 16)):
        ours, nearest = gptq(w, gram, grid, clip=False), QTensor.of(w, grid)
        assert torch.equal(ours.codes, nearest.codes) and torch.equal(ours.scale, nearest.scale)
        clipped, searched = gptq(w, gram, grid), QTensor.of(w, grid, shrink=grid.search(w))
        assert torch.equal(clipped.codes, searched.codes) and torch.equal(clipped.scale, searched.scale)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_on_average_the_output_changes_less_than_by_rounding_to_nearest(grid):
    ours, nearest = [], []
    for seed in range(12):
        w, x = matrix(4, 16, seed), inputs(16, seed)
        ours.append(output_error(x, w, gptq(w, x.T @ x, grid, clip=False)))
        nearest.append(output_error(x, w, QTensor.of(w, grid)))
    assert np.mean(ours) < 0.9 * np.mean(nearest)


@pytest.mark.parametrize(("bits", "group_size"), [(2, 32), (3, CHANNEL), (4, 32), (8, CHANNEL)])
def test_on_trained_matrices_it_helps_beside_the_best_scale(trained, bits, group_size):
    """Against round-to-nearest with the same scales: what is won is won by compensation alone."""
    grid, gains = Grid(bits=bits, group_size=group_size), []
    for name in ("blocks.0.attention.qkv", "blocks.5.attention.out", "blocks.5.ffn.up", "blocks.11.ffn.down"):
        w, gram = trained[name]
        changes = (gptq(w, gram, grid), QTensor.of(w, grid, shrink=grid.search(w, gram.diagonal())))
        ours, same_scales = (((d := t.dequantize() - w) @ gram * d).sum().item() for t in changes)
        gains.append(ours / same_scales)
    assert max(gains) < 1 and np.mean(gains) < 0.7


@pytest.mark.parametrize("seed", range(5))
def test_it_is_near_the_best_of_all_roundings(seed):
    """Every code of a row of six 2-bit weights is tried: no rounding is better, and GPTQ's is not far off."""
    w, x = matrix(1, 6, seed), inputs(6, seed, n=100)
    grid, gram = Grid(bits=2, group_size=CHANNEL), x.T @ x
    scale, _ = grid.fit(w)
    every = torch.cartesian_prod(*[torch.arange(grid.low, grid.high + 1)] * 6)
    change = every * scale - w
    best = ((change @ gram) * change).sum(1).min().item()
    ours, nearest = output_error(x, w, gptq(w, gram, grid, clip=False)), output_error(x, w, QTensor.of(w, grid))
    assert best <= ours * (1 + 1e-4)
    assert ours <= best + 0.6 * (nearest - best) + 1e-4 * best


def test_an_input_that_is_never_seen_spoils_nothing():
    w, x = matrix(5, 16), inputs(16)
    x[:, 3] = 0
    grid = Grid(bits=3, group_size=CHANNEL)
    ours = gptq(w, x.T @ x, grid, clip=False)
    assert output_error(x, w, ours) < output_error(x, w, QTensor.of(w, grid))
    assert torch.equal(ours.codes[:, 3], QTensor.of(w, grid).codes[:, 3])


def test_fewer_tokens_than_channels_are_enough_to_run():
    w, x = matrix(5, 64), inputs(64, n=3)
    grid = Grid(bits=3)
    assert output_error(x, w, gptq(w, x.T @ x, grid)) < output_error(x, w, QTensor.of(w, grid))


def test_layout_does_not_matter_what_is_given_stays_and_twice_is_the_same():
    w, x = matrix(24, 16), inputs(16)
    gram, columnwise = x.T @ x, w.t().contiguous().t()
    kept = gram.clone()
    tensors = [gptq(v, gram, Grid(bits=3)) for v in (w, w, columnwise, torch.nn.Parameter(w))]
    assert all(torch.equal(t.codes, tensors[0].codes) and torch.equal(t.scale, tensors[0].scale) for t in tensors)
    assert torch.equal(gram, kept) and torch.equal(w, matrix(24, 16)) and torch.equal(columnwise, w)
    one = matrix(1, 16)
    gptq(one, gram, Grid(bits=3))
    assert torch.equal(one, matrix(1, 16))
    assert not tensors[-1].scale.requires_grad


def test_bad_input_is_refused_by_name():
    w, gram, unchecked = matrix(3, 8), torch.eye(8), inspect.unwrap(gptq)  # shapes are checked in tests only
    for arguments, options, words in (
        ((w, torch.eye(7), Grid()), {}, r"gram has shape \(7, 7\), a matrix with 8 inputs needs \(8, 8\)"),
        ((w, gram * torch.nan, Grid()), {}, "gram: NaN or inf among the inputs"),
        ((w / 0, gram, Grid()), {}, "NaN or inf among the weights"),
        ((w, gram, Grid()), {"damping": 0.0}, "damping=0.0: must be positive"),
        ((w, gram, Grid()), {"damping": float("nan")}, "damping=nan"),
        ((w, gram, Grid()), {"damping": float("inf")}, "damping=inf"),
    ):
        with pytest.raises(ValueError, match=words):
            unchecked(*arguments, **options)


@pytest.mark.parametrize("damping", [1e-12, 5e-324])
def test_too_little_damping_is_named(damping):
    w, x = matrix(4, 16), inputs(16, n=3)
    gptq(w, x.T @ x, Grid(bits=3))
    with pytest.raises(ValueError, match=rf"damping={damping}: so little .* without an inverse; try {DAMPING}"):
        gptq(w, x.T @ x, Grid(bits=3), damping=damping)
