"""Files of earlier versions open in this one, and say what they said; the version itself stands in three places."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from yesterday.make import FOLDER, STOPPED, TASK, TRAINING, fresh

from mobilellm_lab import __version__, checkpoints
from mobilellm_lab.measuring import load_record
from mobilellm_lab.quantization import Grid, load_quantized, packed
from mobilellm_lab.tasks import make
from mobilellm_lab.teaching import progress
from mobilellm_lab.training import TrainState, train

ROOT = Path(__file__).parents[2]
KEPT = sorted(path for path in FOLDER.iterdir() if re.fullmatch(r"\d+\.\d+\.\d+", path.name))
RELEASED = re.findall(r"^## (\d+\.\d+\.\d+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
WORDS = [f"word {row}" for row in range(6)]
versions = pytest.mark.parametrize("folder", KEPT, ids=lambda path: path.name)
of_version_1 = pytest.mark.filterwarnings("ignore::mobilellm_lab.checkpoints.OldFormatWarning")


def test_every_earlier_version_has_kept_its_files():
    assert RELEASED[0] == __version__ and len(RELEASED) > 1
    earlier = set(RELEASED[1:])
    assert earlier <= {path.name for path in KEPT}, "check the version out, type python tests/yesterday/make.py"
    for folder in KEPT:
        kinds = {path.name for path in folder.glob("[!.]*")}
        assert kinds == {"progress.json", "checkpoint", "quantized", "training.pt", "record.json"}
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 200_000 * len(KEPT)


def test_the_version_is_the_same_wherever_it_stands():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@versions
def test_progress_opens(folder, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, str(folder / "progress.json"))
    kept = [(one.low, one.high, one.inside) for one in progress.commits("depth")]
    if folder.name in ("0.1.0", "0.2.0"):  # they asked for one number; only an interval is in the record
        assert kept == [(3, 3, True), (4.5, 4.5, False)] and progress.record("depth").predictions == 0
    else:
        assert kept == [(3, 4, True), (4.5, 5, False)] and progress.record("depth").predictions == 1


@versions
@of_version_1
def test_a_checkpoint_opens(folder):
    found = checkpoints.load(folder / "checkpoint")
    assert (found.model.config, found.task, found.vocabulary) == (fresh().config, TASK, WORDS)
    assert found.fingerprint == checkpoints.read_json(folder / "checkpoint" / "config.json")["fingerprint"]


def test_a_checkpoint_of_0_1_0_says_that_its_config_is_not_checked():
    with pytest.warns(checkpoints.OldFormatWarning, match="0.1.0.* has format version 1, .*; load and save it again"):
        checkpoints.load(FOLDER / "0.1.0" / "checkpoint")


@versions
@of_version_1
@torch.inference_mode()
def test_a_quantized_file_opens(folder):
    found, tokens = load_quantized(folder / "quantized"), torch.arange(6)[None]
    assert found.model.config == fresh().config
    assert {tensor.grid for tensor in found.tensors.values()} == {Grid(bits=4, group_size=8)}
    whole = checkpoints.load(folder / "checkpoint").model
    assert torch.equal(packed(found)(tokens), found.model(tokens))
    assert 0 < (found.model(tokens) - whole(tokens)).abs().max() < 1


@versions
def test_a_training_goes_on(folder):
    model = fresh()
    state = TrainState.load(folder / "training.pt", model)
    assert state.step == STOPPED and state.tokens > 0
    steps = list(train(model, make("shells", **TASK["options"]), TRAINING, state=state))
    assert [step.step for step in steps] == [3, 4] and steps[-1].loss_nats < 3


@versions
@of_version_1
def test_a_benchmark_record_opens(folder):
    record = load_record(folder / "record.json")
    assert record.fingerprint == checkpoints.load(folder / "checkpoint").fingerprint
    assert record.config.items() <= asdict(fresh().config).items()
    assert record["tpot_p50_ms"].value > 0 and record.model in record.table()
