"""The grid against torchao's, torch's and a search by hand: nearest, saturating, and better with every bit."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mobilellm_lab.quantization import BITS, CHANNEL, TENSOR, Grid, QTensor, matrices
from mobilellm_lab.quantization.grid import SCALE_DTYPES, SHRINKS, SMALLEST_SCALE, check
from mobilellm_lab.quantization.layers import packed_parts
from mobilellm_lab.quantization.libraries.load import torchao, without_legacy_warnings
from mobilellm_lab.reference import load_model

ROWS, COLUMNS = 12, 96
GROUPS = (TENSOR, CHANNEL, 8, 32)  # those that torchao has: they divide the row
OTHER = (1, 5, 40, 200)  # a last group that is short, one that is longer than the row; torchao errs at 1
SIGNS = (True, False)  # symmetric, affine
KINDS = [(bits, sign) for sign in SIGNS for bits in BITS if bits >= 2 or sign]
PAIRS = tuple(zip(GROUPS, OTHER, strict=True))
CASES = [  # every kind with a group of either tuple, so that every group meets both signs and several widths
    (bits, group, sign) for number, (bits, sign) in enumerate(KINDS) for group in PAIRS[number % len(PAIRS)]
]
WHOLE = [case for case in CASES if case[0] >= 2 and case[1] in GROUPS]


def weights(rows: int = ROWS, columns: int = COLUMNS, seed: int = 0) -> torch.Tensor:
    """Rows of every kind: of other sizes, with an outlier, of zeros, of one sign, constant, with signed zeros."""
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(rows, columns, generator=generator) * 10 ** torch.empty(rows, 1).uniform_(
        -3, 1, generator=generator
    )
    w[1, 3] *= 50
    w[2] = 0
    w[3].abs_()
    w[4] = -w[4].abs()
    w[5] = 0.25
    w[6, ::2] = -0.0
    return w


def gaussian(rows: int = 64, columns: int = 512) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(1))


def block(grid: Grid, shape: tuple[int, int]) -> list[int]:
    """The group of this grid as torchao writes it."""
    return {TENSOR: list(shape), CHANNEL: [1, shape[1]]}.get(grid.group_size, [1, grid.group_size])


def relative_error(w: torch.Tensor, grid: Grid, **options) -> float:
    """Mean squared error, as a share of the mean square."""
    return ((grid.fake(w, **options) - w).square().mean() / w.square().mean()).item()


@pytest.mark.parametrize(("bits", "group", "symmetric"), WHOLE)
def test_scale_zero_codes_and_weights_are_torchaos(bits, group, symmetric):
    primitives = torchao().quantization.quant_primitives
    grid = Grid(bits=bits, group_size=group, symmetric=symmetric, scale_dtype="float32")
    mapping = primitives.MappingType.SYMMETRIC if symmetric else primitives.MappingType.ASYMMETRIC
    for w in (weights(), gaussian(16, 96), 1e-3 * gaussian(16, 96).exp()):
        ours, size, range_ = QTensor.of(w, grid), block(grid, w.shape), (grid.low, grid.high)
        scale, zero = primitives.choose_qparams_affine(w, mapping, size, torch.int8, *range_, eps=SMALLEST_SCALE)
        assert torch.equal(ours.scale, scale.view(ours.scale.shape))
        assert torch.equal(ours.zero, zero.view(ours.zero.shape).int())
        codes = primitives.quantize_affine(w, size, scale, zero, torch.int8, *range_)
        assert torch.equal(ours.codes, codes)
        assert torch.equal(
            ours.dequantize(), primitives.dequantize_affine(codes, size, scale, zero, torch.int8, *range_)
        )


@pytest.mark.parametrize("group", GROUPS)
def test_unsigned_affine_codes_are_ours_moved_by_half_the_range(group):
    """torchao's uint4: codes 0..15 where ours are -8..7; the weights are the same."""
    primitives = torchao().quantization.quant_primitives
    grid, w = Grid(bits=4, group_size=group, symmetric=False, scale_dtype="float32"), weights()
    size = block(grid, w.shape)
    scale, zero = primitives.choose_qparams_affine(
        w, primitives.MappingType.ASYMMETRIC, size, torch.uint8, 0, 15, eps=SMALLEST_SCALE
    )
    codes = primitives.quantize_affine(w, size, scale, zero, torch.uint8, 0, 15)
    ours = QTensor.of(w, grid)
    assert torch.equal(ours.codes + 8, codes.to(torch.int8))
    theirs = primitives.dequantize_affine(codes, size, scale, zero, torch.uint8, 0, 15)
    assert torch.equal(ours.dequantize(), theirs)


