"""The formulas against numbers that somebody else measured."""

import pytest

from mobilellm_lab.constraints import (
    IPHONE_13,
    ONEPLUS_12,
    checks,
    fit_bandwidth,
    predicted_ms,
    pro_workload,
    reached,
)
from mobilellm_lab.model import execution_order

CHECKS = {check.name: check for check in checks()}


def test_fitted_on_15_6_ms_the_formula_gives_29_0():
    deep = CHECKS["iPhone 13, 60 layers"]
    assert deep.published == 29.0 and abs(deep.error) < 0.01
    assert "15.6" in deep.fitted_on and "29" not in deep.fitted_on


def test_layers_that_run_twice_cost_no_more_bytes():
    shared = CHECKS["iPhone 13, 30 layers, each run twice"]
    assert shared.published == 16.0 and abs(shared.error) < 0.03
    first, twice, deep = (len(execution_order(row.config)) for row in IPHONE_13)
    assert (first, twice, deep) == (30, 60, 60)


def test_the_fitted_bandwidth_is_sixteen_gigabytes_a_second():
    alone = [fit_bandwidth([(row.workload.read_bytes, row.execute_ms)]) for row in IPHONE_13]
    assert alone[0] == pytest.approx(16.0, abs=0.05) and alone[2] == pytest.approx(15.9, abs=0.05)
    assert fit_bandwidth([(row.workload.read_bytes, row.execute_ms) for row in IPHONE_13]) == sorted(alone)[1]


def test_one_bandwidth_explains_both_oneplus_rows_within_ten_percent():
    rows = [check for name, check in CHECKS.items() if name.startswith("OnePlus") and check.unit == "tokens/s"]
    assert sorted(check.published for check in rows) == [19.2, 50.2]
    assert all(abs(check.error) < 0.10 for check in rows)


def test_the_files_have_the_bytes_that_were_counted():
    files = [check for check in CHECKS.values() if check.name.endswith("file")]
    assert [check.published for check in files] == [2358, 1083]
    assert all(abs(check.error) < 0.005 for check in files)


def test_a_four_bit_step_reads_less_than_its_file():
    bf16, int4 = ONEPLUS_12
    assert int4.workload.read_bytes == pytest.approx(0.87e9, rel=0.01)  # not the 8-bit input table
    assert bf16.workload.read_bytes / int4.workload.read_bytes < 3  # for a quarter of the bits
    assert int4.decode_per_s / bf16.decode_per_s == pytest.approx(2.6, abs=0.05)


def test_the_kv_cache_of_mobilellm_pro():
    assert pro_workload(mixed=False).kv_bytes / 2**20 == pytest.approx(117.2, abs=0.05)
    assert pro_workload(mixed=True).kv_bytes / 2**20 == pytest.approx(40.4, abs=0.05)
    pro = [check for name, check in CHECKS.items() if "Pro" in name]
    assert [check.published for check in pro] == [117, 40] and all(abs(check.error) < 0.02 for check in pro)


def test_what_is_reached_of_the_peak():
    shares = list(reached().values())
    assert shares == pytest.approx([0.47, 0.62, 0.57], abs=0.005)


def test_a_wrong_reading_of_the_bytes_would_be_noticed():
    """The checks are no tautology: with the file's bytes in place of those read, the 4-bit row is off by more."""
    bf16, int4 = ONEPLUS_12
    as_if = fit_bandwidth([(bf16.workload.read_bytes, 1000 / bf16.decode_per_s)])
    wrong = 1000 / predicted_ms(int4.workload.weight_bytes, bandwidth_gb_s=as_if)
    assert wrong / int4.decode_per_s < 0.85


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_bandwidth([]), "measured is empty: give at least one pair"),
        (lambda: fit_bandwidth([(0, 1.0)]), "read_bytes=0, time_ms=1.0: both must be positive"),
        (lambda: fit_bandwidth([(10, 0.0)]), "time_ms=0.0: both must be positive"),
        (lambda: predicted_ms(10, bandwidth_gb_s=0), "bandwidth_gb_s=0: must be a positive number"),
    ],
    ids=["empty", "bytes", "time", "bandwidth"],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
