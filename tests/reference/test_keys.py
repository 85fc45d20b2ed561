"""Stored rows, models and training states are found again: as the classes are, and with a field added to each."""

import importlib
import json
import os
import pkgutil
from dataclasses import asdict, fields, is_dataclass, make_dataclass, replace
from functools import cache

import pytest
from reference.keys import FILE, digest, planned

import mobilellm_lab
from mobilellm_lab import checkpoints, cli, deep_narrow
from mobilellm_lab.deep_narrow.study.sweep import band, training
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization import Grid, load_quantized, quantize, save_quantized
from mobilellm_lab.quantization.study.sweep import distances
from mobilellm_lab.reference import MODELS, load_model, open_sweep, sweep_names
from mobilellm_lab.reference.making import finished, make_model
from mobilellm_lab.stored import added
from mobilellm_lab.sweeps import key

DIGESTS = json.loads(FILE.read_text(encoding="utf-8"))
TINY = replace(MODELS["student-tiny"], n_layers=1, dim=16, n_heads=2, hidden_dim=16, steps=4, batch_size=4)


@cache
def classes() -> frozenset[type]:
    """Every dataclass of the package."""
    names = [found.name for found in pkgutil.walk_packages(mobilellm_lab.__path__, "mobilellm_lab.")]
    members = [each for name in names for each in vars(importlib.import_module(name)).values()]
    return frozenset(
        each for each in members if isinstance(each, type) and is_dataclass(each) and each.__module__ in names
    )


def kinds(value: object) -> set[type]:
    """The class of a recipe, and those of the dataclasses in its fields."""
    inside = [getattr(value, field.name) for field in fields(value)]
    return {type(value)}.union(*(kinds(each) for each in inside if is_dataclass(each)))


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """As on the machine that measured: plans of chapter 1 go by the number of cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)


@pytest.fixture
def grown(monkeypatch) -> frozenset[type]:
    """Every dataclass of the package has one more field from now on, `novelty`; the very classes, not copies."""
    found = classes()
    for kind in found:
        frozen = kind.__dataclass_params__.frozen
        more = make_dataclass(kind.__name__, [("novelty", int, added(0))], bases=(kind,), frozen=frozen, kw_only=True)
        monkeypatch.setattr(kind, "novelty", 0, raising=False)
        monkeypatch.setattr(kind, "__init__", more.__init__)
        monkeypatch.setattr(kind, "__dataclass_fields__", more.__dataclass_fields__)
    return found


def test_every_store_has_a_plan():
    assert set(cli.SWEEPS) == set(sweep_names()) and set(DIGESTS) == set(cli.SWEEPS), (
        "type python tests/reference/keys.py"
    )


@pytest.mark.parametrize("name", DIGESTS)
def test_the_keys_are_those_of_before(name):
    assert digest(open_sweep(name).rows) == DIGESTS[name], "rows were made on purpose? python tests/reference/keys.py"


@pytest.mark.parametrize("name", cli.SWEEPS)
def test_the_plan_of_today_gives_exactly_the_stored_keys(name):
    store = open_sweep(name)
    found = {key(recipe) for recipe in planned(name, store)}
    assert found and found == set(store.rows), f"delete rows left over, type `mobilellm-lab sweep {name}` for the rest"


@pytest.mark.parametrize("name", cli.SWEEPS)
def test_with_a_new_field_in_every_class_every_row_is_found_again(name, grown):
    store = open_sweep(name)
    recipes = planned(name, store)
    assert set().union(*map(kinds, recipes)) <= grown
    assert all(asdict(recipe)["novelty"] == 0 for recipe in recipes)
    assert {key(recipe) for recipe in recipes} == set(store.rows)
    assert not {key(replace(recipe, novelty=1)) for recipe in recipes} & set(store.rows)


def test_rows_are_set_beside_a_recipe_with_a_new_field_as_before(request):
    runs, roundings, recipe = open_sweep("deep_narrow"), open_sweep("quantization"), deep_narrow.Recipe()
    before = band(runs, recipe), distances(roundings, "stories-deep")
    assert all(before)
    request.getfixturevalue("grown")
    assert (band(runs, recipe), distances(roundings, "stories-deep")) == before
    assert band(runs, replace(recipe, novelty=1)) == []
    assert all(row["training"] == training(deep_narrow.Recipe(**row["recipe"])) for row in runs.rows.values())


def test_a_new_field_inside_a_recipe_counts_once_it_is_set(grown):
    store = open_sweep("deep_narrow_cost")
    for cost in planned("deep_narrow_cost", store):
        assert cost in store and replace(cost, config=replace(cost.config, novelty=1)) not in store


@pytest.mark.parametrize("name", MODELS)
def test_with_a_new_field_every_reference_model_is_found_again(name, grown):
    assert ModelConfig in grown and type(MODELS[name]) in grown
    assert finished(MODELS[name]) and not finished(replace(MODELS[name], novelty=1))
    assert asdict(load_model(name).model.config)["novelty"] == 0


def test_a_quantized_model_from_before_the_new_field_is_found_again(tmp_path, request):
    save_quantized(quantize(load_model("student-tiny").model, Grid()), tmp_path / "packed")
    request.getfixturevalue("grown")
    assert asdict(load_quantized(tmp_path / "packed").model.config)["novelty"] == 0


def test_a_new_field_is_stored_once_it_is_set(grown, tmp_path):
    config = load_model("student-tiny").model.config
    checkpoints.save(Transformer(replace(config, novelty=3)), tmp_path / "set")
    checkpoints.save(Transformer(config), tmp_path / "default")
    assert checkpoints.load(tmp_path / "set").model.config.novelty == 3
    assert "novelty" not in json.loads((tmp_path / "default" / "config.json").read_text())["model"]


def test_a_training_that_was_begun_before_the_new_field_goes_on(tmp_path, monkeypatch, request):
    monkeypatch.setattr("mobilellm_lab.reference.making.SAVE_EVERY_S", 0)
    folder, work = tmp_path / "made", tmp_path / "work"
    run = make_model(TINY, folder=folder, work=work)
    assert [next(run).step for _ in range(3)] == [1, 2, 3]
    run.close()
    request.getfixturevalue("grown")
    with pytest.raises(ValueError, match="started with another recipe"):
        next(make_model(replace(TINY, novelty=1), folder=folder, work=work))
    assert [step.step for step in make_model(TINY, folder=folder, work=work)] == [4]
    assert finished(TINY, folder=folder)