@pytest.mark.parametrize(("bits", "group"), [(bits, (CHANNEL, 8, 32)[bits % 3]) for bits in range(2, 9)])
def test_a_product_with_our_weights_is_that_of_a_layer_that_torchao_quantized(bits, group):
    """Within float32 rounding, on a Linear converted by `quantize_`."""
    quantization = torchao().quantization
    layer = nn.Sequential(nn.Linear(COLUMNS, 48, bias=False))
    w = gaussian(48, COLUMNS)
    layer[0].weight.data = w.clone()
    granularity = quantization.PerAxis(0) if group == CHANNEL else quantization.PerGroup(group)
    config = quantization.IntxWeightOnlyConfig(weight_dtype=getattr(torch, f"int{bits}"), granularity=granularity)
    quantization.quantize_(layer, config)
    assert type(layer[0].weight.data) is not torch.Tensor  # it was converted
    ours = QTensor.of(w, Grid(bits=bits, group_size=group, scale_dtype="float32"))
    x = torch.randn(64, COLUMNS, generator=torch.Generator().manual_seed(2))
    expected = layer(x)
    difference = (F.linear(x, ours.dequantize()) - expected).abs().max() / expected.abs().max()
    assert difference < 4 * torch.finfo(torch.float32).eps
    assert (F.linear(x, w) - expected).abs().max() / expected.abs().max() > 0.3 / 2**bits  # and is not the float one


@pytest.mark.parametrize("group", [CHANNEL, 32])
def test_an_eight_bit_layer_of_torchao_is_on_our_grid(group):
    """`Int8WeightOnlyConfig`, whose grid ends at -127: ours with its scale loses nothing."""
    quantization = torchao().quantization
    layer = nn.Sequential(nn.Linear(COLUMNS, 48, bias=False))
    granularity = quantization.PerRow() if group == CHANNEL else quantization.PerGroup(group)
    quantization.quantize_(layer, quantization.Int8WeightOnlyConfig(granularity=granularity))
    weight = layer[0].weight
    grid, scale = Grid(bits=8, group_size=group, scale_dtype="float32"), weight.scale.float().view(48, -1)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    assert torch.equal(grid.quantize(weight.dequantize(), scale, zero), weight.qdata)
    assert torch.equal(grid.dequantize(weight.qdata, scale, zero), weight.dequantize())


@pytest.mark.parametrize(("bits", "group", "symmetric"), [case for case in WHOLE if case[1] in (TENSOR, CHANNEL)])
def test_scale_and_zero_are_those_of_torchs_observers(bits, group, symmetric):
    from torch.ao.quantization import observer

    grid, w = Grid(bits=bits, group_size=group, symmetric=symmetric, scale_dtype="float32"), weights()
    kind = observer.MinMaxObserver if group == TENSOR else observer.PerChannelMinMaxObserver
    name = ("per_tensor_" if group == TENSOR else "per_channel_") + ("symmetric" if symmetric else "affine")
    with without_legacy_warnings():
        observe = kind(dtype=torch.qint8, qscheme=getattr(torch, name), quant_min=grid.low, quant_max=grid.high)
        observe(w)
        expected, expected_zero = observe.calculate_qparams()
    scale, zero = grid.fit(w)
    assert torch.equal(scale.flatten(), expected.flatten())
    assert torch.equal(zero.flatten(), expected_zero.flatten().int())


@pytest.mark.parametrize(("bits", "group", "symmetric"), [case for case in WHOLE if case[1] != TENSOR])
def test_weights_on_the_grid_are_those_of_torchs_fake_quantize(bits, group, symmetric):
    """A channel of torch's is a group of ours."""
    grid, w = Grid(bits=bits, group_size=group, symmetric=symmetric, scale_dtype="float32"), weights()
    scale, zero = grid.fit(w)
    rows = w.reshape(scale.numel(), -1)
    expected = torch.fake_quantize_per_channel_affine(rows, scale.flatten(), zero.flatten(), 0, grid.low, grid.high)
    assert torch.equal(grid.fake(w), expected.view(w.shape))


