"""Tables from a small store whose numbers are made up, so that every entry is known."""

import math

import pytest
from quantization.made_up import loss_increase_nats, stores

from mobilellm_lab.quantization.grid import CHANNEL, Grid
from mobilellm_lab.quantization.study import evidence, sweep_qat
from mobilellm_lab.quantization.study.kv_cache import contexts
from mobilellm_lab.quantization.study.paretoq import PARETOQ
from mobilellm_lab.quantization.study.recipe import FLOAT, Recipe
from mobilellm_lab.quantization.study.sweep import DEEP, WIDE, studies
from mobilellm_lab.reference import load_model, open_sweep
from mobilellm_lab.sweeps import Store, key


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Store, Store]:
    return stores(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="module")
def store(both) -> Store:
    return both[0]


@pytest.mark.parametrize("study", studies())
def test_every_run_of_a_study_is_a_row_and_no_other(store, study):
    frame = evidence.runs(store, study)
    assert len(frame) == len(studies()[study])
    assert set(frame["study"]) == {study}
    for (_, row), recipe in zip(frame.iterrows(), studies()[study], strict=True):
        assert (row["model"], row["bits"], row["seed"]) == (recipe.model, recipe.bits, recipe.seed)
        assert row["loss_increase_nats"] == pytest.approx(loss_increase_nats(recipe))
        assert row["loss_nats"] == pytest.approx(0.6 + loss_increase_nats(recipe))
        assert row["perplexity"] == pytest.approx(math.exp(row["loss_nats"]))
        assert row["score"] == (0.9 if "stories" in recipe.model else 1.5)
        assert math.isnan(row["two_hop"]) == math.isnan(row["one_hop"]) == ("text" in recipe.model)
        assert math.isnan(row["bits_per_byte"]) == math.isnan(row["accuracy"]) == ("stories" in recipe.model)


def test_rises_by_part_are_paired_with_the_float_models_parts(store):
    row = evidence.runs(store, "layers").iloc[0]
    assert row["loss_increase_low_nats"] == pytest.approx(row["loss_increase_nats"] - 0.2 + 0.05)
    assert row["loss_increase_high_nats"] == pytest.approx(row["loss_increase_nats"] + 0.2 - 0.05)


def test_what_is_not_planted_has_a_factor_of_one(store):
    frame = evidence.runs(store, "planted")
    assert set(frame.loc[frame["planted"] == "none", "factor"]) == {1}
    assert set(frame["factor"]) == {1, 8, 64}


def test_an_unknown_study_and_a_missing_row_are_named(store, tmp_path):
    with pytest.raises(ValueError, match="study='all': choose one of float, grid"):
        evidence.runs(store, "all")
    with pytest.raises(
        ValueError, match=r"no stored run for Recipe\(.*make it with `mobilellm-lab sweep quantization`"
    ):
        evidence.runs(Store(tmp_path / "none.jsonl"), "float")
    with pytest.raises(ValueError, match=r"no stored run for QATRecipe\(.*mobilellm-lab sweep quantization_qat`"):
        evidence.qat(Store(tmp_path / "none.jsonl"))


def test_the_cache_is_beside_the_one_in_float_at_the_same_length(store):
    frame = evidence.kv_by_context(store)
    assert len(frame) == len(DEEP + WIDE) * len(contexts(DEEP[0])) * 3
    row = frame[(frame["model"] == DEEP[0]) & (frame["kv_bits"] == 8) & (frame["context"] == 32)].iloc[0]
    assert (row["bytes"], row["loss_increase_nats"]) == (8000, pytest.approx(0.75 / 32))
    assert (frame.loc[frame["kv_bits"] == FLOAT, "loss_increase_nats"] == 0).all()


