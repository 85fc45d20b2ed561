"""The benchmarks run, compare what they say they compare, and leave a file with its provenance."""

import json
import re

import pytest
import torch

from benchmarks import decode, prune_to, record, seconds_to_target, training
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.tasks import make
from mobilellm_lab.training import TrainConfig


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as `python -m benchmarks` does
    yield tmp_path
    torch.set_num_threads(threads)


def written(folder, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def test_training_measures_both_sides_on_every_shape(results, monkeypatch, capsys):
    monkeypatch.setattr(training, "SHAPES", ((6_000, 1, "shells", {}, 2, 1, 1.0, 2.0),))
    training.main()
    content = written(results, "training")
    sides = content["samples"]["shells 6k, 1 x 24"]
    assert len(sides["ours_ms"]) == len(sides["peer_ms"]) == 20 and sides["tokens"] == 2 * 12
    assert "times faster" in capsys.readouterr().out


def test_decode_refuses_a_peer_that_says_something_else(monkeypatch):
    small = ModelConfig(vocab_size=40, dim=16, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=32, max_seq_len=32)
    monkeypatch.setattr(decode, "SHAPES", (("small", small, 12, 6, 1.0, 2.0),))
    twin = decode.twin

    def other(model):
        peer = twin(model)
        with torch.no_grad():
            peer.model.norm.weight.neg_()
        return peer

    monkeypatch.setattr(decode, "twin", other)
    with pytest.raises(RuntimeError, match="other tokens"):
        decode.main()


def test_decode_measures_what_agrees(results, monkeypatch):
    small = ModelConfig(vocab_size=40, dim=16, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=32, max_seq_len=32)
    monkeypatch.setattr(decode, "SHAPES", (("small", small, 12, 6, 1.0, 2.0),))
    decode.main()
    assert len(written(results, "decode")["samples"]["small"]["ours_ms"]) == 6


def test_seconds_to_target_stops_at_the_target_or_never_arrives(monkeypatch):
    monkeypatch.setattr(seconds_to_target, "EVERY", 3)
    monkeypatch.setattr(seconds_to_target, "MOST", 6)
    task = make("shells", seq_len=2)
    config = ModelConfig(vocab_size=6, dim=16, n_layers=1, n_heads=2, n_kv_heads=2, hidden_dim=32, max_seq_len=4)
    settings = TrainConfig(steps=6, batch_size=4, optimizer="adamw", lr=1e-3)
    for target, arrives in ((0.0, True), (1.01, False)):
        monkeypatch.setattr(seconds_to_target, "TARGET", target)
        for seconds, updates in (
            seconds_to_target.ours(config, task, settings, 0),
            seconds_to_target.peer(config, task, 4, 1e-3, 0),
        ):
            assert (seconds < float("inf")) == arrives
            assert updates == (3 if arrives else 6)


def test_prune_to_keeps_every_run(results, monkeypatch, capsys):
    small = ModelConfig(vocab_size=40, dim=32, n_layers=2, n_heads=2, n_kv_heads=1, hidden_dim=1024, max_seq_len=64)
    monkeypatch.setattr(prune_to, "ASKED", {"small": 1.2})
    monkeypatch.setitem(prune_to.CROSSOVER_SIZES, "small", small)
    monkeypatch.setattr(prune_to, "PAIRS", 6)
    prune_to.main()
    runs = written(results, "prune_to")["samples"]["small"]
    assert len(runs) == 5 and all(len(run["dense_ms"]) == len(run["pruned_ms"]) == 6 for run in runs)
    assert all(0 <= run["amount"] <= 0.95 and run["trials"] for run in runs)
    assert "median run" in capsys.readouterr().out


def test_provenance_says_where_the_numbers_come_from():
    found = record.provenance("decode")
    assert found["command"] == "python -m benchmarks decode" and found["threads"] == torch.get_num_threads()
    assert re.fullmatch(r"[0-9a-f]{40}\+?|unknown", found["commit"])
    assert found["versions"]["torch"] == torch.__version__ and found["machine"]["cores"] >= 1


@pytest.mark.parametrize("value, word", [(0.99, "BELOW MUST"), (1.0, "must reached"), (2.0, "aim reached")])
def test_marks(value, word):
    assert record.mark(value, 1.0, 2.0) == word


def test_less_is_better_with_negative_numbers():
    assert record.mark(-0.2, -1.0, -0.3) == "aim reached" and record.mark(-2.0, -1.0, -0.3) == "BELOW MUST"