@pytest.mark.parametrize("symmetric", SIGNS)
@pytest.mark.parametrize("group", [CHANNEL, 8, 32])
def test_eight_bit_codes_are_those_of_torchs_quantized_tensors(group, symmetric):
    w = weights()
    ours = QTensor.of(w, Grid(bits=8, group_size=group, symmetric=symmetric, scale_dtype="float32"))
    with without_legacy_warnings():
        rows = w.reshape(ours.scale.numel(), -1)
        theirs = torch.quantize_per_channel(rows, ours.scale.flatten(), ours.zero.flatten(), 0, torch.qint8)
    assert torch.equal(ours.codes, theirs.int_repr().view(w.shape))
    assert torch.equal(ours.dequantize(), theirs.dequantize().view(w.shape))


@pytest.mark.parametrize(("bits", "group", "symmetric"), CASES)
def test_every_weight_gets_the_nearest_value_of_its_group(bits, group, symmetric):
    """Against all values of every group, one by one: saturation, short groups, signs and all."""
    grid = Grid(bits=bits, group_size=group, symmetric=symmetric)
    w = weights()
    ours = QTensor.of(w, grid)
    codes = np.array([-1, 1]) if bits == 1 else np.arange(grid.low, grid.high + 1)
    assert len(codes) == grid.levels and ours.codes.min() >= grid.low and ours.codes.max() <= grid.high
    scale, zero, found = ours.scale.double().numpy(), ours.zero.numpy(), ours.dequantize().double().numpy()
    for row in range(ROWS):
        for column in range(COLUMNS):
            place = (0, 0) if group == TENSOR else (row, column // (group or COLUMNS))
            step, value = scale[place], float(w[row, column])
            nearest = np.abs((codes - zero[place]) * step - value).min()
            assert abs(found[row, column] - value) <= nearest + 1e-4 * step


@pytest.mark.parametrize(("bits", "group", "symmetric"), [case for case in CASES if case[0] >= 2])
def test_the_error_is_at_most_half_a_step(bits, group, symmetric):
    """The whole range of the weights is covered; a scale rounded to float16 adds its own rounding at the ends."""
    for dtype, slack in (("float32", 1e-4), ("float16", 2.0**-11 * 2**bits)):
        grid, w = Grid(bits=bits, group_size=group, symmetric=symmetric, scale_dtype=dtype), weights()
        ours = QTensor.of(w, grid)
        steps = grid.dequantize(torch.ones_like(ours.codes), ours.scale, torch.zeros_like(ours.zero))  # of each weight
        off = (ours.dequantize() - w).abs() / steps
        whole = steps >= torch.finfo(SCALE_DTYPES[dtype]).smallest_normal  # below, float16 has fewer digits
        assert whole.sum() > 400 and off[whole].max() <= 0.5 + slack
        assert off[whole].max() > 0.45 or group == 1  # and not nothing


@pytest.mark.parametrize(("bits", "group", "symmetric"), CASES)
def test_at_a_fixed_scale_quantizing_again_changes_nothing(bits, group, symmetric):
    grid = Grid(bits=bits, group_size=group, symmetric=symmetric)
    ours = QTensor.of(weights(), grid)
    again = grid.quantize(ours.dequantize(), ours.scale, ours.zero)
    assert torch.equal(again, ours.codes)


def test_fitting_again_is_not_the_same_on_a_symmetric_grid():
    """Half a step at the end is lost, so the next fit is narrower; an affine range keeps its ends."""
    w = gaussian()
    for symmetric, moves in ((True, True), (False, False)):
        grid = Grid(symmetric=symmetric, scale_dtype="float32")
        once = grid.fake(w)
        assert ((grid.fake(once) - once).abs().max() > 0.01 * once.abs().max()) == moves


def test_rounding_by_hand():
    """Halves go to the even code, and what is beyond the ends to the end."""
    w = torch.tensor([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49, 0.51, 7.4, 9.0, -8.4, -99.0, 0.0, -0.0, 2.0, -3.0]])
    one, none = torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.int32)
    codes = [-2, -2, 0, 0, 2, 2, 0, 1, 7, 7, -8, -8, 0, 0, 2, -3]
    assert Grid(group_size=CHANNEL).quantize(w, one, none).tolist() == [codes]
    affine = Grid(group_size=CHANNEL, symmetric=False)
    moved = affine.quantize(w, one, none + 3)
    assert moved.tolist() == [[1, 1, 3, 3, 5, 5, 3, 4, 7, 7, -5, -8, 3, 3, 5, 0]]
    assert affine.dequantize(moved, 2 * one, none + 3)[0, :4].tolist() == [-4, -4, 0, 0]
    assert Grid(bits=1.58, group_size=CHANNEL).quantize(w, one, none).unique().tolist() == [-1, 0, 1]
    signs = [-1] * 3 + [1] * 7 + [-1, -1, 1, 1, 1, -1]
    assert Grid(bits=1, group_size=CHANNEL).quantize(w, one, none).tolist() == [signs]


