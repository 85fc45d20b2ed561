"""Tables on outliers and on pruning with quantization: every stored row is there, and crossovers are where they are."""

import math

import pytest
from pruning import made_up

from mobilellm_lab.pruning.study import evidence_combined as evidence
from mobilellm_lab.pruning.study.combined import EQUAL, ORDERS
from mobilellm_lab.pruning.study.outliers import FACTORS, WAYS
from mobilellm_lab.sweeps import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return made_up.store(tmp_path_factory.mktemp("rows"))


def test_every_factor_seed_and_way_has_its_increase(store):
    table = evidence.outlier_losses(store)
    assert len(table) == 2 * len(FACTORS) * 3 * len(WAYS)
    own = table[(table["importance"] == "l1") & (table["factor"] == 64) & (table["seed"] == 0)]
    assert own["loss_increase_nats"].tolist() == pytest.approx([3.2] * 4)


def test_a_crossover_is_the_first_factor_from_which_all_seeds_lose_more(store):
    table = evidence.outlier_losses(store)
    magnitude, wanda = ("l1", "row"), ("wanda", "row")
    assert evidence.crossover(table, "text-deep", magnitude, wanda) == 4  # 0.05 times 2 is not above 0.1
    assert evidence.crossover(table, "text-deep", magnitude, wanda, ratio=2) == 8
    assert evidence.crossover(table, "text-deep", wanda, magnitude) == math.inf
    table.loc[(table["factor"] == 64) & (table["seed"] == 2) & (table["importance"] == "l1"), "loss_increase_nats"] = 0
    assert evidence.crossover(table, "text-deep", magnitude, wanda) == math.inf


def test_combinations_have_three_seeds_each_at_the_chosen_rate_and_equal_budgets(store):
    table = evidence.combined_losses(store)
    assert set(table["budget_bits"]) == set(EQUAL) and set(table["order"]) == set(ORDERS)
    seeds = table.groupby(["model", "order", "amount", "bits", "tuned"])["seed"].agg(list)
    assert all(found == [0, 1, 2] for found in seeds)
    tuned = table[table["tuned"]]
    assert set(tuned["lr"]) == {1e-3} and len(tuned) == 2 * 2 * 2 * 3
    half = table[(table["amount"] == 0.5) & (table["order"] == ORDERS[0]) & (table["seed"] == 0)]
    assert half.groupby("tuned")["loss_increase_nats"].first().tolist() == pytest.approx([0.27, 0.135])


def test_zeros_are_named_by_what_kept_or_filled_them(store):
    table = evidence.zeros_kept(store).query("model == 'text-deep'").set_index(["kind", "name"])["kept"]
    assert table["grid", "1 bits"] == 0 and table["grid", "4 bits, affine"] == 1
    assert table["method", "gptq"] == 0.95 and table["kernel", "torchao int4 (prototype)"] == 0


def test_a_missing_row_is_named_with_the_command_that_makes_it(tmp_path):
    empty = Store(tmp_path / "pruning.jsonl")
    for table in (evidence.outlier_losses, evidence.zeros_kept):
        with pytest.raises(ValueError, match="make it with `mobilellm-lab sweep pruning`"):
            table(empty)
