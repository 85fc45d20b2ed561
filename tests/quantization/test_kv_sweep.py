"""The cache by context: bytes as they are allocated, loss over the second half, and fewer bits that cost more."""

import json

import pytest

from mobilellm_lab import footprint
from mobilellm_lab.measuring.start import start
from mobilellm_lab.quantization.kv_cache import KEYS
from mobilellm_lab.quantization.study.kv_cache import CONTEXTS, Context, cache_bytes, context_row, contexts
from mobilellm_lab.quantization.study.recipe import FLOAT
from mobilellm_lab.reference.models import FOLDER

MODEL = "student-tiny"


@pytest.fixture(scope="module")
def rows() -> dict[Context, dict]:
    """Float, 8 and 2 bits, keys per position."""
    return {
        recipe: context_row(recipe, folder=FOLDER)
        for recipe in contexts(MODEL)
        if recipe.kv_bits in (FLOAT, 8, 2) and recipe.keys == "position"
    }


def test_float_comes_first_and_each_number_of_bits_with_every_kind_of_keys():
    plan = contexts(MODEL)
    assert plan[0] == Context(model=MODEL, kv_bits=FLOAT)
    assert {(c.kv_bits, c.keys) for c in plan[1:]} == {(b, k) for b in (8, 4, 2) for k in KEYS}


def test_bytes_grow_with_the_context_and_float_is_as_the_formula_says():
    config = start(FOLDER, MODEL).model.config
    for recipe in contexts(MODEL):
        sizes = [cache_bytes(config, recipe, length=length) for length in (32, 64, 128)]
        assert sizes[0] < sizes[1] < sizes[2] or recipe.keys != "position"
    per_token = footprint.kv_bytes_per_token(config, bytes_per_value=4)
    assert cache_bytes(config, contexts(MODEL)[0], length=64) == 64 * per_token
    assert cache_bytes(config, Context(model=MODEL, kv_bits=4), length=64) < 64 * per_token / 4


def test_a_row_covers_every_context_that_the_model_was_trained_on(rows):
    for row in rows.values():
        assert [made["context"] for made in row["contexts"]] == [c for c in CONTEXTS if c <= 64]
        assert row["sequences"] == 256 and json.loads(json.dumps(row)) == row


def test_fewer_bits_cost_more(rows):
    by_bits = {recipe.kv_bits: [made["loss_nats"] for made in row["contexts"]] for recipe, row in rows.items()}
    loss_increases = {
        bits: [a - b for a, b in zip(losses, by_bits[FLOAT], strict=True)] for bits, losses in by_bits.items()
    }
    assert max(map(abs, loss_increases[8])) < 0.01 < min(loss_increases[2])


def test_a_row_comes_out_the_same_again(rows):
    recipe = Context(model=MODEL, kv_bits=8)
    assert context_row(recipe, folder=FOLDER)["contexts"] == rows[recipe]["contexts"]
