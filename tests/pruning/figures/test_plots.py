"""Chapter 4's printed figures: lines of medians in bands, every setting in its place, and the data left alone."""

import math

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from charts.drawn import bands, dots, legend, lines, points, row_names
from matplotlib.figure import Figure

from mobilellm_lab.pruning.figures import plots as figures
from mobilellm_lab.pruning.figures.replay import LEAST_INCREASE


def runs(**columns) -> pd.DataFrame:
    """Made-up runs: the columns that are not given are the same in all."""
    usual = {"amount": 0.5, "importance": "l1", "granularity": "weight", "compare": "row", "data": "own", "seed": 0}
    frame = pd.DataFrame(columns)
    for name, value in usual.items():
        if name not in frame:
            frame[name] = value
    return frame.assign(
        loss_increase_low_nats=frame["loss_increase_nats"] / 2, loss_increase_high_nats=2 * frame["loss_increase_nats"]
    )


RANKED = runs(
    loss_increase_nats=[0.1, 0.8, -1e-5, 0.05, 0.06, 0.4, 0.5],
    amount=[0.5, 0.7, 0.3, 0.5, 0.5, 0.7, 0.7],
    importance=["l1", "l1", "l1", "wanda", "wanda", "wanda", "wanda"],
    seed=[0, 0, 0, 0, 1, 0, 1],
)
GRAINS = runs(
    loss_increase_nats=[0.1, 0.3, 0.2, 0.9], amount=[0.25, 0.5] * 2, granularity=["weight"] * 2 + ["neuron"] * 2
)
DATA = runs(
    loss_increase_nats=[0.01, 0.02, 0.3, 0.4, 0.05, 0.06],
    importance=["wanda"] * 4 + ["taylor"] * 2,
    data=["own", "own", "random", "random", "self", "self"],
    seed=[0, 1] * 3,
)
SHARES = {"embed.weight": 0.1} | {
    f"blocks.{block}.{part}.weight": 0.5 + 0.1 * block for block in range(3) for part in ("attention.qkv", "ffn.up")
}
SCAN = pd.DataFrame(
    {"layer": ["blocks.0.attention.qkv.weight", "blocks.1.ffn.up.weight"] * 2, "amount": [0.5, 0.5, 0.9, 0.9]}
).assign(loss_increase_nats=[0.02, -1e-6, 0.3, 0.1])
RECOVERED = pd.DataFrame(
    [
        ("one-shot", "held", 0.5, 0.02, 0.1),
        ("one-shot", "held", 0.8, 0.1, 0.9),
        ("one-shot", "none", 0.8, 0.05, 0.9),
        ("gradual", "held", 0.8, 0.2, 0.9),
        ("scratch: seconds", "held", 0.5, 0.4, 0.1),
        ("scratch: seconds", "held", 0.8, 0.3, 0.9),
        ("scratch: operations", "held", 0.8, 0.2, 0.9),
        ("one-shot", "held", 0.0, 0.0, math.nan),
    ],
    columns=["arm", "masks", "amount", "damage_nats", "cost_nats"],
).assign(granularity="weight", start_nats=1.05)  # the dense model comes to 1 with the same training
RECOVERED["loss_nats"] = 1 + RECOVERED["damage_nats"]

ALL = {
    "importances": lambda: figures.by_amount(RANKED),
    "granularities": lambda: figures.by_amount(GRAINS),
    "calibrated_on": lambda: figures.calibrated_on(DATA),
    "zeros": lambda: figures.zeros(SHARES),
    "sensitivity": lambda: figures.sensitivity(SCAN),
    "recovered": lambda: figures.recovered(RECOVERED),
}
FRAMES = (RANKED, GRAINS, DATA, SCAN, RECOVERED)


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


def test_every_importance_is_a_line_over_the_amount():
    figure = ALL["importances"]()
    (axes,) = figure.axes
    assert legend(figure) == ["magnitude (L1)", "Wanda"] and axes.get_yscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["30 %", "50 %", "70 %"]
    magnitude, wanda = lines(axes)
    assert points(magnitude) == [(0.3, LEAST_INCREASE), (0.5, 0.1), (0.7, 0.8)]  # nothing is below the edge
    assert points(wanda) == [(0.5, pytest.approx(0.055)), (0.7, pytest.approx(0.45))]
    assert bands(axes)[0] == (LEAST_INCREASE, 1.6)  # measured once: the parts of the test
    assert bands(axes)[1] == (0.05, 0.5)  # over the seeds


def test_granularities_are_lines_where_there_are_several():
    assert legend(ALL["granularities"]()) == ["single weights", "FFN neurons"]


def test_what_was_calibrated_on_is_a_row_of_seeds_with_their_median():
    (axes,) = ALL["calibrated_on"]().axes
    assert row_names(axes) == ["Wanda: its task", "Wanda: random tokens", "Taylor: its own samples"]
    assert [x for x, y in dots(axes) if y == 1] == [0.3, 0.4]
    (medians,) = lines(axes)
    assert points(medians)[1] == pytest.approx((0.35, 1))


def test_zeros_are_a_heat_map_of_the_blocks():
    axes, bar = ALL["zeros"]().axes
    (cells,) = axes.collections
    assert cells.get_array().flatten().tolist() == pytest.approx([50, 60, 70, 50, 60, 70])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["qkv", "up"]
    assert bar.get_xlim() == (0, 100)


def test_the_most_sensitive_matrix_is_named():
    axes, bar = ALL["sensitivity"]().axes
    (cells,) = axes.collections
    assert cells.get_array().tolist() == [[0.02, LEAST_INCREASE], [0.3, 0.1]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["50 %", "90 %"]
    assert axes.get_title() == "most sensitive: blocks.0.attention.qkv" and bar.get_xscale() == "log"


def test_a_recovery_is_drawn_beside_what_it_started_from_and_its_control():
    figure = ALL["recovered"]()
    (axes,) = figure.axes
    assert legend(figure) == ["pruned", "fine-tuned", "gradually pruned", "small, from random weights"]
    pruned, tuned, gradual, small = lines(axes)
    assert points(pruned) == [(0.5, pytest.approx(0.15)), (0.8, pytest.approx(0.95))]  # from 1.05 + 0.1, above 1
    assert points(tuned) == [(0.5, pytest.approx(0.02)), (0.8, pytest.approx(0.1))]
    assert points(gradual) == [(0.8, pytest.approx(0.2))]
    assert points(small) == [(0.5, pytest.approx(0.4)), (0.8, pytest.approx(0.3))]