def test_fitting_by_hand():
    w = torch.tensor([[-1.0, 0.5, 3.0, 0.0], [2.0, 4.0, 8.0, 6.0]])

    def fits(scales: list, zeros: list, **options) -> bool:
        scale, zero = Grid(scale_dtype="float32", **options).fit(w)
        return torch.equal(zero, torch.tensor(zeros, dtype=torch.int32)) and torch.equal(scale, torch.tensor(scales))

    assert fits([[2.0], [8 / 1.5]], [[0], [0]], bits=2, group_size=CHANNEL)
    assert fits([[1 / 1.5, 2.0], [4 / 1.5, 8 / 1.5]], [[0, 0], [0, 0]], bits=2, group_size=2)
    assert fits([[8 / 1.5]], [[0]], bits=2, group_size=TENSOR)
    assert fits([[2.0, SMALLEST_SCALE], [8 / 1.5, 4.0]], [[0, 0], [0, 0]], bits=2, group_size=3)
    assert fits([[4 / 3], [8 / 3]], [[-1], [-2]], bits=2, group_size=CHANNEL, symmetric=False)  # -1..3 and 0..8
    for bits in (1, 1.58):  # the mean magnitude, of a short group too
        assert fits([[1.5, SMALLEST_SCALE], [14 / 3, 6.0]], [[0, 0], [0, 0]], bits=bits, group_size=3)
        assert fits([[24.5 / 8]], [[0]], bits=bits, group_size=TENSOR)


def test_ternary_and_binary_values():
    w = weights()
    for bits, values in ((1, [-1, 1]), (1.58, [-1, 0, 1])):
        ours = QTensor.of(w, Grid(bits=bits, group_size=CHANNEL, scale_dtype="float32"))
        means = torch.tensor(np.abs(w.double().numpy()).mean(1), dtype=torch.float32).clamp(min=SMALLEST_SCALE)
        assert torch.allclose(ours.scale[:, 0], means, rtol=1e-6)
        assert ours.codes.unique().tolist() == values


@pytest.mark.parametrize("symmetric", SIGNS)
@pytest.mark.parametrize("group", GROUPS)
def test_mean_error_falls_with_bits_on_gaussian_weights(group, symmetric):
    w = gaussian()
    errors = [relative_error(w, Grid(bits=bits, group_size=group, symmetric=symmetric)) for bits in range(2, 9)]
    assert all(more < less for less, more in zip(errors, errors[1:], strict=False))
    assert errors[-1] < 2e-3 * errors[0]


@pytest.mark.parametrize("group", [TENSOR, CHANNEL, 32])
def test_binary_ternary_and_on_with_the_best_scale(group):
    """With a searched scale every bit helps; with the scale by the largest weight, 2 bits may be worse than ternary."""
    w, grids = gaussian(), [Grid(bits=bits, group_size=group) for bits in BITS]
    errors = [relative_error(w, grid, shrink=grid.search(w)) for grid in grids]
    assert errors == sorted(errors, reverse=True)
    by_largest = [relative_error(w, grid) for grid in grids]
    assert by_largest[0] > by_largest[1]
    assert (by_largest[1] < by_largest[2]) == (group != 32)


@pytest.mark.parametrize("name", ["student-small", "text-wide"])
@pytest.mark.parametrize("group", [TENSOR, CHANNEL, 32])
def test_mean_error_falls_with_bits_on_trained_weights(name, group):
    found = [p.detach() for p in matrices(load_model(name).model).values()]
    for symmetric in SIGNS:
        errors = [
            np.mean([relative_error(w, Grid(bits=bits, group_size=group, symmetric=symmetric)) for w in found])
            for bits in range(2, 9)
        ]
        assert all(more < 0.5 * less for less, more in zip(errors, errors[1:], strict=False))


def test_mean_error_falls_with_smaller_groups(stories):
    for w in (gaussian(), stories.model.blocks[3].ffn.up.weight.detach()):
        for bits in BITS:
            errors = [relative_error(w, Grid(bits=bits, group_size=size)) for size in (TENSOR, CHANNEL, 64, 32, 16, 8)]
            assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(("bits", "step", "error"), [(1, 0.7979, 0.3634), (1.58, 1.2240, 0.1902)])
