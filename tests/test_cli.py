"""The command line: the same jobs as in Python, resumable, and errors that say what to type."""

import ast
import importlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from test_checkpoints import change_config, to_version_1
from test_model import config_of

from mobilellm_lab import __version__, checkpoints, cli, measuring
from mobilellm_lab.arms import Arm, Sweep, missing
from mobilellm_lab.deep_narrow import Cost, Recipe
from mobilellm_lab.measuring.bench import load
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization.study.kv_cache import Context
from mobilellm_lab.quantization.study.recipe import QATRecipe
from mobilellm_lab.reference import FOLDER, open_sweep
from mobilellm_lab.sweeps import Store

ROOT = Path(__file__).parents[1]
TINY = Recipe(hold="width", width=16, depth=1, steps=1)


@pytest.fixture
def planned(monkeypatch):
    """Gives a sweep another plan, in its chapter."""

    def change(name: str, plan: list) -> None:
        changed = replace(cli.declared(name), plan=lambda: plan)
        monkeypatch.setattr(importlib.import_module(cli.SWEEPS[name][0]), "SWEEPS", (changed,))

    return change


def test_a_sweep_is_made_by_processes_and_not_made_again(tmp_path, planned, capsys):
    plan = [Arm(study="depth", recipe=TINY, rates=(1e-3, 4e-3))]
    planned("deep_narrow", plan)
    out = tmp_path / "sweep.jsonl"
    cli.main(["sweep", "deep_narrow", "--workers", "1", "--out", str(out)])
    assert missing(plan, Store(out)) == 0
    progress = capsys.readouterr().err
    assert "sweep.jsonl: 100%" in progress and "5/5" in progress
    before = out.read_bytes()
    cli.main(["sweep", "deep_narrow", "--workers", "1", "--out", str(out)])
    assert out.read_bytes() == before


def test_the_cost_of_depth_is_measured_where_it_is_missing(tmp_path, planned):
    shape = {"vocab_size": 32, "dim": 16, "n_heads": 2, "n_kv_heads": 2, "hidden_dim": 40, "max_seq_len": 64}
    shapes = [Cost(budget=60_000, config=ModelConfig(n_layers=n, **shape)) for n in (1, 2)]
    planned("deep_narrow_cost", shapes)
    out = tmp_path / "cost.jsonl"
    Store(out).add(shapes[0], {"old": True})
    cli.main(["sweep", "deep_narrow_cost", "--out", str(out)])
    store = Store(out)
    assert store[shapes[0]]["old"] and store[shapes[1]]["tokens_per_s"]["p50"] > 0


@pytest.mark.parametrize("name", cli.SWEEPS)
def test_without_out_the_courses_own_file_is_meant(name, monkeypatch):
    asked = []
    monkeypatch.setattr(Sweep, "run", lambda self, store, *, workers: asked.append((self.name, store.path, workers)))
    cli.main(["sweep", name, "--workers", "1"])
    assert asked == [(name, FOLDER / f"{name}.jsonl", 1)]


def test_chapters_name_exactly_the_sweeps_that_they_declare():
    modules = {module for module, _ in cli.SWEEPS.values()}
    declared = {(each.name, name) for name in modules for each in importlib.import_module(name).SWEEPS}
    assert declared == {(name, module) for name, (module, _) in cli.SWEEPS.items()}


def noted(error: ValueError, note: str) -> ValueError:
    error.add_note(note)
    return error


def chapter(package: Path, stem: str, *names: str) -> None:
    path = package / stem / "study" / "names.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"NAMES = {{{stem!r}: {dict.fromkeys(names, 'rows')}}}")


def test_the_sweeps_of_a_new_chapter_are_found_by_folder(tmp_path):
    chapter(tmp_path, "b", "toy", "toy_speed")
    chapter(tmp_path, "a", "game")
    assert cli.collect(tmp_path) == {"game": ("a", "rows"), "toy": ("b", "rows"), "toy_speed": ("b", "rows")}


def test_no_sweep_at_all_or_one_of_two_chapters_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no \*/study/names\.py names a sweep"):
        cli.collect(tmp_path)
    chapter(tmp_path, "a", "toy")
    chapter(tmp_path, "b", "game", "toy")
    with pytest.raises(ValueError, match=r"names\.py: \['toy'\] named by another module"):
        cli.collect(tmp_path)


def test_names_are_constants():
    paths = list((ROOT / "mobilellm_lab").glob("*/study/names.py"))
    assert len(paths) >= 4
    for path in paths:
        (docstring, names) = ast.parse(path.read_text(encoding="utf-8")).body
        assert ast.literal_eval(docstring.value) and ast.literal_eval(names.value), path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "deep_narrow", "--workers", "0"], "--workers: '0' cannot work here, give a number from 1"),
        (["sweep", "deep_narrow", "--workers", "-3"], "--workers: '-3' cannot work here"),
        (["sweep", "deep_narrow", "--workers", "two"], "--workers: 'two' cannot work here"),
        (["sweep", "deep_narrow", "--workers", "100000"], "--workers: '100000' cannot work here"),
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
    error = capsys.readouterr().err
    assert said in error and error.startswith("mobilellm-lab") and error.count("\n") == 1


