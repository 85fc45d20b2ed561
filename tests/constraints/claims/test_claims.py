"""What chapter 1 says in words, checked against the stored rows; its claims derive themselves, see tests/teaching."""

import pytest

from mobilellm_lab import constraints
from mobilellm_lab.constraints import DEVICES, LAB_MODELS, Machine, Workload
from mobilellm_lab.constraints.exercises import PREDICTIONS
from mobilellm_lab.constraints.study.evidence import CONTEXT, FAMILY, FOUR_BITS, alone, answers, decoded, example
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


def test_the_example_is_the_one_that_the_page_builds():
    name, device, load = example()
    assert (name, device.name, device.memory_gib.value) == ("MobileLLM-600M", "iPhone 13", 4)
    assert load == Workload(config=SHAPES[name].config, bits_per_weight=FOUR_BITS, context=CONTEXT)
    assert (FOUR_BITS, CONTEXT) == (4.5, 1000)


@pytest.mark.parametrize(
    ("name", "fits"), [(name, name != "MobileLLM-1B") for name in FAMILY] + [("Qwen3-0.6B", False)]
)
def test_what_the_table_of_memory_says_in_words(name, fits):
    load = Workload(config=SHAPES[name].config, bits_per_weight=FOUR_BITS, context=CONTEXT)
    assert constraints.fit(DEVICES["iPhone 13"], load).fits is fits


def test_qwen_has_fewer_weights_than_the_example_which_fits():
    assert SHAPES["Qwen3-0.6B"].weights < SHAPES["MobileLLM-600M"].weights


def test_answers_are_what_the_formulas_give_by_hand():
    said = answers()
    budget, cache, weights = 0.1 * 4 * 2**30, 1000 * 60 * 2**10, 603_188_352 * 4.5 / 8
    assert said["limits_budget_mib"] == f"{budget / 2**20:.0f}" == "410"
    assert float(said["limits_most_millions"]) == pytest.approx((budget - cache) * 8 / 4.5 / 1e6, abs=1)
    assert float(said["limits_tokens_per_s"]) == pytest.approx(0.56 * 34.1e9 / (weights + cache), abs=0.6)
    slow, fast = float(said["limits_slow_tokens_per_s"]), float(said["limits_fast_tokens_per_s"])
    assert slow < float(said["limits_tokens_per_s"]) < fast
    assert float(said["limits_wait_gpu_s"]) < float(said["limits_wait_cpu_s"])


def test_answers_are_text_with_names_of_this_chapter():
    for name, text in answers().items():
        assert name.startswith("limits_") and isinstance(text, str) and text and "nan" not in text


def test_no_answer_tells_what_a_prediction_asks():
    for ask in PREDICTIONS:
        stored = ask.reference()
        assert f"{stored.median:.{ask.digits}f}" not in answers().values()


def test_prefill_of_the_example_is_right_of_every_ridge_in_the_picture_and_decode_left():
    _, phone, load = example()
    ridges = [constraints.ridge_op_per_byte(DEVICES[name]) for name in ("watch-class budget", "Pixel 6", phone.name)]
    assert constraints.prefill_speed(phone, load).intensity_op_per_byte > max(ridges)
    assert constraints.decode_speed(phone, load).intensity_op_per_byte < min(ridges)


def test_the_phone_loses_at_the_third_and_the_eighth_answer_what_the_picture_says():
    heat = [row for row in constraints.THROTTLING if row.device == "iPhone 16 Pro"]
    lost = {row.iteration: round(100 * (1 - row.tokens_per_s / heat[0].tokens_per_s)) for row in heat}
    assert lost == {1: 0, 3: 37, 8: 44}
