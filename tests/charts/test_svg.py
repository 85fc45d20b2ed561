"""What live charts are made of: round ticks that enclose, places that follow the numbers, words that are escaped."""

import math

import pytest

from mobilellm_lab.charts.svg import (
    BOTTOM,
    HEIGHT,
    TOP,
    WIDTH,
    Axes,
    Decades,
    outlined,
    picture,
    powers_of_ten,
    round_ticks,
    words,
)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 500, [0, 100, 200, 300, 400, 500]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.93, 1.88, [0.8, 1, 1.2, 1.4, 1.6, 1.8, 2]),
        (-3, 12, [-5, 0, 5, 10, 15]),
        (0, 3000, [0, 500, 1000, 1500, 2000, 2500, 3000]),
    ],
)
def test_ticks_are_round_and_enclose(low, high, ticks):
    found = round_ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert len(found) <= 7
    if len(ticks) <= 6:
        assert found == ticks


def test_ticks_of_a_single_value_leave_room_around_it():
    for value in (0.0, 0.5, -2.0, 1e-9, 3e6):
        ticks = round_ticks(value, value)
        assert ticks[0] < value < ticks[-1]
    low = 1.8862000703811646
    ticks = round_ticks(low, math.nextafter(low, 2))  # a first point and its running mean, apart by rounding
    assert len(set(ticks)) == len(ticks) >= 2


def test_an_axis_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="high=nan"):
        round_ticks(0, math.nan)


def test_places_are_linear_or_logarithmic_in_the_numbers():
    axes = Axes([0, 50, 100], [1, 2], "steps", "loss", 14)
    assert axes.x(50) == pytest.approx((axes.x(0) + axes.x(100)) / 2)
    assert (axes.y(2), axes.y(1)) == (TOP, HEIGHT - BOTTOM)  # upwards is more
    axes = Axes([1, 4, 16], [1, 2], "layers", "loss", 14, logarithmic=True)
    assert axes.x(4) == pytest.approx((axes.x(1) + axes.x(16)) / 2)
    assert axes.left < axes.x(1) and axes.x(16) < axes.right <= WIDTH


def test_decades_stand_equally_far_apart_and_enclose_what_is_shown():
    ticks = powers_of_ten(0.02, 3)
    assert ticks == [0.01, 0.1, 1, 10]
    assert powers_of_ten(1, 1) == [1, 10]  # one value has an axis, too
    axes = Decades([0, 1], ticks, "bytes", "rise", 14)
    assert (axes.y(10), axes.y(0.01)) == (TOP, HEIGHT - BOTTOM)
    assert axes.y(0.1) - axes.y(1) == pytest.approx(axes.y(1) - axes.y(10))


def test_outlined_words_have_the_page_behind_them():
    assert outlined(1, 2, "truth", "end").startswith('<g style="paint-order:stroke"')
    assert words(1, 2, "truth", "end") in outlined(1, 2, "truth", "end")


def test_words_are_escaped_and_a_picture_says_itself():
    svg = picture("a < b", "<none>", [words(1, 2, "x & y")])
    assert 'aria-label="a &lt; b: &lt;none&gt;"' in svg and "x &amp; y" in svg
    assert svg.startswith("<svg ") and svg.endswith("</svg>")