def test_the_searched_scale_is_the_optimal_quantizers(bits, step, error):
    """Of a unit Gaussian, two and three levels: Max 1960, table II (a step of 1.5958 there is twice our scale)."""
    w = torch.randn(400, 500, generator=torch.Generator().manual_seed(4))
    grid = Grid(bits=bits, group_size=TENSOR)
    shrink = grid.search(w)
    assert grid.fit(w, shrink=shrink)[0].item() == pytest.approx(step, rel=2 ** (1 / 32) - 1)
    assert relative_error(w, grid, shrink=shrink) == pytest.approx(error, rel=0.01)


@pytest.mark.parametrize(("bits", "group", "symmetric"), CASES)
def test_the_search_finds_the_best_of_its_candidates_in_every_group(bits, group, symmetric):
    """Never worse than the fit, and no candidate beats it, weighted or not."""
    grid, w = Grid(bits=bits, group_size=group, symmetric=symmetric, scale_dtype="float32"), weights()
    importance = torch.rand(COLUMNS, generator=torch.Generator().manual_seed(5))

    def group_errors(shrink, factor) -> torch.Tensor:
        error = (grid.fake(w, shrink=shrink) - w).square() * factor
        return grid._grouped(error).sum(-1)

    for weight, factor in ((None, 1), (importance, importance)):
        shrink = grid.search(w, weight)
        assert shrink.shape == grid.groups(w.shape) and torch.isin(shrink, torch.tensor(SHRINKS)).all()
        best = group_errors(shrink, factor)
        for candidate in SHRINKS[::6] + (1.0,):
            assert (best <= group_errors(candidate, factor) * (1 + 1e-5)).all()


def test_a_search_passes_over_scales_that_its_type_cannot_hold():
    w = 1e5 * gaussian(8, 64)
    grid = Grid(group_size=CHANNEL)
    assert grid.fit(w)[0].max() * 2 > torch.finfo(torch.float16).max
    assert relative_error(w, grid, shrink=grid.search(w)) < relative_error(w, grid)
    with pytest.raises(ValueError, match="cannot hold"):
        grid.search(100 * w)
    with pytest.raises(ValueError, match="NaN or inf"):
        grid.search(math.nan * w)


def test_a_weighted_search_serves_the_channels_that_count():
    w = gaussian(32, 64)
    counting = torch.zeros(64)
    counting[:8] = 1
    grid = Grid(bits=3, group_size=CHANNEL)
    plain, led = (grid.fake(w, shrink=grid.search(w, weight)) - w for weight in (None, counting))
    assert led[:, :8].square().mean() < 0.8 * plain[:, :8].square().mean()
    assert led.square().mean() > plain.square().mean()


@pytest.mark.parametrize(("bits", "group", "symmetric"), CASES)
def test_bytes_are_those_of_the_packed_parts(bits, group, symmetric):
    for dtype in SCALE_DTYPES:
        for rows, columns in ((ROWS, COLUMNS), (7, 33), (1, 1), (3, 9)):
            grid = Grid(bits=bits, group_size=group, symmetric=symmetric, scale_dtype=dtype)
            ours = QTensor.of(weights(7, 33)[:rows, :columns] if rows < 8 else weights(), grid)
            parts = packed_parts(ours)
            assert ours.shape == (rows, columns)
            assert ours.nbytes == sum(part.nbytes for part in parts.values()) == grid.nbytes((rows, columns))
            assert grid.bits_per_weight((rows, columns)) == 8 * ours.nbytes / (rows * columns)
            assert parts["scale"].dtype == SCALE_DTYPES[dtype]
            assert torch.equal(parts["scale"].float(), ours.scale)  # rounded before, so nothing is lost by storing


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 4.5),
        ({"symmetric": False}, 4.625),  # a 4-bit zero beside each 16-bit scale
        ({"scale_dtype": "float32"}, 5),
        ({"group_size": 64}, 4.25),
        ({"group_size": CHANNEL}, 4 + 16 / 576),
        ({"group_size": TENSOR}, 4 + 16 / 576**2),
        ({"group_size": 1}, 20),
        ({"bits": 3}, 3.5),
        ({"bits": 1}, 1.5),
        ({"bits": 1.58}, 116 * 8 / 576 + 0.5),  # five to a byte, and each row to its end
        ({"bits": 8, "group_size": CHANNEL}, 8 + 16 / 576),
    ],
)
def test_bits_per_weight(options, expected):
    assert Grid(**options).bits_per_weight((576, 576)) == pytest.approx(expected, abs=1e-12)


