"""The stored rows of chapter 3 on quality: made from today's models, and each row sound in itself."""

import re
from functools import cache

import pytest

from mobilellm_lab import checkpoints, footprint
from mobilellm_lab.arms import SEEDS
from mobilellm_lab.measuring.start import BATCH_SIZE, BATCHES
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.quantized import select
from mobilellm_lab.quantization.study import sweep_qat
from mobilellm_lab.quantization.study.fragility import TRAINING, Small
from mobilellm_lab.quantization.study.kv_cache import CONTEXTS, Context, cache_bytes
from mobilellm_lab.quantization.study.mixed_precision import BITS as MIXED_BITS
from mobilellm_lab.quantization.study.mixed_precision import Mixture
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe, Recipe
from mobilellm_lab.quantization.study.sweep import DEEP, WIDE, plan
from mobilellm_lab.reference import load_model, open_sweep
from mobilellm_lab.reference.models import FOLDER
from mobilellm_lab.tasks import make

STORE, TRAINED = open_sweep("quantization"), open_sweep("quantization_qat")
ITEMS = [(item, STORE[item]) for item in plan() if item in STORE]
RUNS = [(item, row) for item, row in ITEMS if isinstance(item, Recipe)]
TRAININGS = [(QATRecipe(**row["recipe"]), row) for row in TRAINED.rows.values()]


@cache
def model_of(name: str):
    return load_model(name)


def test_every_row_is_of_the_weights_sequences_and_corpus_of_today():
    prints = {name: checkpoints.load(FOLDER / name).fingerprint[:16] for name in DEEP + WIDE}
    for item, row in [*ITEMS, *TRAININGS]:
        assert row["fingerprint"] == prints[item.model], "delete the rows of this model, and sweep again"
        assert row["exam"] == {"split": "test", "sequences": BATCHES * BATCH_SIZE}
        assert (row["provenance"]["corpus_sha256"] == "no corpus") == ("text" not in item.model)
    corpora = {row["provenance"]["corpus_sha256"] for item, row in [*ITEMS, *TRAININGS] if "text" in item.model}
    assert len(corpora) == 1 and re.fullmatch("[0-9a-f]{64}", *corpora)


def test_every_run_has_its_quality_in_four_parts():
    for row in (row for _, row in [*RUNS, *TRAININGS]):
        assert len(row["parts"]) == 4
        assert sum(row["parts"]) / 4 == pytest.approx(row["loss_nats"], abs=1e-5)
        assert 0 <= row["agreement"] <= 1
        assert all(0 <= value <= 1 for name, value in row["scores"].items() if name != "bits_per_byte")


def test_float_agrees_with_itself_and_nothing_else_does_wholly():
    for item, row in RUNS:
        if item == Recipe(model=item.model, bits=FLOAT):
            assert row["agreement"] == 1 and row["bits_per_weight"] == 32
            assert row["bytes"]["theory"] == footprint.weight_bytes(
                model_of(item.model).model.config, bits_per_weight=32
            )
    few = [row["agreement"] for item, row in RUNS if item.bits <= 3]
    assert few and max(few) < 1


def test_bytes_are_those_of_todays_grids_and_files():
    for item, row in RUNS:
        sizes, weights = row["bytes"], dict(model_of(item.model).model.named_parameters())
        if item.bits != FLOAT and not item.rotate:
            stored = {name: 4 * p.numel() for name, p in weights.items()}
            chosen = select(model_of(item.model).model, item.layers)
            stored |= {name: item.grid.nbytes(tuple(p.shape)) for name, p in chosen.items()}
            assert sizes["theory"] == sum(stored.values())
        assert sizes["theory"] < sizes["on_disk"] < sizes["theory"] + 40_000  # header and config
        assert 4 * sum(p.numel() for p in weights.values()) < sizes["float"]


def test_the_cache_is_as_large_as_it_is_now_and_its_loss_falls_with_the_context():
    for item, row in ITEMS:
        if isinstance(item, Context):
            read = model_of(item.model)
            assert [made["context"] for made in row["contexts"]] == [c for c in CONTEXTS if c <= read.task.seq_len]
            for made in row["contexts"]:
                assert made["bytes"] == cache_bytes(read.model.config, item, length=made["context"])


def test_every_matrix_was_weighed_and_every_budget_kept():
    for item, row in ITEMS:
        if isinstance(item, Mixture):
            shapes = {name: tuple(p.shape) for name, p in select(model_of(item.model).model).items()}
            assert {(m, b) for m, b, *_ in row["sensitivity"]} == {(m, b) for m in shapes for b in MIXED_BITS}
            assert all(n == Grid(bits=b).nbytes(shapes[m]) for m, b, _, n in row["sensitivity"])
            uniform = {made["budget_bits"]: made["bytes"] for made in row["made"] if made["kind"] == "uniform"}
            for made in row["made"]:
                assert made["bytes"] <= uniform.get(made["budget_bits"], max(uniform.values()))


def test_small_models_are_of_the_shape_and_training_of_today():
    task, rows = make(TRAINING["task"]), [row for row in STORE.rows.values() if "rounded" in row]
    assert len(rows) == 3 * (3 + len(SEEDS))
    for row in rows:
        config = Small(**row["recipe"]).config(task)
        assert row["shape"] == {name: getattr(config, name) for name in ("dim", "hidden_dim", "n_layers", "head_dim")}
        assert row["parameters"] == footprint.parameters(config)
        assert row["training"] == TRAINING, "delete these rows and type `mobilellm-lab sweep quantization`"
        assert row["accuracy"] > 0.3 > 1 / 6  # it has learned something that rounding could spoil


def test_every_training_has_taken_its_steps_and_started_from_the_same_model():
    for recipe, row in TRAININGS:
        float_row = STORE[Recipe(model=recipe.model, bits=FLOAT)]
        assert (row["steps"], row["tokens"]) == (
            recipe.steps,
            recipe.steps * recipe.batch_size * model_of(recipe.model).task.seq_len,
        )
        assert row["train_s"] > 0 and row["validation_loss_nats"] > 0
        assert row["start"]["loss_nats"] == pytest.approx(float_row["loss_nats"], abs=1e-5)
        assert row["loss_nats"] != row["start"]["loss_nats"]
        assert ("rounded" in row) == (recipe.bits == FLOAT)
        if recipe.bits == FLOAT:
            assert len(row["rounded"]) == len(sweep_qat.BITS) * len(sweep_qat.METHODS)


def test_no_two_trainings_are_the_same_measurement():
    assert len({(row["loss_nats"], row["validation_loss_nats"]) for _, row in TRAININGS}) == len(TRAININGS)


def test_fewer_bits_are_worse_and_more_scales_are_better():
    """Of rounding to nearest, the trend over each model's table, not of any single row."""
    for model in DEEP:
        loss = {
            (item.group_size, item.bits): row["loss_nats"]
            for item, row in RUNS
            if item == Recipe(model=model, bits=item.bits, group_size=item.group_size)
        }
        for group_size in (-1, 0, 32, 16):
            assert loss[group_size, 2] > loss[group_size, 3] > loss[group_size, 8]
        assert sum(loss[-1, bits] - loss[16, bits] for bits in (2, 3, 4)) > 0
