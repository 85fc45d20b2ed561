"""The sum against a device's memory, its lines for other plots, and what it says about the unknown."""

from dataclasses import replace

import pytest

from mobilellm_lab import zoo
from mobilellm_lab.constraints import APP_SHARE, Workload, budget_of, find_device, fit, most_parameters

PHONE = find_device("iPhone 13")  # 4 GiB
SMALL = Workload(config=zoo.SHAPES["MobileLLM-125M"].config)
LARGE = Workload(config=zoo.SHAPES["Llama-3.2-1B"].config)


def test_an_app_has_a_tenth_of_the_memory():
    assert APP_SHARE.value == 0.10 and APP_SHARE.mark == "secondary"
    budget = budget_of(PHONE)
    assert budget.memory_mib == pytest.approx(409.6) and budget.bandwidth_gb_s == 34.1
    assert budget.battery_j == pytest.approx(12.54 * 3600)
    assert budget_of(PHONE, share=0.5).memory_mib == 2048


def test_the_papers_battery_is_about_that_of_the_phone_it_names():
    assert budget_of(find_device("iPhone 15")).battery_j == pytest.approx(50_000, rel=0.07)


def test_the_ceiling_is_bandwidth_over_bytes():
    assert budget_of(PHONE).ceiling_tokens_per_s(341_000_000) == pytest.approx(100)
    assert budget_of(find_device("Pixel 8 Pro")).ceiling_tokens_per_s(1) is None
    with pytest.raises(ValueError, match="read_bytes=0: a step reads at least one byte"):
        budget_of(PHONE).ceiling_tokens_per_s(0)


def test_the_sum_by_hand():
    found = fit(PHONE, replace(SMALL, context=1024))
    assert found.weights_mib == pytest.approx(124_635_456 * 2 / 2**20)
    assert found.kv_mib == 22.5  # 22.5 KiB a token
    assert found.total_mib == found.weights_mib + found.kv_mib + found.activations_mib
    assert found.fits and found.memory_mib == 4096
    assert str(found).endswith("MiB: fits into the 410 MiB that an app has on iPhone 13")


def test_a_billion_parameters_do_not_fit_into_a_tenth_of_four_gibibytes_at_any_of_these_bits():
    assert [fit(PHONE, replace(LARGE, bits_per_weight=bits)).fits for bits in (16, 8, 4)] == [False] * 3
    assert "does not fit into" in str(fit(PHONE, LARGE)) and fit(PHONE, LARGE).largest_context == 0


@pytest.mark.parametrize("context", [1, 100, 2048])
def test_the_largest_context_fits_and_one_more_does_not(context):
    exact = replace(SMALL, context=context).total_bytes / 2**20
    share = exact / (4 * 1024)
    found = fit(PHONE, replace(SMALL, context=1), share=share)
    assert found.largest_context == context
    assert fit(PHONE, replace(SMALL, context=context), share=share).fits
    if context < SMALL.config.max_seq_len:
        assert not fit(PHONE, replace(SMALL, context=context + 1), share=share).fits


def test_fewer_bits_never_fit_worse():
    totals = [fit(PHONE, replace(SMALL, bits_per_weight=bits)).total_mib for bits in (32, 16, 8, 4, 2)]
    assert totals == sorted(totals, reverse=True)


def test_an_unknown_memory_gives_no_verdict():
    found = fit(find_device("Galaxy S24 Ultra"), SMALL)
    assert found.fits is None and found.budget_mib is None and found.largest_context is None
    assert found.total_mib > 0 and str(found).endswith("the memory of Galaxy S24 Ultra is unknown")


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=f"share={share}: choose a part of the memory"):
        fit(PHONE, SMALL, share=share)


def test_the_most_parameters_fill_the_share_beside_the_cache():
    load = replace(SMALL, bits_per_weight=4.5, context=1000)
    found = most_parameters(PHONE, load)
    beside = load.kv_bytes + load.activation_bytes
    assert found * 4.5 / 8 + beside <= 0.1 * 4 * 2**30 < (found + 1) * 4.5 / 8 + beside


def test_the_most_parameters_agree_with_fit():
    for load in (SMALL, replace(LARGE, bits_per_weight=4.5)):
        assert (load.parameters <= most_parameters(PHONE, load)) is fit(PHONE, load).fits


def test_a_cache_that_fills_the_share_leaves_no_parameters():
    assert most_parameters(PHONE, replace(SMALL, context=100_000)) == 0


def test_an_unknown_memory_leaves_the_parameters_unknown():
    assert most_parameters(find_device("iPhone 16 Pro"), SMALL) is None
