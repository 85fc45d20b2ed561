"""Two times and the longer one: by hand, at the ridge, in their trends, and where a card does not know."""

from dataclasses import replace

import pytest

from mobilellm_lab import zoo
from mobilellm_lab.constraints import (
    DEVICES,
    EFFICIENCY,
    EFFICIENCY_RANGE,
    Workload,
    decode_speed,
    find_device,
    prefill_speed,
    reached,
    ridge_op_per_byte,
    roof_gop_s,
)

PHONE, WATCH = find_device("iPhone 13"), find_device("watch-class budget")
SMALL = Workload(config=zoo.SHAPES["MobileLLM-125M"].config, context=1)


def test_decoding_by_hand():
    speed = decode_speed(PHONE, SMALL, efficiency=0.5)
    assert speed.bytes_moved == 249_270_912 + 23_040
    assert speed.memory_ms == pytest.approx(1000 * speed.bytes_moved / (0.5 * 34.1e9))
    assert speed.compute_ms == pytest.approx(1000 * SMALL.operations / 15.8e12)
    assert speed.binds == "memory" and speed.time_ms == speed.memory_ms
    assert speed.tokens_per_s == pytest.approx(1000 / speed.memory_ms)
    assert 0.9 < speed.intensity_op_per_byte < 1.1  # one multiply-add for each 16-bit weight


def test_a_prompt_is_bound_by_arithmetic_where_a_token_is_bound_by_memory():
    run = replace(SMALL, context=512)
    decode, prefill = decode_speed(WATCH, run), prefill_speed(WATCH, run)
    assert (decode.binds, prefill.binds) == ("memory", "compute")
    assert prefill.tokens == 512 and prefill.tokens_per_s > decode.tokens_per_s


def test_half_the_bits_halve_the_time_that_memory_binds():
    times = [decode_speed(PHONE, replace(SMALL, bits_per_weight=bits)).time_ms for bits in (16, 8, 4)]
    assert times[0] / times[1] == pytest.approx(2, rel=0.01) and times[1] / times[2] == pytest.approx(2, rel=0.01)


def test_a_batch_shares_the_weights_until_arithmetic_binds():
    rates = [decode_speed(WATCH, replace(SMALL, batch=batch)).tokens_per_s for batch in (1, 2, 4, 64, 128)]
    assert rates[1] / rates[0] == pytest.approx(2, rel=0.01)
    assert rates[4] == pytest.approx(rates[3], rel=0.01)  # no gain left
    assert [decode_speed(WATCH, replace(SMALL, batch=batch)).binds for batch in (1, 128)] == ["memory", "compute"]


def test_a_longer_context_never_decodes_faster():
    rates = [decode_speed(PHONE, replace(SMALL, context=context)).tokens_per_s for context in (1, 100, 1000, 10_000)]
    assert rates == sorted(rates, reverse=True) and rates[-1] < 0.6 * rates[0]


def test_both_roofs_meet_at_the_ridge():
    ridge = ridge_op_per_byte(PHONE)
    assert roof_gop_s(PHONE, ridge) == pytest.approx(15_800)
    assert roof_gop_s(PHONE, ridge / 2) == pytest.approx(7_900)
    assert roof_gop_s(PHONE, 10 * ridge) == 15_800


def test_an_unknown_bandwidth_has_no_speed_and_an_unknown_peak_no_verdict():
    silent = decode_speed(find_device("Pixel 8 Pro"), SMALL)
    assert silent.time_ms is None and silent.tokens_per_s is None and silent.binds == "unknown"
    half = decode_speed(find_device("OnePlus 12"), SMALL)
    assert half.compute_ms is None and half.time_ms == half.memory_ms and half.binds == "unknown"
    assert ridge_op_per_byte(find_device("OnePlus 12")) is None
    assert roof_gop_s(find_device("OnePlus 12"), 1e9) == pytest.approx(EFFICIENCY * 76.8 * 1e9)
    assert roof_gop_s(find_device("Pixel 8 Pro"), 1.0) is None


def test_choosing_another_card_changes_the_answer():
    rates = {d.name: decode_speed(d, SMALL).tokens_per_s for d in DEVICES.values() if d.bandwidth_gb_s.known}
    assert len(rates) >= 10 and max(rates.values()) > 10 * min(rates.values())


def test_the_efficiency_is_what_published_runs_reach():
    shares = reached().values()
    assert pytest.approx((min(shares), max(shares)), abs=0.005) == EFFICIENCY_RANGE
    assert pytest.approx(sum(shares) / len(shares), abs=0.01) == EFFICIENCY


@pytest.mark.parametrize("efficiency", [0, -1, 1.01])
def test_an_efficiency_that_cannot_be_is_refused(efficiency):
    with pytest.raises(ValueError, match=f"efficiency={efficiency}: choose a share of the peak"):
        decode_speed(PHONE, SMALL, efficiency=efficiency)


def test_an_intensity_of_nothing_is_refused():
    with pytest.raises(ValueError, match="intensity_op_per_byte=0: must be a positive number"):
        roof_gop_s(PHONE, 0)