def test_layout_and_type_of_the_weights_do_not_matter_and_they_stay_as_they_are():
    w = weights(16, 70)
    kept = w.clone()
    for bits, group, symmetric in CASES:
        grid = Grid(bits=bits, group_size=group, symmetric=symmetric)
        ours, columnwise = QTensor.of(w, grid), QTensor.of(w.t().contiguous().t(), grid)
        assert torch.equal(ours.codes, columnwise.codes) and torch.equal(ours.scale, columnwise.scale)
        assert ours.codes.is_contiguous() and ours.dequantize().is_contiguous()
        assert torch.equal(ours.dequantize(), grid.fake(nn.Parameter(w))) and not ours.scale.requires_grad
        half = w.to(torch.float16)
        assert torch.equal(grid.fake(half), grid.fake(half.float()))
    assert torch.equal(w, kept)


def test_the_same_weights_give_the_same_twice():
    a, b = (QTensor.of(gaussian(), Grid(bits=3)) for _ in range(2))
    assert torch.equal(a.codes, b.codes) and torch.equal(a.scale, b.scale)
    assert torch.equal(Grid().search(gaussian()), Grid().search(gaussian()))


def test_no_gradient_passes_through_the_codes_but_scales_may_learn():
    w, grid = nn.Parameter(gaussian(4, 64)), Grid()
    assert not grid.fake(w).requires_grad
    ours = QTensor.of(w, grid)
    scale = ours.scale.clone().requires_grad_()
    grid.dequantize(ours.codes, scale, ours.zero).sum().backward()
    assert torch.equal(scale.grad, ours.codes.float().view(4, 2, 32).sum(-1))


def test_a_sliders_float_is_the_whole_number():
    assert Grid(bits=4.0) == Grid(bits=4) and type(Grid(bits=4.0).bits) is int
    assert (Grid(bits=1.58).levels, Grid(bits=1).levels, Grid(bits=8).levels) == (3, 2, 256)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 9}, "bits=9: choose one of 1, 1.58, 2, 3"),
        ({"bits": 0}, "bits=0"),
        ({"bits": 2.5}, "bits=2.5"),
        ({"bits": math.nan}, "bits=nan"),
        ({"group_size": -2}, "group_size=-2: give 1 or more, 0 per row, -1 per tensor"),
        ({"bits": 1, "symmetric": False}, "symmetric=False: 1 bits"),
        ({"bits": 1.58, "symmetric": False}, "symmetric=False: 1.58 bits"),
        ({"scale_dtype": "bfloat16"}, "scale_dtype='bfloat16': choose one of float16, float32"),
    ],
)
def test_impossible_grids_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        Grid(**options)


@pytest.mark.parametrize(("bits", "symmetric"), [(1, True), (1.58, True), (4, True), (4, False)])
@pytest.mark.parametrize("group", [TENSOR, CHANNEL, 32, 40])
def test_weights_that_are_no_numbers_are_refused(bits, symmetric, group):
    for bad in (math.nan, math.inf, -math.inf):
        w = gaussian(4, 64)
        w[2, 63] = bad
        with pytest.raises(ValueError, match="weights: NaN or inf"):
            QTensor.of(w, Grid(bits=bits, group_size=group, symmetric=symmetric))
        with pytest.raises(ValueError, match="blocks.0.ffn.up.weight: NaN or inf"):
            check(w, "blocks.0.ffn.up.weight")


def test_other_impossible_weights_are_refused():
    for shape in ((0, 4), (4, 0)):
        with pytest.raises(ValueError, match="weights of shape .*: give a matrix with at least one weight"):
            Grid().fit(torch.zeros(shape))
    with pytest.raises(ValueError, match="scale_dtype='float16' cannot hold .*float32"):
        Grid().fit(torch.full((2, 32), 1e6))
    assert Grid(scale_dtype="float32").fake(torch.full((2, 32), 1e6))[0, 0] == pytest.approx(7e6 / 7.5)
    for shrink in (0, -1.0, math.nan, torch.tensor([[1.0, 0.0]])):
        with pytest.raises(ValueError, match="shrink=.*must be positive"):
            Grid().fit(gaussian(1, 64), shrink=shrink)
