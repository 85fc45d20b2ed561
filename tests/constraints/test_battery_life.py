"""Joules per token four ways, and the paper's slip: 0.09 %, not 0.2 %."""

from dataclasses import replace

import pytest

from mobilellm_lab import zoo
from mobilellm_lab.constraints import (
    ENERGY_ROWS,
    PAPER_BATTERY_J,
    Workload,
    drain_percent,
    endurance,
    find_device,
    hours,
    paper_j_per_token,
)

PHONE = find_device("iPhone 13")
BILLION = Workload(config=zoo.SHAPES["MobileLLM-1B"].config, bits_per_weight=8, context=1)


def test_the_papers_numbers():
    assert paper_j_per_token(7e9) == pytest.approx(0.7)
    assert paper_j_per_token(350e6) == pytest.approx(0.035)
    assert hours(10, j_per_token=0.7) == pytest.approx(1.98, abs=0.005)


def test_the_papers_slip():
    assert drain_percent(64, j_per_token=paper_j_per_token(7e9)) == pytest.approx(0.0896)
    tokens = 0.2 / drain_percent(1, j_per_token=paper_j_per_token(7e9))
    assert tokens == pytest.approx(143, abs=1)  # what 0.2 % would be


def test_the_45_nm_table_and_the_papers_rule_are_of_one_order():
    found = endurance(PHONE, BILLION)
    # 1 billion int8 weights at 160 pJ a byte: 0.16 J
    assert found.estimate_j_per_token == pytest.approx(0.16 * BILLION.parameters / 1e9, rel=0.05)
    assert found.paper_j_per_token == pytest.approx(0.1 * BILLION.parameters / 1e9)


def test_the_table_is_that_of_chapter_7():
    found = endurance(PHONE, BILLION)
    expected = 1e-12 * (BILLION.read_bytes * 160 + BILLION.operations * 0.9)
    assert found.estimate_j_per_token == pytest.approx(expected)
    both = replace(BILLION, batch=4)  # the weights are read once for four
    assert endurance(PHONE, both).estimate_j_per_token < 0.3 * found.estimate_j_per_token


def test_measured_energy_spans_the_papers_rule():
    per_billion = [row.j_per_token_per_billion for row in ENERGY_ROWS]
    assert min(per_billion) == pytest.approx(0.08) and max(per_billion) == pytest.approx(0.364, abs=0.001)
    assert min(per_billion) < 0.1 < sorted(per_billion)[2]  # near the optimistic end
    found = endurance(PHONE, BILLION)
    assert found.measured_low_j_per_token < found.paper_j_per_token < found.measured_high_j_per_token


def test_a_charge_and_its_hours():
    found = endurance(PHONE, BILLION)
    few, many = found.tokens_per_charge
    assert few == pytest.approx(found.battery_j / found.measured_high_j_per_token) and few < many
    short, long = found.hours
    low, high = found.watts
    assert short == pytest.approx(found.battery_j / high / 3600) and short < long and low < high
    assert short == pytest.approx(few / found.tokens_per_s / 3600)
    assert hours(found.tokens_per_s, j_per_token=found.measured_high_j_per_token, battery_j=found.battery_j) == (
        pytest.approx(short)
    )


def test_what_a_card_does_not_know_stays_unknown():
    no_battery = endurance(find_device("OnePlus 12"), BILLION)
    assert no_battery.tokens_per_charge is None and no_battery.hours is None and no_battery.watts is not None
    no_bandwidth = endurance(find_device("iPhone 16 Pro"), BILLION)
    assert no_bandwidth.tokens_per_charge is not None and no_bandwidth.hours is None and no_bandwidth.watts is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paper_j_per_token(0), "parameters=0: must be a positive number"),
        (lambda: drain_percent(-1, j_per_token=0.7), "tokens=-1: cannot be negative"),
        (lambda: drain_percent(1, j_per_token=0), "j_per_token=0: must be a positive number"),
        (lambda: hours(0, j_per_token=0.7), "tokens_per_s=0: must be a positive number"),
        (lambda: hours(1, j_per_token=0.7, battery_j=-1), "battery_j=-1: must be a positive number"),
    ],
    ids=["parameters", "tokens", "joules", "speed", "battery"],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_tokens_drain_nothing_and_all_of_them_everything():
    assert drain_percent(0, j_per_token=0.7) == 0
    assert drain_percent(PAPER_BATTERY_J / 0.7, j_per_token=0.7) == pytest.approx(100)
