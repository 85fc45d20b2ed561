"""Published rows: sources, marks, and the ratios that their papers print."""

import pytest

from mobilellm_lab.constraints import (
    CPU_AND_GPU,
    ENERGY_ROWS,
    IPHONE_13,
    MARKS,
    ONEPLUS_12,
    THROTTLING,
)


def test_every_row_has_its_source_and_mark():
    for row in (*IPHONE_13, *ONEPLUS_12, *CPU_AND_GPU, *ENERGY_ROWS, *THROTTLING):
        assert row.mark in ("read", "secondary") and row.mark in MARKS and len(row.source) > 10


def test_a_graphics_processor_speeds_up_the_prompt_and_not_the_token():
    cpu, gpu = CPU_AND_GPU
    assert gpu.prefill_per_s / cpu.prefill_per_s == pytest.approx(7.7, abs=0.05)
    assert gpu.decode_per_s / cpu.decode_per_s == pytest.approx(1.02, abs=0.005)


def test_heat_slows_by_the_published_shares():
    peak, warm, hot = (row.tokens_per_s for row in THROTTLING if row.device == "iPhone 16 Pro")
    assert warm / peak - 1 == pytest.approx(-0.37, abs=0.005)
    assert hot / peak - 1 == pytest.approx(-0.44, abs=0.005)
