"""Chapter 1's figures show the numbers they are given; another card changes them, and nothing is left behind."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from charts.drawn import bands, bars, legend, lines, points, row_names
from matplotlib.figure import Figure

from mobilellm_lab import zoo
from mobilellm_lab.constraints import (
    DEVICES,
    EFFICIENCY_RANGE,
    ENERGY_ROWS,
    THROTTLING,
    Probe,
    Workload,
    checks,
    decode_speed,
    find_device,
    fit,
    prefill_speed,
)
from mobilellm_lab.constraints.figures.plots import (
    bandwidth,
    energy,
    memory_fit,
    predicted_and_measured,
    published_checks,
    roofline,
    throttling,
)

PHONE, BOARD = find_device("iPhone 13"), find_device("Raspberry Pi 5")
SHAPES = ("MobileLLM-125M", "MobileLLM-1B")
WORK = {f"{bits} bits": Workload(config=zoo.SHAPES[SHAPES[0]].config, bits_per_weight=bits) for bits in (16, 4)}


def probe(name: str, threads: int, size_mib: float, unit: str, median: float, bits: int = 32) -> Probe:
    spread = dict(median=median, p10=0.9 * median, p90=1.1 * median, runs=5)
    return Probe(name=name, threads=threads, working_set_mib=size_mib, bits=bits, rows=1, unit=unit, **spread)


PROBES = [
    probe("copy", 1, 64.0, "GB/s", 9.0),
    probe("read", 1, 64.0, "GB/s", 12.0),
    probe("read", 1, 4.0, "GB/s", 30.0),  # not in order
    probe("read", 1, 64.0, "GB/s", 11.0, bits=16),
    probe("read", 2, 64.0, "GB/s", 20.0),
    probe("dispatch", 1, 8.0, "us", 3.0),
]
TIMED = pd.DataFrame(
    [("60k", 2000, 1800, 1900, 2000), ("125M", 24, 19, 20, 21), ("60k", 1000, 900, 950, 1000)],
    columns=["name", "predicted", "p10", "p50", "p90"],
)


def speeds(device) -> dict:
    return {f"decode, {name}": decode_speed(device, work) for name, work in WORK.items()} | {
        "prefill": prefill_speed(device, WORK["16 bits"])
    }


def fits(device) -> dict:
    return {name: fit(device, Workload(config=zoo.SHAPES[name].config)) for name in SHAPES}


def texts(axes) -> list[str]:
    return [text.get_text().strip() for text in axes.texts]


def line_called(axes, label: str):
    (found,) = [line for line in axes.lines if line.get_label() == label]
    return found


ALL = {
    "roofline": lambda: roofline([PHONE, BOARD], speeds(PHONE)),
    "memory_fit": lambda: memory_fit(fits(PHONE)),
    "published_checks": lambda: published_checks(checks()),
    "throttling": lambda: throttling(THROTTLING),
    "energy": lambda: energy(ENERGY_ROWS),
    "bandwidth": lambda: bandwidth(PROBES),
    "predicted_and_measured": lambda: predicted_and_measured(TIMED),
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


def test_the_data_are_left_alone():
    frame, probes = TIMED.copy(), list(PROBES)
    predicted_and_measured(frame)
    bandwidth(probes)
    pd.testing.assert_frame_equal(frame, TIMED)
    assert probes == PROBES


def test_a_roof_rises_with_the_bandwidth_until_the_arithmetic_ends_it():
    work = speeds(PHONE)
    (axes,) = roofline([PHONE], work).axes
    roof = points(line_called(axes, "iPhone 13"))
    slope = EFFICIENCY_RANGE[1] * PHONE.bandwidth_gb_s.value
    assert roof[0][1] == pytest.approx(slope * roof[0][0])
    assert max(y for _, y in roof) <= PHONE.peak_gop_s.value
    places = [speed.intensity_op_per_byte for speed in work.values()]
    assert roof[0][0] < min(places) and max(places) < roof[-1][0]
    assert texts(axes) == list(work)
    marks = points(axes.lines[1])
    assert [x for x, _ in marks] == pytest.approx(places)
    for (x, y), speed in zip(marks, work.values(), strict=True):
        assert y == pytest.approx(min(slope * x, PHONE.peak_gop_s.value)), speed.phase


@pytest.mark.parametrize("name", DEVICES)
def test_every_card_has_a_roof_of_its_own_or_says_what_it_does_not_know(name):
    device = DEVICES[name]
    figure = roofline([device], speeds(device))
    (axes,), (label,) = figure.axes, legend(figure)
    if not device.bandwidth_gb_s.known:
        assert label == f"{name}: bandwidth unknown"
        assert not axes.collections
    elif not device.peak_gop_s.known:
        assert label == f"{name} (arithmetic unknown)"
        assert line_called(axes, label).get_linestyle() == "--"
    else:
        assert label == name
        assert line_called(axes, label).get_linestyle() == "-"


@pytest.mark.parametrize("name", DEVICES)
def test_every_card_draws_its_budget_beside_the_same_bars(name):
    figure = memory_fit(fits(DEVICES[name]))
    (axes,) = figure.axes
    one = fits(DEVICES[name])
    widths = [[bar.get_width() for bar in container] for container in axes.containers]
    assert widths == [[getattr(f, part) for f in one.values()] for part in ("weights_mib", "kv_mib", "activations_mib")]
    assert row_names(axes) == list(SHAPES)
    budget = next(iter(one.values())).budget_mib
    said = [word for word in legend(figure) if word.startswith(name)]
    assert said == [f"{name}: for one app " + ("unknown" if budget is None else f"{budget:,.0f} MiB")]
    verdicts = [{True: "fits", False: "too large", None: "unknown"}[f.fits] for f in one.values()]
    assert [text.split(", ")[-1] for text in texts(axes)] == verdicts


def test_fits_of_two_cards_are_not_drawn_under_one_line():
    with pytest.raises(ValueError, match=r"fits on 2 cards \(iPhone 13, Raspberry Pi 5\)"):
        memory_fit({"a": fits(PHONE)[SHAPES[0]], "b": fits(BOARD)[SHAPES[0]]})
    with pytest.raises(ValueError, match="work is empty"):
        roofline([PHONE], {})


def test_checks_are_ratios_with_both_numbers_beside_them():
    rows = checks()
    (axes,) = published_checks(rows).axes
    dots = [points(line)[0] for line in axes.lines if line.get_marker() == "o"]
    assert dots == [(row.predicted / row.published, y) for y, row in enumerate(rows)]
    assert row_names(axes) == [row.name for row in rows]
    assert all(text.endswith(row.unit) for text, row in zip(texts(axes), rows, strict=True))


def test_throttling_starts_at_one_and_says_state_and_speed():
    (axes,) = throttling(THROTTLING).axes
    for name in dict.fromkeys(row.device for row in THROTTLING):
        rows = sorted((r for r in THROTTLING if r.device == name), key=lambda r: r.iteration)
        expected = [(r.iteration, r.tokens_per_s / rows[0].tokens_per_s) for r in rows]
        if len(rows) == 1:  # one state, up to the last answer
            expected.append((max(r.iteration for r in THROTTLING), expected[0][1]))
        assert points(line_called(axes, name)) == expected
        assert expected[0][1] == 1
        assert [f"{r.tokens_per_s:.1f}/s {r.state}" for r in rows if True] == [
            text for text in texts(axes) if any(text == f"{r.tokens_per_s:.1f}/s {r.state}" for r in rows)
        ]
    assert axes.get_ylim()[0] == 0


def test_energies_are_dots_beside_the_papers_rule():
    (axes,) = energy(ENERGY_ROWS).axes
    assert [x for x, _ in points(axes.lines[0])] == [row.j_per_token_per_billion for row in ENERGY_ROWS]
    assert set(axes.lines[1].get_xdata()) == {0.1}
    assert row_names(axes) == [row.name for row in ENERGY_ROWS]


def test_bandwidth_is_a_line_per_access_and_threads_in_order_of_size_in_a_band():
    figure = bandwidth(PROBES)
    (axes,) = figure.axes
    names = ["read, 1 thread", "read, 1 thread, 16 bits", "read, 2 threads", "copy, 1 thread"]
    assert legend(figure) == names
    drawn = dict(zip(names, map(points, lines(axes)), strict=True))
    assert drawn["read, 1 thread"] == [(4.0, 30.0), (64.0, 12.0)] and drawn["copy, 1 thread"] == [(64.0, 9.0)]
    assert bands(axes)[0] == pytest.approx((0.9 * 12, 1.1 * 30))
    assert axes.get_xscale() == "log" and axes.get_ylim()[0] == 0
    with pytest.raises(ValueError, match="1 probes, none of them in GB/s"):
        bandwidth(PROBES[-1:])


def test_measured_against_predicted_with_its_spread():
    figure = predicted_and_measured(TIMED)
    (axes,) = figure.axes
    assert legend(figure) == ["60k", "125M"]
    assert points(lines(axes)[0]) == [(1000, 950), (2000, 1900)]
    assert [end for span in bars(axes)[0] for end in span] == pytest.approx([900, 1000, 1800, 2000])
    (diagonal,) = [line for line in lines(axes) if line.get_linestyle() == ":"]
    assert all(x == y for x, y in points(diagonal))
    assert axes.get_xlim() == axes.get_ylim()
