"""A device's budget stands where its numbers say, and says so where the card does not know."""

import matplotlib.pyplot as plt
import pytest

from mobilellm_lab.charts import paper
from mobilellm_lab.constraints import DEVICES, Budget, budget_of
from mobilellm_lab.constraints.figures.budget import draw_budget

KNOWN = Budget(device="a phone", memory_mib=614.4, bandwidth_gb_s=34.0, battery_j=45_000)
UNKNOWN = Budget(device="a board", memory_mib=None, bandwidth_gb_s=None, battery_j=None)


@pytest.fixture
def axes():
    _, axes = paper.axes("memory, MiB", "tokens/s")
    axes.plot([10, 100], [1, 2])
    return axes


@pytest.mark.parametrize("axis", ["x", "y"])
def test_the_memory_of_one_app_is_a_line_within_the_picture(axes, axis):
    line = draw_budget(axes, KNOWN, axis=axis)
    data, limits = (line.get_xdata(), axes.get_xlim()) if axis == "x" else (line.get_ydata(), axes.get_ylim())
    assert set(data) == {614.4}
    assert limits[0] < 614.4 <= limits[1]
    assert line.get_label() == "a phone: for one app 614 MiB"


def test_bytes_of_a_token_give_the_highest_speed(axes):
    line = draw_budget(axes, KNOWN, axis="y", read_bytes=250_000_000)
    assert set(line.get_ydata()) == {136.0}  # 34e9 / 250e6
    assert line.get_label() == "a phone: at most 136 tokens/s"
    assert line.get_linestyle() != draw_budget(axes, KNOWN, axis="x").get_linestyle()


@pytest.mark.parametrize(("read_bytes", "label"), [(0, "for one app unknown"), (1000, "at most unknown")])
def test_what_a_card_does_not_know_is_said_and_not_drawn(axes, read_bytes, label):
    before = axes.get_xlim(), axes.get_ylim()
    line = draw_budget(axes, UNKNOWN, read_bytes=read_bytes)
    assert len(line.get_xdata()) == 0
    assert line.get_label() == f"a board: {label}"
    assert (axes.get_xlim(), axes.get_ylim()) == before


@pytest.mark.parametrize("name", DEVICES)
def test_every_card_draws_its_own_line(axes, name):
    budget = budget_of(DEVICES[name])
    line = draw_budget(axes, budget)
    assert line.get_label().startswith(f"{name}: for one app ")
    assert list(line.get_xdata()) == ([] if budget.memory_mib is None else [budget.memory_mib] * 2)
    plt.close("all")


def test_bad_input_is_refused(axes):
    with pytest.raises(ValueError, match="axis='z': choose x or y"):
        draw_budget(axes, KNOWN, axis="z")
    with pytest.raises(ValueError, match="read_bytes=-1: give the bytes of one token"):
        draw_budget(axes, KNOWN, read_bytes=-1)