def test_mixed_and_sensitivity_are_those_of_both_deep_models(store):
    frame = evidence.mixed(store)
    assert list(frame["kind"]) == ["uniform", "mixed"] * 2 and list(frame["model"]) == [DEEP[0]] * 2 + [DEEP[1]] * 2
    assert frame["loss_increase_nats"].tolist() == pytest.approx([0.1, 0.09] * 2)
    assert frame["matrices"].iloc[0] == {2.0: 1, 4.0: 1}
    each = evidence.sensitivity(store)
    assert list(each["part"]) == ["embedding", "attention", "ffn"] * 2
    assert set(each.columns) == {"model", "matrix", "part", "bits", "loss_increase_nats", "bytes"}


def test_small_models_have_a_row_for_every_seed_and_rounding(store):
    frame = evidence.fragility(store)
    assert len(frame) == 3 * 3 * 4 * 2
    row = frame[(frame["depth"] == 8) & (frame["bits"] == 2) & (frame["group_size"] == CHANNEL)].iloc[0]
    assert (row["lr"], row["dim"], row["loss_increase_nats"]) == (4e-3, 12, pytest.approx(0.04))


def test_deep_stands_beside_wide_where_both_were_measured(store):
    frame = evidence.deep_and_wide(store)
    assert set(frame["method"]) == {"rtn", "gptq"} and set(frame["task"]) == {"stories", "text"}
    assert set(frame["group_size"]) == {CHANNEL, 32} and set(frame["bits"]) == {2, 3, 4, 8}
    assert frame["ratio"].tolist() == pytest.approx([2.0] * len(frame))
    assert len(frame) == 2 * 4 * 2 * (1 + 3)


def test_every_reported_training_is_a_row_of_its_arm(both):
    frame = evidence.qat(both[1])
    assert set(frame["arm"]) == {"qat", "learned step", "float", "float then rtn", "float then gptq"}
    assert set(frame["seed"]) == {0, 1, 2} and set(frame["lr"]) == {3e-4}  # the best on the validation seed
    of_one = frame[frame["model"] == DEEP[0]]
    assert sorted(of_one.loc[of_one["arm"] == "qat", "bits"].unique()) == sorted(sweep_qat.BITS)
    assert (of_one["steps"] == sweep_qat.STEPS).all()
    row = of_one[(of_one["arm"] == "qat") & (of_one["bits"] == 2)].iloc[0]
    assert (row["float_nats"], row["loss_increase_nats"]) == (0.6, pytest.approx(0.24))


@pytest.mark.parametrize("model", DEEP)
def test_the_crossover_sets_every_arm_beside_the_others(both, model):
    table = evidence.crossover(*both, model)
    assert list(table["bits"]) == list(sweep_qat.BITS)
    row = table[table["bits"] == 2].iloc[0]
    assert row["ptq rtn median"] == pytest.approx(1.1) and row["float_nats"] == 0.6
    assert row["qat median"] == pytest.approx(0.59 + 0.25 * 1.01)
    assert row["qat min"] < row["qat median"] < row["qat max"]
    assert row["float then rtn median"] == pytest.approx(1.09)
    gained = row["ptq rtn median"] - row["qat median"]
    assert row["recovered"] == pytest.approx(gained / (row["ptq rtn median"] - 0.6))


def test_the_published_table_is_as_it_is_printed():
    frame = evidence.paretoq()
    assert len(frame) == len(PARETOQ)
    assert frame[(frame["model"] == "1B") & (frame["bits"] == 4)]["perplexity"].tolist() == [7.9]


def test_a_float_row_is_needed_for_every_rise(store, tmp_path):
    fewer = Store(tmp_path / "fewer.jsonl")
    gone = key(Recipe(model=DEEP[0], bits=FLOAT))
    fewer.rows = {name: row for name, row in store.rows.items() if name != gone}
    with pytest.raises(ValueError, match=r"no stored run for Recipe\(model='stories-deep', bits=32"):
        evidence.runs(fewer, "layers")


def test_the_bytes_of_a_shape_are_those_of_its_stored_runs():
    stored = open_sweep("quantization")
    for bits in (8, 4, 2):
        row = stored[Recipe(model="stories-deep", bits=bits)]
        config = load_model("stories-deep").model.config
        assert evidence.weight_bytes(config, Grid(bits=bits, group_size=32)) == row["bytes"]["theory"]
