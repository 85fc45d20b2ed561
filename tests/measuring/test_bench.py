"""The bench: each source, each column, numbers that others count too, and refusals before any work."""

from dataclasses import replace

import pytest
import torch

from mobilellm_lab import checkpoints, zoo
from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.measuring import Bench, PeakMemory, bench, load_record
from mobilellm_lab.model import Transformer
from mobilellm_lab.pretrained import save_pretrained
from mobilellm_lab.tasks import evaluate, make

QUICK = {"prompt_tokens": 4, "new_tokens": 4, "repeats": 2, "sequences": 8}


def finish(source, **options):
    run = Bench(source, **{**QUICK, **options})
    progress = list(run)
    return run.result(), progress


@pytest.fixture(autouse=True)
def short(monkeypatch, request):
    """Energy for a moment; a fresh process, which takes seconds, in the test that is about all columns only."""
    monkeypatch.setattr(bench, "ENERGY_S", 0.05)
    if "fills_every_column" not in request.node.name:
        seen = PeakMemory(peak_mib=300.0, baseline_mib=200.0, processes=1, samples=1, interval_s=0.01)
        monkeypatch.setattr(bench, "peak_memory", lambda *job: seen)


@pytest.fixture(scope="module")
def shells(tmp_path_factory):
    task = make("shells", seq_len=8)
    config = zoo.solve(30_000, 2, vocab_size=task.vocab_size, n_heads=2, max_seq_len=16)
    model = Transformer(replace(config, kv_heads=(1, 2)), seed=3)  # as a pruned one may have them
    folder = tmp_path_factory.mktemp("models") / "shells"
    checkpoints.save(model, folder, task={"name": "shells", "seq_len": 8})
    return folder, model, task


def test_a_checkpoint_of_ours_fills_every_column(shells, tmp_path):
    folder, model, task = shells
    record, progress = finish(folder, command="mobilellm-lab bench shells")
    assert [step.done for step in progress] == list(range(7)) and {step.total for step in progress} == {6}
    assert progress[-1].label == "done"
    assert (record.model, record.source, record.fingerprint) == ("shells", "checkpoint", fingerprint(model))
    columns = {measure.name: measure.column for measure in record.measures}
    assert columns == {
        "weights_mib": "theoretical",
        "kv_mib": "theoretical",
        "operations_per_token": "theoretical",
        "file_mib": "on disk",
        "loaded_mib": "in memory",
        "peak_resident_mib": "in memory",
        **dict.fromkeys(("ttft_p50_ms", "ttft_p95_ms", "tpot_p50_ms", "tpot_p95_ms", "tpot_p99_ms"), "measured"),
        **dict.fromkeys(("prefill_tokens_per_s", "decode_tokens_per_s"), "measured"),
        **dict.fromkeys(("loss_nats", "perplexity", "accuracy", "accuracy_at_the_last_position"), "quality"),
        **{name: column for name, column in columns.items() if "energy" in name},
    }
    energy = [measure for measure in record.measures if "energy" in measure.name]
    assert len(energy) == 1 and (energy[0].name == "energy_per_token_j") == (energy[0].column == "measured")
    assert record["weights_mib"].value * 2**20 == sum(p.nbytes for p in model.parameters())
    assert record["file_mib"].value * 2**20 == sum(file.stat().st_size for file in folder.iterdir())
    assert record["file_mib"].value > record["weights_mib"].value
    assert 50 < record["peak_resident_mib"].value < 1500
    assert record["tpot_p50_ms"].value <= record["tpot_p95_ms"].value <= record["tpot_p99_ms"].value
    assert record["decode_tokens_per_s"].value > 0
    assert record.provenance["command"] == "mobilellm-lab bench shells"
    record.save(tmp_path / "r.json")
    assert load_record(tmp_path / "r.json") == record


def test_what_is_timed_and_weighed_is_laid_out_for_decoding(shells, monkeypatch):
    by_rows = {}

    def watched(name):
        original = getattr(bench, name)

        def call(model, *rest, **options):
            by_rows[name] = model.blocks[0].ffn.up.weight.is_contiguous()
            return original(model, *rest, **options)

        return call

    for name in ("generate", "generation"):
        monkeypatch.setattr(bench, name, watched(name))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    bench.generate_once(str(shells[0]), 4, 4, 0)
    finish(shells[0])
    assert by_rows == {"generate": False, "generation": False}


def test_quality_is_that_of_the_task(shells):
    folder, model, task = shells
    record, _ = finish(folder, sequences=256)
    expected = evaluate(task, model, split="test", batches=1, batch_size=256)
    assert record["loss_nats"].value == pytest.approx(expected.loss_nats, rel=1e-5)
    accuracy = record["accuracy"]
    assert accuracy.value == pytest.approx(expected.scores["accuracy"], abs=1e-6)
    assert accuracy.low < accuracy.value < accuracy.high and accuracy.runs == 256


