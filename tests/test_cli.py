"""The command line: the same jobs as in Python, resumable, and errors that say what to type."""

import subprocess
import sys
from pathlib import Path

import pytest

from mobilellm_lab import __version__, cli, deep_narrow
from mobilellm_lab.deep_narrow import Arm, Cost, Recipe
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.reference import FOLDER
from mobilellm_lab.sweeps import Store

ROOT = Path(__file__).parents[1]
TINY = Recipe(hold="width", width=16, depth=1, steps=1)


def test_a_sweep_is_made_by_processes_and_not_made_again(tmp_path, monkeypatch, capsys):
    plan = [Arm(study="depth", recipe=TINY, rates=(1e-3, 4e-3))]
    monkeypatch.setattr(deep_narrow, "arms", lambda: plan)
    out = tmp_path / "sweep.jsonl"
    cli.main(["sweep", "deep_narrow", "--workers", "1", "--out", str(out)])
    assert deep_narrow.missing(plan, Store(out)) == 0
    progress = capsys.readouterr().err
    assert "sweep.jsonl: 100%" in progress and "5/5" in progress
    before = out.read_bytes()
    cli.main(["sweep", "deep_narrow", "--workers", "1", "--out", str(out)])
    assert out.read_bytes() == before


def test_the_cost_of_depth_is_measured_where_it_is_missing(tmp_path, monkeypatch):
    shape = {"vocab_size": 32, "dim": 16, "n_heads": 2, "n_kv_heads": 2, "hidden_dim": 40, "max_seq_len": 64}
    shapes = [Cost(budget=60_000, config=ModelConfig(n_layers=n, **shape)) for n in (1, 2)]
    monkeypatch.setattr(deep_narrow, "costs", lambda: shapes)
    out = tmp_path / "cost.jsonl"
    Store(out).add(shapes[0], {"old": True})
    cli.main(["sweep", "deep_narrow_cost", "--out", str(out)])
    store = Store(out)
    assert store[shapes[0]]["old"] and store[shapes[1]]["tokens_per_s"]["p50"] > 0


@pytest.mark.parametrize("name", cli.JOBS)
def test_without_out_the_courses_own_file_is_meant(name, monkeypatch):
    asked = []
    monkeypatch.setitem(cli.JOBS, name, lambda store, *, workers: asked.append((store.path, workers)))
    cli.main(["sweep", name, "--workers", "3"])
    assert asked == [(FOLDER / f"{name}.jsonl", 3)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "deep_narrow", "--workers", "0"], "--workers: 0 processes cannot work, give at least 1"),
        (["sweep", "deep_narrow", "--workers", "-3"], "--workers: -3 processes"),
        (["sweep", "deep_narrow", "--workers", "two"], "--workers: invalid int value: 'two'"),
        (["sweep", "wide"], "invalid choice: 'wide'"),
        (["sweep"], "required: name"),
        ([], "required: command"),
        (["tune"], "invalid choice: 'tune'"),
    ],
    ids=str,
)
def test_what_makes_no_sense_ends_with_status_2_and_the_reason(arguments, said, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_a_damaged_file_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(cli.JOBS, "deep_narrow", lambda store, *, workers: pytest.fail("the job was started"))
    (tmp_path / "sweep.jsonl").write_text("no row\n")
    with pytest.raises(ValueError, match=r"sweep\.jsonl line 1 is no row of a sweep"):
        cli.main(["sweep", "deep_narrow", "--out", str(tmp_path / "sweep.jsonl")])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], ["sweep", "goes on where it was interrupted"]),
        (["sweep", "--help"], ["deep_narrow", "deep_narrow_cost", "--workers", "--out"]),
    ],
)
def test_help_names_what_there_is(arguments, said, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(word in " ".join(text.split()) for word in said)


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "mobilellm_lab.cli", "--version"]
    assert subprocess.check_output(command, text=True, cwd=ROOT).strip() == __version__
