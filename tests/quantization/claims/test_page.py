"""What chapter 3 says in words, held against the stored rows; its claims derive themselves, see tests/teaching."""

import pytest

from mobilellm_lab import measuring, zoo
from mobilellm_lab import quantization as quant
from mobilellm_lab.quantization.exercises import predictions
from mobilellm_lab.quantization.figures.crossover_replay import crossover_replay
from mobilellm_lab.quantization.figures.replay import qat_replay
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.reference import open_sweep

STORE, TRAINED, SPEED = (open_sweep(f"quantization{name}") for name in ("", "_qat", "_speed"))
GRID, MODELS = evidence.runs(STORE, "grid"), ("stories-deep", "text-deep")


def loss_increases(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame)
    return frame["loss_increase_nats"]


def rounded(**where):
    return loss_increases(GRID, **{"method": "rtn", "symmetric": True, "group_size": 32} | where).item()


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_finer_the_scales_the_less_text_loses(bits):
    losses = [rounded(model="text-deep", bits=bits, group_size=n) for n in (quant.TENSOR, quant.CHANNEL, 32, 16)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("model", MODELS)
def test_a_zero_point_is_worth_its_bits_at_two_bits(model):
    assert rounded(model=model, bits=2, symmetric=False) < 0.8 * rounded(model=model, bits=2)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_text_is_several_times_as_sensitive_as_stories(bits):
    assert rounded(model="text-deep", bits=bits) > 3 * rounded(model="stories-deep", bits=bits)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bits", [2, 3])
def test_gptq_is_the_best_and_a_large_part_of_its_gain_is_that_of_cut_ranges(model, bits):
    at = {"model": model, "bits": bits, "symmetric": True, "group_size": 32}
    best = loss_increases(GRID, method="gptq", **at)
    rtn, mse, awq = (loss_increases(GRID, method=way, **at).median() for way in ("rtn", "mse", "awq"))
    assert best.max() < min(rtn, mse, awq)
    assert rtn - mse > 0.5 * (rtn - best.median())
    assert awq > 0.9 * mse


def test_a_scale_for_each_row_takes_all_of_an_outlier_in_weights():
    planted = evidence.runs(STORE, "planted")
    rows = planted[(planted["bits"] == 4) & (planted["group_size"] == quant.CHANNEL) & ~planted["rotate"]]
    for model in MODELS:
        before = loss_increases(rows, model=model, factor=1).item()
        assert loss_increases(rows, model=model, factor=8).to_numpy() == pytest.approx(before, abs=1e-4)


def test_with_few_codes_the_largest_activations_must_not_set_the_range():
    few = evidence.runs(STORE, "activations")
    few = few[(few["model"] == "text-deep") & (few["bits"] == 32) & (few["activation_bits"] == 4)]
    lost = {ranges: loss_increases(few, activation="static", ranges=ranges).median() for ranges in quant.RANGES}
    assert lost["minmax"] > 3 * max(lost["percentile"], lost["mse"])
    assert loss_increases(few, activation="dynamic").item() < min(lost.values())


def test_gptq_needs_its_own_kind_of_text_and_awq_minds_less():
    seen = evidence.runs(STORE, "data")
    seen = seen[(seen["model"] == "text-deep") & (seen["bits"] == 3)]
    ratio = {}
    for way in ("gptq", "awq"):
        own, other, random = (loss_increases(seen, method=way, data=data) for data in quant.DATA)
        assert own.median() < other.median() < random.median()
        ratio[way] = random.median() / own.median()
    assert ratio["gptq"] > ratio["awq"]


@pytest.mark.parametrize("model", MODELS)
def test_it_was_the_grid_in_the_loop_and_not_the_steps(model):
    table = evidence.crossover(STORE, TRAINED, model).set_index("bits")
    for bits in (4, 3, 2, 1.58, 1):
        assert table.loc[bits, "qat median"] < table.loc[bits, "float then gptq median"]
    assert abs(table.loc[8, "qat median"] - table.loc[8, "float then gptq median"]) < 0.01
    trained = evidence.qat(TRAINED)
    trained = trained[(trained["model"] == model) & (trained["bits"] == 2)]
    assert loss_increases(trained, arm="learned step").max() < loss_increases(trained, arm="qat").min()


def test_the_table_is_the_most_sensitive_matrix_of_text_and_the_first_blocks_follow():
    alone = evidence.sensitivity(STORE)
    alone = alone[(alone["model"] == "text-deep") & (alone["bits"] == 2)].sort_values(
        "loss_increase_nats", ascending=False
    )
    first, *next_four = alone["matrix"].head(5)
    assert first == "embed.weight"
    assert all(name.startswith(("blocks.0.", "blocks.1.")) for name in next_four)


def test_bits_by_matrix_lose_less_at_three_bits():
    made = evidence.mixed(STORE)
    made = made[made["budget_bits"] == 3]
    for model in MODELS:
        mixed, uniform = (loss_increases(made, model=model, kind=kind).item() for kind in ("mixed", "uniform"))
        assert mixed < uniform


def test_keys_per_channel_lose_less_at_four_and_two_bits_and_nearly_all_of_it_is_the_waiting():
    cache = evidence.kv_by_context(STORE)
    cache = cache[(cache["model"] == "text-deep") & (cache["context"] == cache["context"].max())]
    for bits in (4, 2):
        channel, delayed, position = (
            loss_increases(cache, kv_bits=bits, keys=keys).item() for keys in ("channel", "delayed", "position")
        )
        assert channel < delayed and position - delayed > 0.85 * (position - channel)


def test_the_deep_model_of_text_is_more_fragile_and_on_the_shell_game_seeds_differ_more_than_depths():
    pairs = evidence.deep_and_wide(STORE)
    pairs = pairs[(pairs["method"] == "rtn") & (pairs["group_size"] == 32)]
    text, stories = (pairs[pairs["task"] == task].set_index("bits") for task in ("text", "stories"))
    assert all(text.loc[bits, "deep"] > text.loc[bits, "wide"] for bits in (2, 3, 4))
    assert stories.loc[2, "deep"] > 2 * stories.loc[2, "wide"]
    assert all(0.5 < stories.loc[bits, "ratio"] < 2 for bits in (3, 4))
    trained = evidence.qat(TRAINED)
    trained = trained[(trained["arm"] == "qat") & (trained["bits"] == 2)]
    for task in ("text", "stories"):
        assert loss_increases(trained, model=f"{task}-deep").min() > loss_increases(trained, model=f"{task}-wide").max()
    games = evidence.fragility(STORE)
    games = games[(games["group_size"] == 32) & games["bits"].isin((2, 3, 4))]
    for _, game in games.groupby("bits"):
        seeds = game.groupby("depth")["loss_increase_nats"].agg(["min", "median", "max"])
        assert (seeds["max"] - seeds["min"]).max() > seeds["median"].max() - seeds["median"].min()


def test_int8_is_slower_where_the_model_is_small_and_the_older_kernel_flips():
    ratio = evidence.speeds(SPEED).set_index(["backend", "size"])["speedup"]
    new, old = "torchao int8 dynamic", "torch.ao int8 dynamic"
    assert ratio[new, "1M"] < ratio[old, "1M"] < 1 < ratio[old, "125M"]
    assert ratio[new, "1M"] < ratio[new, "125M"]
    assert ratio["packed 4-bit (ours)"].max() < 1
    assert ratio["torchao int8 weight-only"].max() < 1


def test_the_answers_are_those_of_the_rows_and_of_the_formulas():
    said = {name: float(text) for name, text in evidence.answers().items()}
    assert all(name.startswith("quant_") for name in said)
    assert said["quant_rtn_3"] == pytest.approx(rounded(model="text-deep", bits=3), abs=5e-4)
    assert said["quant_qat_3"] < said["quant_gptq_3"] < said["quant_rtn_3"]
    assert said["quant_text"] == pytest.approx(rounded(model="text-deep", bits=4), abs=1e-3)  # the weights' alone
    assert said["quant_cache"] < 0.001
    for size, name in (("125M", "quant_125m"), ("350M", "quant_350m")):
        config = zoo.SHAPES[f"MobileLLM-{size}"].config
        assert said[name] == round(measuring.theoretical_weights(config, bits_per_weight=4.5).mib)
    assert said["quant_smaller"] == pytest.approx(16 / 4.5, abs=0.1)


def test_no_answer_and_no_sliders_start_shows_what_a_prediction_asks():
    qat = {slider.column: slider.start for slider in qat_replay(STORE, TRAINED).sliders}
    assert (qat["model"], qat["bits"]) != (predictions.MODEL, predictions.BITS)
    speed = {slider.column: slider.start for slider in crossover_replay(SPEED).sliders}
    assert (speed["backend"], speed["size"]) != (predictions.BACKEND, predictions.SIZE)
    for prediction in predictions.PREDICTIONS:
        assert not any(float(text) in prediction.reference() for text in evidence.answers().values())