def test_text_is_scored_in_bits_per_byte(tmp_path):
    model = Transformer(zoo.solve(30_000, 1, vocab_size=256, n_heads=2, max_seq_len=32))
    checkpoints.save(model, tmp_path / "text", task={"name": "text", "seq_len": 16})
    record, _ = finish(tmp_path / "text")
    assert record["bits_per_byte"].value == pytest.approx(record["loss_nats"].value / 0.693147, rel=1e-5)


def test_options_in_a_dict_of_their_own_are_read_as_the_reference_models_save_them(tmp_path):
    model = Transformer(zoo.solve(30_000, 1, vocab_size=256, n_heads=2, max_seq_len=32))
    checkpoints.save(model, tmp_path / "text", task={"name": "text", "options": {"seq_len": 16}})
    record, _ = finish(tmp_path / "text")
    assert record["perplexity"].note.startswith("held-out text")


def test_a_hugging_face_folder_has_times_and_no_quality(tmp_path):
    model = Transformer(zoo.solve(30_000, 1, vocab_size=64, n_heads=2, max_seq_len=32))
    save_pretrained(model, tmp_path / "hf")
    record, _ = finish(tmp_path / "hf")
    assert (record.source, record.model) == ("Hugging Face folder", "hf")
    assert record.fingerprint == fingerprint(model)
    assert "loss_nats" not in record and "file_mib" in record and record["tpot_p50_ms"].value > 0


@pytest.mark.parametrize("save", [save_pretrained, checkpoints.save])
def test_only_the_files_that_are_loaded_count(save, tmp_path):
    """A downloaded folder may carry the model again for other runtimes, and its history."""
    save(Transformer(zoo.solve(30_000, 1, vocab_size=64, n_heads=2, max_seq_len=32)), tmp_path)
    loaded = sum(file.stat().st_size for file in tmp_path.iterdir())
    for other in ("onnx/model.onnx", "original/model.safetensors", ".git/lfs/objects/a", "tokenizer.json"):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_bytes(b"x" * 100_000)
    record, _ = finish(tmp_path)
    assert record["file_mib"].value * 2**20 == loaded


def test_a_name_of_the_zoo_has_random_weights_and_no_file(monkeypatch):
    shape = zoo.SHAPES["MobileLLM-125M"]
    tiny = zoo.Shape(
        **{**shape.__dict__, "name": "Tiny", "n_layers": 1, "dim": 32, "n_heads": 2, "n_kv_heads": 2, "head_dim": 16}
        | {"hidden_dim": 32, "vocab_size": 64}
    )
    monkeypatch.setitem(zoo.SHAPES, "Tiny", tiny)
    record, _ = finish("Tiny")
    assert record.source == "zoo, random weights" and "file_mib" not in record and "loss_nats" not in record
    again, _ = finish("Tiny")
    other, _ = finish("Tiny", seed=1)
    assert record.fingerprint == again.fingerprint != other.fingerprint


def test_a_model_larger_than_memory_is_refused_before_it_is_built(monkeypatch):
    monkeypatch.setattr(torch.nn, "Linear", lambda *sizes, **options: pytest.fail("a layer was built"))
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 2**30, "total": 2**31}))
    steps = iter(Bench("MobileLLM-1B", **QUICK))
    next(steps)
    with pytest.raises(
        ValueError, match=r"weights 3,835\.\d \+ KV .* of 1,024\.0 MiB available \(limit: the machine\)"
    ):
        next(steps)


@pytest.mark.parametrize(
    "source, message",
    [
        (
            "MobileLLM-9B",
            "source='MobileLLM-9B': no such folder and no name of the zoo; did you mean MobileLLM-1B",
        ),
        ("OpenELM-270M", "cannot be built from our block"),
    ],
)
def test_an_unknown_model_is_named(source, message):
    with pytest.raises(ValueError, match=message):
        list(Bench(source))


def test_a_damaged_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        list(Bench(tmp_path))


def test_a_task_that_cannot_be_made_is_named(tmp_path):
    model = Transformer(zoo.solve(30_000, 1, vocab_size=6, n_heads=2, max_seq_len=16))
    checkpoints.save(model, tmp_path / "odd", task={"name": "chess"})
    with pytest.raises(ValueError, match=r"config\.json: task=\{'name': 'chess'\} cannot be made"):
        list(Bench(tmp_path / "odd"))


def test_more_tokens_than_positions_are_refused(shells):
    with pytest.raises(ValueError, match=r"prompt_tokens=10 \+ new_tokens=8 do not fit in max_seq_len=16"):
        list(Bench(shells[0], prompt_tokens=10, new_tokens=8))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prompt_tokens": 0}, "prompt_tokens=0"),
        ({"new_tokens": 1}, "new_tokens=1: give at least 2"),
        ({"repeats": 0}, "repeats=0"),
        ({"sequences": 1}, "sequences=1"),
    ],
)
def test_bad_numbers_are_named_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        Bench("MobileLLM-125M", **options)


def test_no_record_before_the_end(shells):
    run = Bench(shells[0], **QUICK)
    next(iter(run))
    with pytest.raises(ValueError, match="has not finished"):
        run.result()
