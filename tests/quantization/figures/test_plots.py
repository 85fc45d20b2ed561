"""Chapter 3's printed figures: lines of medians in bands, every setting in its place, and the data left alone."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from charts.drawn import bands, dots, legend, lines, points, row_names
from matplotlib.figure import Figure

from mobilellm_lab.quantization.figures import plots as figures
from mobilellm_lab.quantization.figures.replay import LEAST_INCREASE
from mobilellm_lab.quantization.grid import TENSOR, Grid
from mobilellm_lab.quantization.study.recipe import FLOAT

W = torch.randn(8, 48, generator=torch.Generator().manual_seed(0))


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


FLOWING = runs(
    loss_increase_nats=[0.001, 0.1, 0.01, 0.2, -1e-5, 0.25, 0.5],
    bits=[FLOAT] * 6 + [4],
    activation_bits=[8, 4, 8, 4, 8, 4, 8],
    activation=["dynamic", "dynamic", "static", "static", "static", "static", "dynamic"],
    ranges=["minmax", "minmax", "minmax", "minmax", "mse", "mse", "minmax"],
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
CACHE = pd.DataFrame(
    {"kv_bits": [FLOAT] * 2 + [4] * 4, "keys": ["position"] * 4 + ["channel"] * 2, "context": [16, 64] * 3}
).assign(bytes=[4096, 16384, 640, 2560, 700, 2800], loss_increase_nats=[0, 0, 0.01, 0.02, 0.005, 0.006])

ALL = {
    "weights_on_grid": lambda: figures.weights_on_grid(W, Grid(bits=3, group_size=TENSOR)),
    "activations": lambda: figures.activations(FLOWING),
    "calibrated_on": lambda: figures.calibrated_on(DATA),
    "sensitivity": lambda: figures.sensitivity(MATRICES),
    "kv": lambda: figures.kv(CACHE),
}
FRAMES = (FLOWING, DATA, MATRICES, CACHE)


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


def test_activations_are_those_of_a_model_whose_weights_are_float():
    figure = ALL["activations"]()
    assert legend(figure) == ["dynamic", "static, minmax", "static, mse"]
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and [label.get_text() for label in axes.get_xticklabels()] == ["4", "8"]
    assert points(lines(axes)[0]) == [(4, 0.1), (8, 0.001)]
    assert bands(axes)[0] == (0.0005, 0.2)  # measured once: the parts of the test
    assert points(lines(axes)[2]) == [(4, 0.25), (8, LEAST_INCREASE)]  # nothing is below the edge


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


def test_the_cache_has_its_loss_increase_above_and_its_bytes_below():
    figure = ALL["kv"]()
    above, below = figure.axes
    assert len(lines(above)) == 2 and len(lines(below)) == 3  # float has no loss increase
    assert legend(figure) == ["keys per position", "per channel, newest in float"]
    assert [word.get_text() for word in below.texts] == ["float"] and above.get_yscale() == "log"
    assert {"0.005", "0.01", "0.02"} <= {label.get_text() for label in above.get_yticklabels()}
    alone = figures.kv(CACHE[CACHE["keys"] == "position"])
    assert legend(alone) == ["4 bits"]
    assert points(lines(below)[2]) == [(16, 4), (64, 16)] and points(lines(above)[0]) == [(16, 0.01), (64, 0.02)]
    assert points(lines(below)[0]) == [(16, 0.625), (64, 2.5)]
    with pytest.raises(ValueError, match="keep one of either"):  # so many lines say nothing
        figures.kv(pd.concat([CACHE, CACHE[CACHE["kv_bits"] == 4].assign(kv_bits=2)]))
