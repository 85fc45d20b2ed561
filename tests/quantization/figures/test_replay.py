"""Chapter 3's replays: the full product is there, and what they say is what was stored."""

import pytest
from quantization.made_up import stores

from mobilellm_lab.quantization.figures import replay as module
from mobilellm_lab.quantization.figures.replay import ARM_WORDS, SCHEME_WORDS, ptq_replay, qat_replay
from mobilellm_lab.quantization.study.evidence import ARMS, crossover, runs
from mobilellm_lab.quantization.study.sweep import BITS, DEEP, GROUPS, SCHEMES
from mobilellm_lab.quantization.study.sweep_qat import BITS as TRAINED_BITS
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> tuple[Store, Store]:
    return stores(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="module", params=["made up", "stored"])
def both(request, made_up) -> tuple[Store, Store]:
    """Both sweeps, once with numbers that are known, once as the repository carries them."""
    if request.param == "made up":
        return made_up
    return open_sweep("quantization"), open_sweep("quantization_qat")


@pytest.fixture(scope="module")
def replays(both) -> list:
    return [ptq_replay(both[0]), qat_replay(*both)]


def test_the_full_product_of_bits_groups_and_methods_is_there(replays):
    assert [slider.values for slider in replays[0].sliders] == [DEEP, BITS, GROUPS, tuple(SCHEME_WORDS.values())]
    assert len(replays[0].rows) == len(DEEP) * len(BITS) * len(GROUPS) * len(SCHEMES)


def test_the_full_product_of_bits_and_ways_is_there(replays):
    assert [slider.values for slider in replays[1].sliders] == [DEEP, TRAINED_BITS, tuple(ARM_WORDS.values())]
    assert len(replays[1].rows) == len(DEEP) * len(TRAINED_BITS) * len(ARMS)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: SCHEME_WORDS[scheme])
def test_points_are_the_stored_runs(both, replays, scheme):
    table, (method, symmetric) = replays[0].rows, scheme
    frame = runs(both[0], "grid")
    frame = frame[(frame["method"] == method) & (frame["symmetric"] == symmetric)]
    for (model, bits, group_size), group in frame.groupby(["model", "bits", "group_size"]):
        row = table[(table["model"] == model) & (table["bits"] == bits) & (table["group_size"] == group_size)]
        row = row[row["scheme"] == SCHEME_WORDS[scheme]].iloc[0]
        assert row["loss_increase"] == group["loss_increase_nats"].median() and row["seeds"] == len(group)
        low, high = group["loss_increase_nats"].min(), group["loss_increase_nats"].max()
        if len(group) == 1:
            low, high = group["loss_increase_low_nats"].iloc[0], group["loss_increase_high_nats"].iloc[0]
        assert (row["low"], row["high"]) == (low, high)
        assert row["kib"] == group["on_disk_bytes"].median() / 1024


def test_losses_are_those_of_the_crossover(both, replays):
    table = replays[1].rows
    for model in DEEP:
        for _, row in crossover(*both, model).iterrows():
            for arm in ARMS:
                mine = table[
                    (table["model"] == model) & (table["bits"] == row["bits"]) & (table["arm"] == ARM_WORDS[arm])
                ]
                assert mine["loss"].tolist() == [row[f"{arm} median"]]
                assert (mine["low"].iloc[0], mine["high"].iloc[0]) == (row[f"{arm} min"], row[f"{arm} max"])
                assert mine["float_nats"].iloc[0] == pytest.approx(row["float_nats"], abs=2e-5)


def test_sentences_say_what_was_measured(made_up):
    ptq, qat = ptq_replay(made_up[0]), qat_replay(*made_up)
    at = ptq.settings.index(("stories-deep", 3, 32, "GPTQ"))
    assert ptq.readouts[at] == (
        "stories-deep, 3 bits, groups of 32, GPTQ: the loss is +0.1262 nats beside float (+0.1250 to +0.1275, "
        "3 seeds), perplexity 2.07, two-hop answers 0.900; 2.94 KiB on disk, 10.6 times smaller."
    )
    at = ptq.settings.index(("text-deep", 2, -1, "RTN, affine"))
    assert "per tensor, RTN, affine: the loss is +0.5000 nats" in ptq.readouts[at]
    assert "four parts of the test" in ptq.readouts[at] and "1.500 bits per byte" in ptq.readouts[at]
    at = qat.settings.index(("stories-deep", 1, "QAT"))
    assert qat.readouts[at] == (
        "stories-deep, 1 bit in groups of 32, QAT: loss 1.095 nats (1.090 to 1.100, 3 seeds), "
        "+0.495 beside the float model's 0.600."
    )


def test_a_row_that_is_not_stored_is_named_with_its_command(tmp_path):
    with pytest.raises(ValueError, match="make it with `mobilellm-lab sweep quantization`"):
        module.ptq_replay(Store(tmp_path / "none.jsonl"))