def test_a_damaged_file_is_refused_before_anything_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Sweep, "run", lambda self, store, *, workers: pytest.fail("the job was started"))
    (tmp_path / "sweep.jsonl").write_text("no row\n")
    with pytest.raises(SystemExit) as end:
        cli.main(["sweep", "deep_narrow", "--out", str(tmp_path / "sweep.jsonl")])
    assert end.value.code == 2 and "sweep.jsonl line 1 is not a row of a sweep" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["bench", "stories-deep"], ["sweep", "deep_narrow"], ["reference"]], ids=str)
def test_a_target_that_cannot_be_written_is_found_before_any_work(command, tmp_path, monkeypatch, capsys):
    for owner, job in ((Sweep, "run"), (cli, "make_reference"), (cli, "bench_model")):
        monkeypatch.setattr(owner, job, lambda *a, **k: pytest.fail("the job was started"))
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as end:
        cli.main([*command, "--out", str(tmp_path / "file" / "deeper")])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert "--out=" in error and "cannot be written" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "mobilellm-lab: interrupted"),
        (BrokenExecutor("a worker process was killed"), 1, "mobilellm-lab: a worker process was killed"),
        (
            noted(ValueError("lr=9 is too high"), "in the run of Recipe()"),
            2,
            "lr=9 is too high (in the run of Recipe())",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_job_that_ends_early_says_so_in_one_line(raised, status, said, tmp_path, monkeypatch, capsys):
    def run(*arguments, **options):
        raise raised

    monkeypatch.setattr(Sweep, "run", run)
    with pytest.raises(SystemExit) as end:
        cli.main(["sweep", "deep_narrow", "--out", str(tmp_path / "rows.jsonl")])
    assert end.value.code == status
    error = capsys.readouterr().err
    assert said in error and error.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], ["sweep", "resumes"]),
        (["sweep", "--help"], ["deep_narrow", "deep_narrow_cost", "--workers", "--out"]),
    ],
)
def test_help_names_what_there_is(arguments, said, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(word in " ".join(text.split()) for word in said)


def test_help_says_how_long_a_job_takes_and_gives_an_example(capsys):
    trained = {
        name: sum(row.get("train_s", 0) for row in open_sweep(name).rows.values())
        for name in ("quantization_qat", "deep_narrow")
    }
    assert round(trained["quantization_qat"] / 1800) == 1 and round(trained["deep_narrow"] / 3600) == 2
    logs = {
        name: json.loads((cli.FOLDER / f"{name}.json").read_text(encoding="utf-8"))["train_s"] for name in cli.TRAINED
    }
    assert round(sum(logs.values()) / 3600) == 2 and round(logs["student-tiny"] / 60) == 2 and len(logs) == 8
    for name, takes in cli.TAKES.items():
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert takes in text and f"example: mobilellm-lab {name}" in text


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["tune"], ["sweep", "wide"], ["bench", "--help"]], ids=str
)
def test_it_answers_before_anything_heavy_is_imported(arguments):
    """Under half a second of processor time, of which a wait for the disk is no part."""
    code = f"""
import json, sys, time
from mobilellm_lab import cli
try:
    cli.main({arguments})
except SystemExit:
    print("\\n" + json.dumps([time.process_time(), sorted(sys.modules)]))
"""
    answer = subprocess.run([sys.executable, "-c", code], text=True, cwd=ROOT, capture_output=True, check=True)
    seconds, modules = json.loads(answer.stdout.splitlines()[-1])
    chapters = {f"mobilellm_lab.{path.parts[-3]}" for path in (ROOT / "mobilellm_lab").glob("*/study/names.py")}
    assert chapters and not {"torch", "pandas", "numpy", *chapters} & set(modules)
    assert seconds < 0.5


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A checkpoint of ours, and a bench that does not start a process or wait for a counter."""
    seen = measuring.PeakMemory(peak_mib=300.0, baseline_mib=200.0, processes=1, samples=1, interval_s=0.01)
    monkeypatch.setattr(measuring.bench, "peak_memory", lambda *job: seen)
    monkeypatch.setattr(measuring.bench, "ENERGY_S", 0.02)
    shape = {"vocab_size": 6, "dim": 16, "n_heads": 2, "n_kv_heads": 2, "hidden_dim": 16, "max_seq_len": 64}
    checkpoints.save(Transformer(ModelConfig(n_layers=1, **shape)), tmp_path / "tiny", task={"name": "shells"})
    return tmp_path / "tiny"


def test_bench_writes_its_record_and_prints_its_table(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli.main(["bench", str(tiny), "--new-tokens", "4", "--repeats", "1"])
    record = measuring.load_record(tmp_path / "tiny.json")
    assert record.settings["new_tokens"] == 4 and record.provenance["command"].startswith("mobilellm-lab bench ")
    printed = capsys.readouterr()
    assert record.table() in printed.out and "written to tiny.json" in printed.out
    assert "100%" in printed.err and "6/6" in printed.err


def test_bench_here_names_its_record_after_the_folder(tiny, monkeypatch):
    monkeypatch.chdir(tiny)
    asked = []
    monkeypatch.setattr(cli, "bench_model", lambda model, *, out, **options: asked.append((model, out)))
    cli.main(["bench", "."])
    assert asked == [(".", Path("tiny.json"))]


def test_the_table_is_printed_even_where_the_record_cannot_be_kept(tiny, tmp_path, monkeypatch, capsys):
    def full(self, path):
        raise OSError("No space left on device")

    monkeypatch.setattr(measuring.Record, "save", full)
    with pytest.raises(OSError, match="No space left"):
        cli.main(["bench", str(tiny), "--new-tokens", "4", "--repeats", "1", "--out", str(tmp_path / "tiny.json")])
    assert "peak_resident_mib" in capsys.readouterr().out


def test_bench_sets_its_record_beside_an_older_one(tiny, tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    quick = [str(tiny), "--new-tokens", "4", "--repeats", "1"]
    cli.main(["bench", *quick, "--out", str(old)])
    cli.main(["bench", *quick, "--out", str(new), "--against", str(old)])
    assert "differences are noise, or due to the commit" in capsys.readouterr().out
    assert old.exists() and new.exists()


def test_reference_renews_a_model_of_an_older_format(tmp_path, capsys):
    for path in (cli.FOLDER / "student-tiny.json", *(cli.FOLDER / "student-tiny").iterdir()):
        (tmp_path / path.relative_to(cli.FOLDER)).parent.mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(cli.FOLDER))
    change_config(tmp_path / "student-tiny", to_version_1)
    for _ in range(2):
        cli.main(["reference", "student-tiny", "--out", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == [
        "student-tiny: written anew in the file format of today, the same weights",
        *["student-tiny: is there already, made by this recipe"] * 2,
    ]


def test_bench_finds_a_model_whose_overwrite_died(tmp_path):
    checkpoints.save(Transformer(config_of()), tmp_path / "mine")
    (tmp_path / "mine").rename(tmp_path / ".mine.replaced")
    assert cli._source(str(tmp_path / "mine")) == str(tmp_path / "mine")
    (tmp_path / "mine").rename(tmp_path / ".mine.replaced")
    assert load(tmp_path / "mine", context=8).source == "checkpoint"


def test_bench_knows_the_reference_models(tmp_path, monkeypatch):
    asked = []

    class Bench:
        def __init__(self, source, **options):
            asked.append((source, options))
            raise ValueError("enough")

    monkeypatch.setattr(measuring, "Bench", Bench)
    with pytest.raises(SystemExit):
        cli.main(["bench", "stories-deep"])
    ((source, options),) = asked
    assert Path(source) == cli.FOLDER / "stories-deep"
    assert options == {
        "command": "mobilellm-lab bench stories-deep",
        "prompt_tokens": 32,
        "new_tokens": 32,
        "repeats": 5,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bench", "MobileLLM-9B"], "no name of the zoo; did you mean MobileLLM-1B?"),
        (
            ["bench", "stories-dep"],
            "'stories-dep' is no folder, no reference model and no name of the zoo; did you mean",
        ),
        (["bench", "xyz"], "choose a folder or one of"),
        (["bench", "MobileLLM-125M", "--new-tokens", "1"], "new_tokens=1: give at least 2"),
        (["bench", "MobileLLM-125M", "--threads", "0"], "--threads: '0' cannot work here, give a number from 1"),
        (["bench", "MobileLLM-125M", "--against", "no.json"], "no.json cannot be read"),
        (["bench"], "required: model"),
    ],
    ids=str,
)
def test_bench_refuses_by_name(arguments, said, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_doctor_reports_and_ends_with_its_verdict(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor"])
    assert end.value.code == 0 and "For a bug report, paste from here:" in capsys.readouterr().out
    monkeypatch.setattr(cli.doctor, "main", lambda: 1)
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor"])
    assert end.value.code == 1


def test_the_sweeps_of_chapter_3_make_what_is_missing_in_processes(tmp_path, planned, capsys):
    caches = [Context(model="student-tiny", kv_bits=bits) for bits in (8, 4)]
    recipe = QATRecipe(model="student-tiny", steps=1, batch_size=2)
    trainings = [Arm(study="qat", recipe=recipe, rates=(1e-4, 1e-3))]
    planned("quantization", caches)
    planned("quantization_qat", trainings)
    out = tmp_path / "rows.jsonl"
    Store(out).add(caches[0], {"old": True})
    cli.main(["sweep", "quantization", "--workers", "1", "--out", str(out)])
    store = Store(out)
    assert store[caches[0]]["old"] and store[caches[1]]["contexts"]
    cli.main(["sweep", "quantization_qat", "--workers", "1", "--out", str(tmp_path / "trained.jsonl")])
    assert missing(trainings, Store(tmp_path / "trained.jsonl")) == 0
    assert "5/5" in capsys.readouterr().err


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "mobilellm_lab.cli", "--version"]
    assert subprocess.check_output(command, text=True, cwd=ROOT).strip() == __version__
