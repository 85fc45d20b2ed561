"""Chapter 2's figures show the numbers they are given, and leave nothing behind."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from charts.drawn import bands, dots, legend, lines, points, row_names
from matplotlib.figure import Figure

from mobilellm_lab.deep_narrow.figures.plots import (
    kv_per_token,
    ladder,
    learning_curves,
    quality_by_depth,
)

SEEDS = pd.DataFrame(
    [
        {"budget": budget, "depth": depth, "score": score}
        for budget in (60_000, 1_000_000)
        for depth, scores in {1: (0.2, 0.35, 0.3), 2: (0.45, 0.5, 0.6), 4: (0.5, 0.4, 0.3)}.items()
        for score in scores
    ]
)
CURVES = pd.DataFrame(
    [
        {"depth": depth, "seed": seed, "step": step, "loss_nats": 1.0, "score": depth / 10 + seed / 100 + step / 1000}
        for depth in (1, 4)
        for seed in (0, 1, 2)
        for step in (50, 100)
    ]
)
STEPS = pd.DataFrame(
    [("baseline", 2.0), ("baseline", 2.2), ("baseline", 2.1), ("SwiGLU", 1.9), ("SwiGLU", 1.8), ("SwiGLU", 1.7)],
    columns=["step", "score"],
)


ALL = {
    "quality_by_depth": lambda: quality_by_depth(SEEDS, y_label="accuracy"),
    "learning_curves": lambda: learning_curves(CURVES, y_label="accuracy", guessing=1 / 6),
    "ladder": lambda: ladder(STEPS, x_label="bits per byte"),
    "kv_per_token": lambda: kv_per_token({"a": 1.0, "b": 2.0}),
}


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_returned_and_nothing_is_left_open(name):
    mine = plt.figure()
    before, settings = plt.get_fignums(), dict(plt.rcParams)
    figure = ALL[name]()
    assert isinstance(figure, Figure) and len(figure.axes) == 1
    assert plt.get_fignums() == before and plt.gcf() is mine and dict(plt.rcParams) == settings
    figure.canvas.draw()  # and it can be drawn
    plt.close(mine)


@pytest.mark.parametrize("name", ALL)
def test_the_data_are_left_alone(name):
    copies = [frame.copy() for frame in (SEEDS, CURVES, STEPS)]
    ALL[name]()
    for frame, copy in zip((SEEDS, CURVES, STEPS), copies, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_quality_is_a_line_of_medians_in_a_band():
    figure = quality_by_depth(SEEDS, y_label="accuracy")
    (axes,) = figure.axes
    assert axes.get_ylabel() == "accuracy" and axes.get_xlabel().startswith("layers")
    assert legend(figure) == ["60k parameters", "1M parameters"]
    assert [points(line) for line in lines(axes)] == [[(1, 0.3), (2, 0.5), (4, 0.4)]] * 2
    assert bands(axes) == [(0.2, 0.6)] * 2
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]


def test_more_lines_than_can_be_told_apart_are_refused():
    many = pd.concat([CURVES.assign(depth=depth) for depth in range(1, 9)])
    with pytest.raises(ValueError, match="8 lines: at most 6 can be told apart"):
        learning_curves(many, y_label="accuracy", guessing=1 / 6)


def test_learning_curves_are_medians_over_the_seeds():
    figure = learning_curves(CURVES, y_label="accuracy", guessing=1 / 6)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "training steps" and axes.get_ylabel() == "accuracy"
    assert legend(figure) == ["1 layer", "4 layers", "guessing"]
    *curves, guessing = lines(axes)
    assert [y for _, y in points(guessing)] == [1 / 6, 1 / 6] and axes.get_ylim()[0] == 0
    found = [y for line in curves for xy in points(line) for y in xy]
    assert found == pytest.approx([50, 0.16, 100, 0.21, 50, 0.46, 100, 0.51])
    assert [y for band in bands(axes) for y in band] == pytest.approx([0.15, 0.22, 0.45, 0.52])


def test_a_ladder_has_a_row_per_step_from_top_to_bottom():
    (axes,) = ladder(STEPS, x_label="bits per byte").axes
    assert axes.get_xlabel() == "bits per byte"
    assert row_names(axes) == ["baseline", "SwiGLU"]
    assert dots(axes) == [(2.0, 0), (2.2, 0), (2.1, 0), (1.9, 1), (1.8, 1), (1.7, 1)]
    assert [points(line) for line in lines(axes)] == [[(2.1, 0), (1.8, 1)]]  # the medians


def test_kv_bars_carry_their_numbers():
    (axes,) = kv_per_token({"MobileLLM-125M": 22.5, "GPT-2 small": 36.0}).axes
    assert [bar.get_width() for bar in axes.patches] == [22.5, 36.0]
    assert row_names(axes) == ["MobileLLM-125M", "GPT-2 small"]
    assert {text.get_text() for text in axes.texts} == {"22.5", "36.0"}
    assert axes.get_xlabel() == "KV cache, KiB per token"
