"""Every number of every card has a source and a mark; what is derived is derived again here."""

import pytest

from mobilellm_lab.constraints import DEVICES, MARKS, Device, Value, card_table, find_device, peak_bandwidth_gb_s
from mobilellm_lab.constraints.cards import KINDS, card, known, unknown

VALUES = [(device.name, field, value) for device in DEVICES.values() for field, value in device.values().items()]


@pytest.mark.parametrize(("device", "field", "value"), VALUES, ids=lambda x: x if isinstance(x, str) else "")
def test_a_known_value_has_a_number_a_source_and_a_mark(device, field, value):
    assert value.mark in MARKS and value.mark != "measured"  # no constant is a measurement
    assert value.known == (value.mark != "unknown")
    if value.known:
        assert value.value > 0 and len(value.source) > 5
    unit = {"mt_s": "MT/s", "bits": "bit", "gib": "GiB", "mib": "MiB", "gb_s": "GB/s", "gop_s": "Gop/s", "wh": "Wh"}
    assert field.endswith(next(end for end, text in unit.items() if text == value.unit))


def test_derived_values_follow_from_their_card():
    derived = [(d, v) for d in DEVICES.values() for f, v in d.values().items() if v.mark == "derived"]
    assert len(derived) >= 8
    for device, value in derived:
        rate, bus = device.data_rate_mt_s.value, device.bus_bits.value
        assert value is device.bandwidth_gb_s
        assert value.value == pytest.approx(rate * 1e6 * (bus / 8) / 1e9)


@pytest.mark.parametrize(
    ("rate", "bits", "gb_s"),
    [(4266, 64, 34.1), (6400, 64, 51.2), (7500, 64, 60.0), (8533, 64, 68.3), (9600, 64, 76.8), (10667, 64, 85.3)],
)
def test_bandwidth_is_data_rate_times_width(rate, bits, gb_s):
    assert peak_bandwidth_gb_s(rate, bits) == pytest.approx(gb_s, abs=0.05)


def test_there_are_phones_of_several_years_a_watch_a_board_and_a_laptop():
    assert len(DEVICES) >= 10
    kinds = [device.kind for device in DEVICES.values()]
    assert set(kinds) == set(KINDS) - {"machine"}
    years = {device.year for device in DEVICES.values() if device.kind == "phone"}
    assert len(years) >= 5 and max(years) - min(years) >= 5
    assert all(name == device.name for name, device in DEVICES.items())


def test_a_reported_bandwidth_agrees_with_its_data_rate_at_sixteen_bit_steps():
    device = find_device("iPhone 13")  # its bus was not found, but 34.1 GB/s at 4266 MT/s leaves one width
    bits = device.bandwidth_gb_s.value * 1e9 * 8 / (device.data_rate_mt_s.value * 1e6)
    assert bits == pytest.approx(64, rel=0.002)


def test_unknown_is_visible_and_no_number_is_without_its_mark():
    table = card_table()
    assert [row["device"] for row in table] == list(DEVICES)
    cells = [(row[name], name) for row in table for name in ("memory", "bandwidth", "peak", "cache", "battery")]
    assert any(text == "unknown" for text, _ in cells)
    for text, _ in cells:
        assert text == "unknown" or any(text.endswith(f"[{mark}]") for mark in MARKS)
    assert table[0]["memory"] == "4 GiB [secondary]" and table[0]["peak"] == "15,800 Gop/s [secondary]"


def test_only_the_budget_watch_is_made_of_budgets():
    budgets = {d.name for d in DEVICES.values() if any(v.mark == "budget" for v in d.values().values())}
    assert budgets == {"watch-class budget"}


def test_a_card_derives_its_bandwidth_only_from_two_known_values():
    rate, bus = known(1000, "MT/s", "read", "a data sheet"), known(32, "bit", "read", "a data sheet")
    both = card("a", "board", 2020, "", data_rate_mt_s=rate, bus_bits=bus)
    assert (both.bandwidth_gb_s.value, both.bandwidth_gb_s.mark) == (4.0, "derived")
    assert not card("a", "board", 2020, "", data_rate_mt_s=rate).bandwidth_gb_s.known
    stated = card("a", "board", 2020, "", data_rate_mt_s=rate, bus_bits=bus, bandwidth_gb_s=unknown("GB/s", "unclear"))
    assert not stated.bandwidth_gb_s.known  # an explicit unknown is not overruled


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mark": "guessed"}, "mark='guessed': choose one of read, secondary, derived, measured, budget, unknown"),
        ({"value": None}, "value=None with mark='read': None and 'unknown' belong together"),
        ({"mark": "unknown"}, "value=3 with mark='unknown'"),
        ({"value": 0}, "value=0 GiB: must be a positive number"),
        ({"value": float("nan")}, "value=nan GiB: must be a positive number"),
        ({"source": ""}, "value=3 GiB has no source: say where it stands"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Value(**{"value": 3, "unit": "GiB", "mark": "read", "source": "a data sheet"} | changes)


def test_an_unknown_device_is_refused_by_name():
    with pytest.raises(ValueError, match="device='Nokia 3310': choose one of iPhone 13, iPhone 15"):
        find_device("Nokia 3310")


def test_a_card_of_no_kind_or_with_a_peak_of_no_type_is_refused():
    with pytest.raises(ValueError, match="kind='toaster' of x: choose one of phone"):
        card("x", "toaster", 2020, "")
    with pytest.raises(ValueError, match="peak_type='' of x: say it where the rate is known"):
        card("x", "phone", 2020, "", peak_gop_s=known(1, "Gop/s", "read", "a data sheet"))


def test_values_print_with_their_unit():
    assert str(known(51.2, "GB/s", "read", "a data sheet")) == "51.2 GB/s"
    assert str(known(15_800, "Gop/s", "read", "a data sheet")) == "15,800 Gop/s"
    assert str(unknown("GB/s")) == "unknown"
    assert isinstance(find_device("iPhone 15"), Device)
