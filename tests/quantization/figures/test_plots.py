"""Chapter 3's printed figures: lines of medians in bands, every setting in its place, and the data left alone."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from charts.drawn import bands, bars, dots, legend, lines, points, row_names
from matplotlib.figure import Figure

from mobilellm_lab.quantization.figures import plots as figures
from mobilellm_lab.quantization.figures.replay import LEAST_INCREASE
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR, Grid
from mobilellm_lab.quantization.study.evidence import ARMS, paretoq
from mobilellm_lab.quantization.study.recipe import FLOAT

W = torch.randn(8, 48, generator=torch.Generator().manual_seed(0))
CROSSING = pd.DataFrame({"bits": [4, 2, 1], "float_nats": 0.65, "recovered": [0.1, 0.9, 0.8]})
for number, arm in enumerate(ARMS):
    for what, shift in (("median", 0.0), ("min", -0.01), ("max", 0.01)):
        CROSSING[f"{arm} {what}"] = [0.66 + number / 100 + shift, 0.9 + number / 10 + shift, 2.0 + number + shift]


def runs(**columns) -> pd.DataFrame:
    """Made-up runs: the columns that are not given are the same in all."""
    usual = {"bits": 4, "group_size": 32, "method": "rtn", "activation_bits": FLOAT, "activation": "dynamic"}
    usual |= {"ranges": "minmax", "data": "own", "rotate": False, "planted": "none", "factor": 1, "seed": 0}
    frame = pd.DataFrame(columns)
    for name, value in usual.items():
        if name not in frame:
            frame[name] = value
    return frame.assign(
        loss_increase_low_nats=frame["loss_increase_nats"] / 2, loss_increase_high_nats=2 * frame["loss_increase_nats"]
    )


LINES = {
    "to nearest": runs(bits=[2, 2, 2, 3, 8], loss_increase_nats=[0.4, 0.5, 0.6, 0.02, -1e-5]),
    "GPTQ": runs(bits=[2, 3, 8], loss_increase_nats=[0.05, 0.01, 0.0]),
}
FLOWING = runs(
    loss_increase_nats=[0.001, 0.1, 0.01, 0.2, 0.012, 0.25, 0.5],
    bits=[FLOAT] * 6 + [4],
    activation_bits=[8, 4, 8, 4, 8, 4, 8],
    activation=["dynamic", "dynamic", "static", "static", "static", "static", "dynamic"],
    ranges=["minmax", "minmax", "minmax", "minmax", "mse", "mse", "minmax"],
)
PLANTED = runs(
    loss_increase_nats=[0.01, 0.5, 0.6, 0.01, 0.02, 0.02, 0.005, 0.005, 3.0],
    group_size=[TENSOR] * 3 + [CHANNEL] * 3 + [TENSOR] * 2 + [32],
    factor=[1, 8, 8, 1, 8, 8, 1, 8, 8],
    planted=["none", "weights", "weights", "none", "weights", "weights", "none", "weights", "activations"],
    rotate=[False] * 6 + [True] * 2 + [False],
    activation_bits=[FLOAT] * 8 + [8],
    seed=[0, 0, 1, 0, 0, 1, 0, 0, 0],
)
DATA = runs(
    loss_increase_nats=[0.01, 0.02, 0.3, 0.4, 0.05, 0.06],
    bits=[FLOAT] * 4 + [3] * 2,
    activation_bits=[8] * 4 + [FLOAT] * 2,
    activation=["static"] * 4 + ["dynamic"] * 2,
    data=["own", "own", "random", "random", "own", "own"],
    method=["rtn"] * 4 + ["gptq"] * 2,
    seed=[0, 1] * 3,
)
MATRICES = pd.DataFrame(
    {"matrix": ["embed.weight", "blocks.0.ffn.up.weight"] * 2, "part": ["embedding", "ffn"] * 2}
).assign(bits=[2, 2, 4, 4], loss_increase_nats=[0.3, 0.02, 0.001, -1e-6], bytes=[10, 20, 20, 40])
MIXED = pd.DataFrame({"kind": ["uniform", "uniform", "mixed"], "bytes": [1024, 2048, 1024]}).assign(
    loss_increase_nats=[0.5, 0.01, 0.1],
    loss_increase_low_nats=[0.4, 0.01, 0.05],
    loss_increase_high_nats=[0.6, 0.02, 0.2],
)
CACHE = pd.DataFrame(
    {"kv_bits": [FLOAT] * 2 + [4] * 4, "keys": ["position"] * 4 + ["channel"] * 2, "context": [16, 64] * 3}
).assign(bytes=[4096, 16384, 640, 2560, 700, 2800], loss_increase_nats=[0, 0, 0.01, 0.02, 0.005, 0.006])
PAIRS = pd.DataFrame({"task": "stories", "bits": [2, 2, 4, 4, 8], "deep": [0.2, 0.3, 0.01, 0.005, -2e-4]}).assign(
    wide=[0.1, 0.1, 0.01, 0.01, 1e-4], ratio=[2.0, 3.0, 1.0, 0.5, -2.0]
)
SHELLS = pd.DataFrame({"depth": [2, 2, 8, 8] * 2, "bits": [2] * 4 + [4] * 4, "group_size": 32}).assign(
    loss_increase_nats=[0.1, 0.2, 0.3, 0.4, 0.01, 0.02, 0.03, 0.04]
)

ALL = {
    "weights_on_grid": lambda: figures.weights_on_grid(W, Grid(bits=3, group_size=TENSOR)),
    "loss_increase_by_bits": lambda: figures.loss_increase_by_bits(LINES),
    "crossover": lambda: figures.crossover(CROSSING),
    "paretoq": lambda: figures.paretoq(paretoq()),
    "activations": lambda: figures.activations(FLOWING),
    "planted": lambda: figures.planted(PLANTED, kind="weights"),
    "calibrated_on": lambda: figures.calibrated_on(DATA),
    "sensitivity": lambda: figures.sensitivity(MATRICES),
    "mixed": lambda: figures.mixed(MIXED),
    "kv": lambda: figures.kv(CACHE),
    "deep_and_wide": lambda: figures.deep_and_wide(PAIRS),
    "fragility": lambda: figures.fragility(SHELLS),
}
FRAMES = (CROSSING, FLOWING, PLANTED, DATA, MATRICES, MIXED, CACHE, PAIRS, SHELLS, *LINES.values())


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_returned_nothing_is_left_open_and_the_data_are_left_alone(name):
    mine, copies = plt.figure(), [frame.copy() for frame in FRAMES]
    before, settings = plt.get_fignums(), dict(plt.rcParams)
    figure = ALL[name]()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == before and plt.gcf() is mine and dict(plt.rcParams) == settings
    figure.canvas.draw()  # and it can be drawn
    plt.close(mine)
    for frame, copy in zip(FRAMES, copies, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_weights_go_up_and_rounded_ones_down_between_the_lines_of_the_grid():
    figure = ALL["weights_on_grid"]()
    (axes,) = figure.axes
    heights = [bar.get_height() for bar in axes.patches]
    assert max(heights) == 1 and min(heights) == -1
    assert len(lines(axes)) == 8 + 1  # the values of 3 bits, and the axis
    assert "3 bits, 1 scale" in axes.get_title() and legend(figure) == ["float", "rounded"]
    many = figures.weights_on_grid(W, Grid(bits=8)).axes[0]
    assert len(lines(many)) == 2 + 1 and "16 scales" in many.get_title()


def test_a_loss_increase_is_a_logarithmic_line_in_its_band_and_nothing_is_below_the_edge():
    figure = ALL["loss_increase_by_bits"]()
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and legend(figure) == ["to nearest", "GPTQ"]
    assert points(lines(axes)[0]) == [(2, 0.5), (3, 0.02), (8, LEAST_INCREASE)]
    assert bands(axes) == [(LEAST_INCREASE, 0.6), (LEAST_INCREASE, 0.1)]  # of seeds; once: the parts of the test
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "3", "8"]


def test_every_arm_crosses_over_in_its_own_line():
    figure = ALL["crossover"]()
    (axes,) = figure.axes
    assert len(lines(axes)) == len(ARMS) + 1 and legend(figure)[-2:] == ["QAT", "float"]
    assert points(lines(axes)[0]) == [(1, 2.0), (2, 0.9), (4, 0.66)]
    assert bands(axes)[0] == pytest.approx((0.65, 2.01))
    assert set(lines(axes)[-1].get_ydata()) == {0.65}
    two = figures.crossover(CROSSING, arms=("ptq rtn", "qat"))
    assert legend(two) == ["RTN", "QAT", "float"]


def test_published_numbers_stand_as_printed():
    figure = ALL["paretoq"]()
    assert legend(figure)[0] == "MobileLLM-125M"
    first = [(1, 25.8), (1.58, 20.0), (2, 18.2), (3, 15.0), (4, 14.1), (16, 15.1)]
    assert points(lines(figure.axes[0])[0]) == first
    accuracy = figures.paretoq(paretoq(), column="accuracy").axes[0]
    assert points(lines(accuracy)[3])[0] == (1, 53.8)
    with pytest.raises(ValueError, match="column='loss': choose one of perplexity, accuracy"):
        figures.paretoq(paretoq(), column="loss")


def test_activations_are_those_of_a_model_whose_weights_are_float():
    figure = ALL["activations"]()
    assert legend(figure) == ["dynamic", "static, minmax", "static, mse"]
    assert points(lines(figure.axes[0])[0]) == [(4, 0.1), (8, 0.001)]
    assert bands(figure.axes[0])[0] == (0.0005, 0.2)  # measured once: the parts of the test


def test_planted_outliers_are_drawn_by_what_they_sit_in():
    figure = ALL["planted"]()
    assert legend(figure) == ["a scale for the matrix", "a scale for a row", "a scale for the matrix, rotated"]
    assert points(lines(figure.axes[0])[0]) == [(1, 0.01), (8, 0.55)]
    figure = figures.planted(PLANTED, kind="activations")
    assert legend(figure) == ["a scale for a token"] and points(lines(figure.axes[0])[0]) == [(8, 3.0)]


def test_what_was_calibrated_on_is_a_row_of_seeds_with_their_median():
    (axes,) = ALL["calibrated_on"]().axes
    assert row_names(axes) == ["GPTQ: own", "static 8-bit activations: own", "static 8-bit activations: random"]
    assert [x for x, y in dots(axes) if y == 2] == [0.3, 0.4]
    (medians,) = lines(axes)
    assert points(medians)[2] == pytest.approx((0.35, 2))


def test_the_most_sensitive_matrix_is_named_and_darkest():
    axes, bar = ALL["sensitivity"]().axes
    (cells,) = axes.collections
    assert cells.get_array().tolist() == [[0.3, 0.02], [0.001, LEAST_INCREASE]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "4"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0"]  # the block; the embedding is in none
    assert axes.get_title() == "most sensitive: embed" and bar.get_xscale() == "log"
    dark, *others = cells.to_rgba(cells.get_array()).reshape(-1, 4)[:, :3].sum(axis=1)
    assert dark < min(others)


def test_mixed_and_uniform_bits_stand_at_their_bytes_in_the_range_of_the_parts():
    figure = ALL["mixed"]()
    (axes,) = figure.axes
    assert legend(figure) == ["the same bits everywhere", "bits by matrix"]
    uniform, mixed = (points(line) for line in lines(axes) if line.get_linestyle() == "-")
    assert uniform == [(1, 0.5), (2, 0.01)] and mixed == [(1, 0.1)]
    assert [end for spans in bars(axes) for span in spans for end in span] == pytest.approx(
        [0.4, 0.6, 0.01, 0.02, 0.05, 0.2]
    )


def test_the_cache_has_its_loss_increase_above_and_its_bytes_below():
    figure = ALL["kv"]()
    above, below = figure.axes
    assert len(lines(above)) == 2 and len(lines(below)) == 3  # float has no loss increase
    assert legend(figure) == ["4 bits, keys per position", "4 bits, keys per channel", "float"]
    assert points(lines(below)[2]) == [(16, 4), (64, 16)] and points(lines(above)[0]) == [(16, 0.01), (64, 0.02)]
    assert points(lines(below)[0]) == [(16, 0.625), (64, 2.5)]


def test_deep_is_drawn_as_a_multiple_of_wide_and_depth_as_depth():
    (axes,) = ALL["deep_and_wide"]().axes
    assert points(lines(axes)[0]) == [(2, 2.5), (4, 0.75)] and bands(axes)[0] == (0.5, 3.0)
    figure = ALL["fragility"]()
    assert legend(figure) == ["2 bits", "4 bits"]
    found = [y for line in lines(figure.axes[0]) for _, y in points(line)]
    assert found == pytest.approx([0.15, 0.35, 0.015, 0.035])
