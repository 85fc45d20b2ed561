"""What chapter 1 says in words, held against the stored rows; its claims derive themselves, see tests/teaching."""

import pytest

from mobilellm_lab import constraints
from mobilellm_lab.constraints import DEVICES, LAB_MODELS, Machine, Workload
from mobilellm_lab.constraints.study.evidence import alone, decoded
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.reference.rows import one
from mobilellm_lab.zoo import SHAPES

STORE = open_sweep("constraints")
FRAME = decoded(STORE)
PLAIN = alone(FRAME)


def test_between_the_smallest_models_weights_cost_little_and_between_the_largest_much():
    small, *_, larger, largest = PLAIN.itertuples()
    second = one(PLAIN.iloc[1:2])
    weights, times = second["parameters"] / small.parameters, small.p50 / second["p50"]
    assert times < 0.5 * weights
    assert larger.p50 / largest.p50 > 0.5 * largest.parameters / larger.parameters


def test_the_two_largest_models_are_predicted_to_wait_for_memory():
    binds = {
        row["recipe"]["size"]: row["predicted"]["binds"]
        for row in STORE.rows.values()
        if (row["recipe"]["batch"], row["recipe"]["bits"], row["recipe"]["threads"]) == (1, 32, 1)
    }
    small, middle, large = LAB_MODELS
    assert (binds[small], binds[middle], binds[large]) == ("dispatch", "memory", "memory")


def test_attention_over_many_caches_is_slower_than_predicted():
    row = one(FRAME, size=list(LAB_MODELS)[-1], batch=FRAME["batch"].max(), context=FRAME["context"].max(), bits=32)
    assert row["predicted"] > row["p50"]


def test_sixteen_bit_products_read_at_a_lower_rate_here():
    machine = Machine.of_rows(open_sweep("constraints_machine").rows.values())
    for size_mib in (128, 512):
        assert machine.bandwidth_gb_s(size_mib, bits=16) < machine.bandwidth_gb_s(size_mib, bits=32)


def test_every_published_check_is_within_ten_percent():
    checks = constraints.checks()
    assert len(checks) >= 6
    assert max(abs(check.error) for check in checks) < 0.1


@pytest.mark.parametrize(
    ("name", "bits", "fits"),
    [
        ("MobileLLM-125M", 16, True),
        ("MobileLLM-350M", 16, False),
        ("MobileLLM-350M", 8, True),
        ("MobileLLM-1B", 8, False),
        ("MobileLLM-1B", 4.5, True),
    ],
)
def test_what_the_picture_of_memory_says_in_words(name, bits, fits):
    workload = Workload(config=SHAPES[name].config, bits_per_weight=bits, context=1000)
    assert constraints.fit(DEVICES["iPhone 15"], workload).fits is fits


def test_a_prompt_is_left_of_one_ridge_and_right_of_two():
    chat = Workload(config=SHAPES["MobileLLM-350M"].config, bits_per_weight=16, context=512)
    prompt = constraints.prefill_speed(DEVICES["iPhone 15"], chat).intensity_op_per_byte
    watch, pixel, iphone = (
        constraints.ridge_op_per_byte(DEVICES[name]) for name in ("watch-class budget", "Pixel 6", "iPhone 15")
    )
    assert watch < pixel < prompt < iphone
    assert constraints.decode_speed(DEVICES["iPhone 15"], chat).intensity_op_per_byte < watch


def test_the_phone_loses_at_the_third_and_the_eighth_answer_what_the_picture_says():
    heat = [row for row in constraints.THROTTLING if row.device == "iPhone 16 Pro"]
    lost = {row.iteration: round(100 * (1 - row.tokens_per_s / heat[0].tokens_per_s)) for row in heat}
    assert lost == {1: 0, 3: 37, 8: 44}
