"""A backend beside float32: every backend and live size, a known truth by a clock of our own, and the stored rows."""

import pytest
import torch

from mobilellm_lab.layout import for_decoding
from mobilellm_lab.quantization import (
    BACKENDS,
    CROSSOVER_LIVE_SIZES,
    CROSSOVER_SIZES,
    CrossoverRecipe,
    CrossoverRun,
    crossover_size,
    measure_speed,
    speed_recipes,
)
from mobilellm_lab.quantization.study.crossover import FEWEST, MOST, Contestant, operations, pairs, random_model
from mobilellm_lab.reference import open_sweep


def drawn(size: str):
    work = random_model(CROSSOVER_SIZES[size])
    while True:
        try:
            share = next(work)
            assert 0 < share <= 1
        except StopIteration as done:
            return done.value


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_is_run_and_judged(backend):
    run = CrossoverRun(CrossoverRecipe(backend=backend, size="60k", repeats=FEWEST))
    shares = [step.share for step in run]
    assert shares == sorted(shares) and shares[-1] == 1
    found = run.result()
    assert found.verdict in ("faster", "slower", "not distinguishable")
    low, high = found.interval
    assert low <= found.speedup <= high
    assert 0.1 < found.speedup / (found.tokens_per_s / found.float_tokens_per_s) < 10  # paired, and of medians
    assert (found.matrices[0] == 0) == (backend == "float32")


@pytest.mark.parametrize("size", CROSSOVER_LIVE_SIZES)
def test_every_live_size_is_built_as_it_says(size):
    model = drawn(size)
    layout = [p.stride() for p in model.parameters()]
    assert layout == [p.stride() for p in for_decoding(model).parameters()]  # as it was drawn
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(
        {"60k": 6e4, "1M": 1e6, "5M": 5e6, "25M": 25e6}[size], rel=0.03
    )
    assert model(torch.zeros(1, 4, dtype=torch.long)).isfinite().all()


def test_a_dynamic_product_starts_more_operations_than_a_float_one():
    model = drawn("60k")
    assert operations(BACKENDS["torchao int8 dynamic"].prepare(model)) > 2 * operations(model)


def test_a_known_difference_is_found_by_pairs():
    """A clock that one model moves twice as far: the same steps, and the truth is known."""
    now = {"s": 0.0}
    a, b = (Contestant(drawn("60k")) for _ in range(2))
    for contestant, cost in ((a, 0.001), (b, 0.002)):
        contestant.steps, contestant.clock = 1, lambda: now["s"]
        contestant.decode = lambda cost=cost: now.update(s=now["s"] + cost)
    taken = list(pairs(a, b, repeats=8, seed=0))
    assert [name for name, _ in taken] != ["a", "b"] * 8  # b comes first in half of them
    assert {name: round(ms, 6) for name, ms in taken} == {"a": 1.0, "b": 2.0}


def test_a_stopped_run_keeps_whole_pairs_and_an_empty_one_says_so():
    run = CrossoverRun(CrossoverRecipe(size="60k", repeats=FEWEST))
    with pytest.raises(ValueError, match="pair"):
        run.result()
    for step in run:
        if step.pairs == 2:
            break
    assert len(run.result().comparison.a.samples_ms) == 2


def test_a_row_is_what_the_sweep_stores():
    recipe = CrossoverRecipe(backend="torch.ao int8 dynamic", size="60k", repeats=10)
    ((found, row),) = measure_speed([recipe])
    stored = next(iter(open_sweep("quantization_speed").rows.values()))
    assert found == recipe and set(row) == set(stored) - {"key", "recipe"}
    assert row["speedup_low"] <= row["speedup"] <= row["speedup_high"] and row["pairs"] == 10


def test_the_stored_rows_cover_the_plan_and_show_where_it_flips():
    store = open_sweep("quantization_speed")
    assert all(recipe in store for recipe in speed_recipes()) and len(store.rows) == len(speed_recipes())
    rows = list(store.rows.values())
    assert crossover_size(rows, "torch.ao int8 dynamic") in (
        "5M",
        "25M",
        "125M",
    )  # slower in small models, faster in large
    assert crossover_size(rows, "torchao int8 dynamic") is None
    noise = [row["speedup"] for row in rows if row["recipe"]["backend"] == "float32"]
    assert all(0.9 < ratio < 1.1 for ratio in noise)  # float32 beside itself


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "int2"}, "backend='int2'"),
        ({"size": "7B"}, "size='7B'"),
        ({"repeats": FEWEST - 1}, "repeats="),
        ({"repeats": MOST + 1}, "repeats="),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        CrossoverRecipe(**options)
