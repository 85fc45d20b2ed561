"""Chapter 7's figures show the numbers they are given, and leave nothing behind."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from charts.drawn import legend, lines, points, row_names
from matplotlib.figure import Figure

from mobilellm_lab.constraints import DEVICES, budget_of
from mobilellm_lab.measuring import InMemory, Interval, Latency, Measured, OnDisk, Theoretical, compare_samples
from mobilellm_lab.metrics.figures.plots import (
    VERDICTS,
    comparison_intervals,
    four_columns,
    latency_distribution,
    pareto_front,
    quality_intervals,
)

MIB = 2**20
COLUMNS = {
    "deep": (Theoretical(bytes=2 * MIB), OnDisk(bytes=4 * MIB), InMemory(bytes=5 * MIB), Measured(ms=1.5)),
    "wide": (Theoretical(bytes=3 * MIB), None, InMemory(bytes=6 * MIB), Measured(ms=0.5)),
}
STEADY = Latency(samples_ms=tuple(map(float, range(10, 110))), warmup=1)
TAIL = Latency(samples_ms=(5.0,) * 98 + (500.0, 900.0), warmup=1)
A = np.linspace(9, 11, 30)
COMPARISONS = {
    "slower": compare_samples(A, 1.2 * A),
    "faster": compare_samples(A, 0.8 * A),
    "equal": compare_samples(A, A[::-1]),
}
INTERVALS = {"deep": Interval(value=0.7, low=0.6, high=0.8, confidence=0.95)}
POINTS = pd.DataFrame(
    {"ms": [1.0, 2.0, 3.0, 4.0], "accuracy": [0.5, 0.7, 0.6, 0.8]}, index=["tiny", "small", "slow", "large"]
)
BETTER = {"ms": "lower", "accuracy": "higher"}
ALL = {
    "four_columns": lambda: four_columns(COLUMNS),
    "latency_distribution": lambda: latency_distribution({"steady": STEADY, "tail": TAIL}),
    "comparison_intervals": lambda: comparison_intervals(COMPARISONS),
    "quality_intervals": lambda: quality_intervals(INTERVALS, x_label="accuracy"),
    "pareto_front": lambda: pareto_front(POINTS, BETTER),
}


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_returned_and_nothing_is_left_open(name):
    mine = plt.figure()
    before, settings = plt.get_fignums(), dict(plt.rcParams)
    figure = ALL[name]()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == before and plt.gcf() is mine and dict(plt.rcParams) == settings
    figure.canvas.draw()  # and it can be drawn
    plt.close(mine)


@pytest.mark.parametrize("name", ALL)
def test_the_data_are_left_alone(name):
    copy = POINTS.copy()
    ALL[name]()
    pd.testing.assert_frame_equal(POINTS, copy)


def test_each_column_has_an_axis_of_its_own_and_a_missing_file_says_so():
    found = four_columns(COLUMNS).axes
    assert [axes.get_title() for axes in found] == ["theoretical", "on disk", "in memory", "measured"]
    assert [axes.get_xlabel() for axes in found] == ["MiB", "MiB", "MiB", "ms"]
    assert [[bar.get_width() for bar in axes.patches] for axes in found] == [[2, 3], [4, 0], [5, 6], [1.5, 0.5]]
    assert texts(found[1]) == ["4", "no file"] and texts(found[3]) == ["1.5", "0.5"]
    assert row_names(found[0]) == ["deep", "wide"]


def test_a_number_in_the_wrong_column_is_refused():
    swapped = (COLUMNS["deep"][0], COLUMNS["deep"][2], COLUMNS["deep"][1], COLUMNS["deep"][3])
    with pytest.raises(ValueError, match=r"row 'deep': 5 MiB \(in memory\) stands in the column 'on disk'"):
        four_columns({"deep": swapped})
    with pytest.raises(ValueError, match="rows are empty"):
        four_columns({})


def test_percentiles_lie_on_their_distribution_and_the_mean_is_dashed():
    figure = latency_distribution({"steady": STEADY, "tail": TAIL})
    (axes,) = figure.axes
    curve, p50, p95, p99, mean = axes.lines[:5]
    assert (10, 0.01) in points(curve) and points(curve)[-1] == (109, 1)
    marks = [(STEADY.percentile_ms(percent), percent / 100) for percent in (50, 95, 99)]
    assert [points(line)[0] for line in (p50, p95, p99)] == marks
    assert len({line.get_marker() for line in (p50, p95, p99)}) == 3
    assert set(mean.get_xdata()) == {STEADY.mean_ms} and mean.get_linestyle() == "--"
    assert legend(figure)[1] == f"tail: p50 5, p95 5, p99 {TAIL.p99_ms:.0f}"


def test_a_comparison_shows_its_interval_and_its_verdict():
    figure = comparison_intervals(COMPARISONS)
    (axes,) = figure.axes
    assert row_names(axes) == ["slower", "faster", "equal"]
    assert legend(figure) == ["a is faster", "b is faster", "not distinguishable"]
    spans = [points(line) for line in lines(axes)]
    for y, found in enumerate(COMPARISONS.values()):
        assert [(found.ratio_low, y), (found.ratio_high, y)] in spans
        assert [(found.ratio, y)] in [
            points(line) for line in lines(axes) if line.get_marker() == VERDICTS[found.verdict][1]
        ]
    assert any(list(line.get_xdata()) == [1, 1] for line in lines(axes))


def test_too_few_pairs_leave_the_picture_and_their_ratio_stays_in_it():
    few = compare_samples(A[:3], 1.1 * A[:3])
    assert few.ratio_low == 0 and few.ratio_high == np.inf
    (axes,) = comparison_intervals({"3 pairs": few, **COMPARISONS}).axes
    low, high = axes.get_xlim()
    spans = [points(line) for line in lines(axes)]
    ((start, end),) = [(at[0][0], at[1][0]) for at in spans if len(at) == 2 and at[0][1] == at[1][1] == 0]
    assert start < low < few.ratio < high < end < np.inf
    assert axes.get_xscale() == "log" and len(axes.get_xticks()) >= 3


def test_a_quality_stands_with_its_interval():
    (axes,) = quality_intervals(INTERVALS, x_label="accuracy").axes
    drawn = [points(line) for line in lines(axes)]
    assert [(0.6, 0), (0.8, 0)] in drawn and [(0.7, 0)] in drawn
    assert texts(axes) == ["0.7 (0.6 to 0.8)"]
    assert axes.get_xlabel() == "accuracy"


def test_the_front_joins_what_nobody_beats():
    (axes,) = pareto_front(POINTS, BETTER, labels={"ms": "ms per token"}).axes
    rest, best = axes.lines
    assert points(rest) == [(3, 0.6)]
    assert points(best) == [(1, 0.5), (2, 0.7), (4, 0.8)]
    assert best.get_drawstyle() == "steps-post"  # with 3 ms to spend, the best is still what 2 ms give
    assert axes.get_xlabel() == "ms per token (lower is better)"
    assert axes.get_ylabel() == "accuracy (higher is better)"
    assert texts(axes) == list(POINTS.index)
    (axes,) = pareto_front(POINTS.rename(columns={"ms": "tokens/s"}), {"tokens/s": "higher", "accuracy": "higher"}).axes
    assert axes.lines[1].get_drawstyle() == "steps-pre" and points(axes.lines[1]) == [(4, 0.8)]


def test_the_front_can_carry_a_devices_budget():
    budget = budget_of(DEVICES["iPhone 13"])
    points_mib = POINTS.rename(columns={"ms": "mib"}) * [100, 1]
    figure = pareto_front(points_mib, {"mib": "lower", "accuracy": "higher"}, budget=budget)
    (axes,) = figure.axes
    assert list(axes.lines[2].get_xdata()) == [budget.memory_mib] * 2
    assert any("iPhone 13" in word for word in legend(figure))


def test_a_front_of_one_or_three_columns_is_refused():
    with pytest.raises(ValueError, match="name two columns"):
        pareto_front(POINTS, {"ms": "lower"})


def test_more_lines_than_can_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="7 lines: at most 6"):
        latency_distribution({str(i): STEADY for i in range(7)})
