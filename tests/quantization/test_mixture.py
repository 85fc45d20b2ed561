"""Bits by matrix beside the same bits everywhere: budgets kept, sensitivity stored, and better than uniform."""

import json

import pytest

from mobilellm_lab.measuring.start import start
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.quantized import matrices
from mobilellm_lab.quantization.study.mixed_precision import BITS, BUDGETS, UNIFORM, Mixture, mixture_row
from mobilellm_lab.reference.models import FOLDER

MODEL = "student-tiny"


@pytest.fixture(scope="module")
def row() -> dict:
    return mixture_row(Mixture(model=MODEL), folder=FOLDER)


def shapes() -> dict[str, tuple[int, int]]:
    return {name: tuple(p.shape) for name, p in matrices(start(FOLDER, MODEL).model).items()}


def test_every_matrix_was_tried_with_every_number_of_bits(row):
    assert {(matrix, bits) for matrix, bits, *_ in row["sensitivity"]} == {(m, b) for m in shapes() for b in BITS}
    for matrix, bits, _, n_bytes in row["sensitivity"]:
        assert n_bytes == Grid(bits=bits).nbytes(shapes()[matrix])


def test_budgets_are_kept_and_uniform_rows_take_what_their_bits_take(row):
    size = {bits: sum(Grid(bits=bits).nbytes(shape) for shape in shapes().values()) for bits in BITS}
    made = {(m["kind"], m["budget_bits"]): m for m in row["made"]}
    assert set(made) == {("uniform", b) for b in UNIFORM} | {("mixed", b) for b in BUDGETS}
    for bits in UNIFORM:
        assert made["uniform", bits]["bytes"] == size[bits]
        assert made["uniform", bits]["matrices"][str(bits)] == len(shapes())
    for budget in BUDGETS:
        below, above = int(budget), -int(-budget // 1)
        allowed = size[below] + (budget - below) * (size[above] - size[below]) if above > below else size[below]
        assert made["mixed", budget]["bytes"] <= allowed + 1
        assert sum(made["mixed", budget]["matrices"].values()) == len(shapes())


def test_the_same_bytes_buy_more_where_each_matrix_gets_what_it_needs(row):
    made = {(m["kind"], m["budget_bits"]): m["loss_nats"] for m in row["made"]}
    gains = [made["uniform", bits] - made["mixed", bits] for bits in (3, 4)]
    assert sum(gains) > 0  # the trend; a single budget may go the other way


def test_a_row_is_plain_values(row):
    assert json.loads(json.dumps(row)) == row
    assert all(len(m["parts"]) == 4 for m in row["made"])
