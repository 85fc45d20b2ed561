"""Our checkpoints: bit for bit there and back, replaced whole, and refused by name when anything is wrong."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
import torch
from llama import UNROLLED, model
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from test_model import config_of, tokens_for

from mobilellm_lab import checkpoints
from mobilellm_lab.model import Transformer
from mobilellm_lab.stored import as_stored

KINDS = {
    "plain": {},
    "untied": {"tie_embeddings": False},
    "factorised": {"embed_dim": 8},
    "factorised, untied": {"embed_dim": 8, "tie_embeddings": False},
    "relu": {"ffn": "relu"},
    "wide heads": {"head_dim": 24, "rope_theta": 5e5, "norm_eps": 1e-3},
    **{sharing: {"sharing": sharing} for sharing in UNROLLED},
    "blocks of several sizes": {"hidden_dims": (88, 3, 40), "kv_heads": (1, 2, 1)},
    "shared blocks of several sizes": {"hidden_dims": (7, 88, 88), "sharing": "reverse", "tie_embeddings": False},
}
TASK = {"name": "shells", "options": {"cups": 3, "seq_len": 12}}
WORDS = [f"word {i} é" for i in range(61)]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A checkpoint of the plain model."""
    checkpoints.save(model(config_of()), tmp_path / "mine", task=TASK, vocabulary=WORDS)
    return tmp_path / "mine"


def change_config(folder: Path, change) -> None:
    """Edits a config file as a person would."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config), encoding="utf-8")


def to_version_1(config: dict) -> None:
    """Makes of a config file's content what version 0.1.0 wrote."""
    config.update(version=1)
    del config["config_sha256"]


def left_in(folder: Path) -> list[str]:
    """What lies there besides locks."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_what_is_saved_comes_back_bit_for_bit(kind, tmp_path):
    before = model(config_of(**KINDS[kind]))
    checkpoints.save(before, tmp_path / "a" / "b", task=TASK, vocabulary=WORDS)
    back = checkpoints.load(tmp_path / "a" / "b")
    assert (back.task, back.vocabulary, back.model.config) == (TASK, WORDS, before.config)
    assert back.fingerprint == checkpoints.fingerprint(before) == checkpoints.fingerprint(back.model)
    assert all(torch.equal(back.model.state_dict()[name], p) for name, p in before.state_dict().items())
    tokens = tokens_for(before.config, 2, 20)
    assert torch.equal(back.model(tokens), before(tokens))


def test_a_loaded_model_trains_and_its_file_stays_as_it_was(folder):
    back = checkpoints.load(folder).model
    back(tokens_for(back.config, 1, 5)).sum().backward()
    with torch.no_grad():
        for p in back.parameters():
            assert p.grad is not None
            p.sub_(p.grad)
    assert checkpoints.load(folder).fingerprint != checkpoints.fingerprint(back)


def test_a_loaded_model_does_not_follow_its_file(folder):
    back = checkpoints.load(folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-4000, os.SEEK_END)
        file.write(bytes(4000))
    assert checkpoints.fingerprint(back.model) == back.fingerprint


def test_half_precision_stays_half(tmp_path):
    before = model(config_of()).to(torch.bfloat16)
    checkpoints.save(before, tmp_path / "half")
    back = checkpoints.load(tmp_path / "half")
    assert {p.dtype for p in back.model.parameters()} == {torch.bfloat16}
    tokens = tokens_for(before.config, 1, 9)
    assert torch.equal(back.model(tokens), before(tokens))
    assert (back.task, back.vocabulary) == (None, None)


def test_tied_weights_are_stored_once(folder, tmp_path):
    with safe_open(folder / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert "head.weight" not in names
    checkpoints.save(model(config_of(tie_embeddings=False)), tmp_path / "untied")
    sizes = [(path / "model.safetensors").stat().st_size for path in (tmp_path / "untied", folder)]
    assert sizes[0] - sizes[1] == pytest.approx(61 * 32 * 4, abs=200)  # one table, and a line in the header


def test_shared_blocks_are_stored_once(folder, tmp_path):
    checkpoints.save(model(config_of(sharing="repeat")), tmp_path / "shared", task=TASK, vocabulary=WORDS)
    assert os.path.getsize(tmp_path / "shared" / "model.safetensors") == os.path.getsize(folder / "model.safetensors")


def test_the_fingerprint_sees_every_bit_and_nothing_else():
    config = config_of()
    a, b = model(config), model(config)
    assert checkpoints.fingerprint(a) == checkpoints.fingerprint(b)
    b.blocks[2].ffn.down.weight.data[3, 4] *= 1 + 2**-23
    assert checkpoints.fingerprint(a) != checkpoints.fingerprint(b)
    assert checkpoints.fingerprint(a) != checkpoints.fingerprint(model(config).to(torch.float16))
    c = model(config)
    c.blocks[0].ffn.down.weight = torch.nn.Parameter(c.blocks[0].ffn.down.weight.reshape(88, 32))  # the same bytes
    assert checkpoints.fingerprint(a) != checkpoints.fingerprint(c)


def test_the_folder_holds_two_readable_files(folder):
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model"] == as_stored(config_of())
    assert config["task"] == TASK


def test_an_older_checkpoint_is_replaced_whole(folder):
    newer = model(config_of(dim=16), seed=7)
    checkpoints.save(newer, folder)
    back = checkpoints.load(folder)
    assert (back.model.config, back.task) == (newer.config, None)
    assert left_in(folder.parent) == ["mine"]


@pytest.mark.parametrize("moment", ["weights", "sync", "first move", "second move"])
def test_a_crash_leaves_the_older_checkpoint_and_no_rubbish(moment, folder, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    rename, calls = Path.rename, []

    def fail_later(self, target):
        calls.append(target)
        return fail() if len(calls) == (1 if moment == "first move" else 2) else rename(self, target)

    if moment == "weights":
        monkeypatch.setattr(checkpoints, "save_file", fail)
    elif moment == "sync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "rename", fail_later)
    before = checkpoints.load(folder).fingerprint
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(model(config_of(), seed=9), folder)
    monkeypatch.undo()
    assert checkpoints.load(folder).fingerprint == before
    assert left_in(folder.parent) == ["mine"]


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="it holds other files"):
        checkpoints.save(model(config_of()), tmp_path)
    with pytest.raises(ValueError, match="it holds other files"):
        checkpoints.save(model(config_of()), tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_cannot_be_read_back_is_not_written(tmp_path):
    pruned = model(config_of())
    pruned.blocks[1].ffn.down.weight = torch.nn.Parameter(pruned.blocks[1].ffn.down.weight[:, :80].clone())
    with pytest.raises(ValueError, match=r"blocks.1.ffn.down.weight has shape \(32, 80\).*asks for \(32, 88\)"):
        checkpoints.save(pruned, tmp_path / "new")
    with pytest.raises(ValueError, match="vocabulary of 60 words for vocab_size=61"):
        checkpoints.save(model(config_of()), tmp_path / "new", vocabulary=WORDS[:-1])
    with pytest.raises(ValueError, match="config.json.*set"):
        checkpoints.save(model(config_of()), tmp_path / "new", task={"name": {1, 2}})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_file_that_is_cut_short_is_named(file, keep, folder):
    path = folder / file
    path.write_bytes(path.read_bytes()[: keep if keep >= 0 else -3])
    with pytest.raises(ValueError, match=rf"{file} is damaged.*again"):
        checkpoints.load(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(file, folder):
    (folder / file).unlink()
    with pytest.raises(ValueError, match=f"{file} is missing"):
        checkpoints.load(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere.*missing"):
        checkpoints.load(tmp_path / "nowhere")


def test_one_flipped_bit_is_noticed(folder):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model.safetensors: its weights do not have the fingerprint"):
        checkpoints.load(folder)


def test_weights_of_another_checkpoint_are_noticed(folder, tmp_path):
    checkpoints.save(model(config_of(), seed=5), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)
    with pytest.raises(ValueError, match="its weights do not have the fingerprint"):
        checkpoints.load(folder)


def change_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({"norm.weight": torch.ones(31)}), r"norm.weight has shape \(31,\).*asks for \(32,\)"),
        (lambda t: t.pop("blocks.1.ffn.up.weight"), r"blocks.1.ffn.up.weight of shape \(176, 32\) is missing"),
        (lambda t: t.update({"extra": torch.ones(2, 3)}), r"unexpected tensor extra of shape \(2, 3\)"),
        (lambda t: t.update({"norm.weight": torch.ones(32, dtype=torch.int8)}), "norm.weight is torch.int8"),
    ],
)
def test_a_wrong_tensor_is_named_with_both_shapes(change, message, folder):
    change_tensors(folder, change)
    with pytest.raises(ValueError, match=message):
        checkpoints.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.clear(), "is not a mobilellm-lab checkpoint"),
        (lambda c: c.update(format=None, model_type="llama"), "Hugging Face folder, use from_pretrained"),
        (lambda c: c.update(version=3), "version=3, this package reads 1 and 2: install a newer one"),
        (lambda c: c.update(version=True), "version=True, this package reads 1 and 2"),
        (lambda c: c["model"].update(rope_theta=10**400), "config.json: int too large"),
        (lambda c: c["model"].update(dropout=0.1), "unknown model fields dropout; install a newer version"),
        (lambda c: c["model"].pop("dim"), "model must hold vocab_size"),
        (lambda c: c.update(model=[1]), "model must hold vocab_size"),
        (lambda c: c["model"].update(dim="32"), "dim='32' must be of type int"),
        (lambda c: c["model"].update(tie_embeddings=1), "tie_embeddings=1 must be of type bool"),
        (lambda c: c["model"].update(hidden_dims=88), "hidden_dims=88 must be a list of whole numbers: save it again"),
        (lambda c: c["model"].update(kv_heads=[1, 2.0, 1]), r"kv_heads=\[1, 2.0, 1\] must be a list of whole numbers"),
        (lambda c: c["model"].update(kv_heads=[1, True, 1]), "kv_heads=.* must be a list of whole numbers"),
        (lambda c: c["model"].update(kv_heads=[1, 2]), "config.json: kv_heads has 2 sizes for n_layers=3"),
        (
            lambda c: c["model"].update(kv_heads=[1, 2, 3]),
            "config.json: kv_heads=3 in block 2: choose 1 to n_kv_heads=2",
        ),
        (
            lambda c: c["model"].update(hidden_dims=[88, 3, 88]),
            r"blocks.1.ffn.up.weight has .*176.* asks for \(6, 32\)",
        ),
        (lambda c: c["model"].update(n_heads=5), r"config.json: .*n_kv_heads=2 does not divide n_heads=5"),
        (lambda c: c["model"].update(n_layers=4), "config.json: n_layers=4, the weights are of 3 blocks: copy both"),
        (lambda c: c["model"].update(vocab_size=62), r"embed.weight has shape \(61, 32\), .* asks for \(62, 32\)"),
        (lambda c: c.update(fingerprint="0"), "fingerprint"),
        (lambda c: c.pop("fingerprint"), "fingerprint"),
    ],
)
def test_a_foreign_config_is_refused(change, message, folder):
    change_config(folder, change)
    with pytest.raises(ValueError, match=message):
        checkpoints.load(folder)


def test_a_field_that_is_missing_has_its_default(folder):
    change_config(folder, lambda c: [c["model"].pop(name) for name in ("rope_theta", "norm_eps", "sharing")])
    assert checkpoints.load(folder).model.config == config_of()


EDITS = {
    "sharing": lambda c: c["model"].update(sharing="repeat"),
    "rope_theta": lambda c: c["model"].update(rope_theta=500000),
    "norm_eps": lambda c: c["model"].update(norm_eps=1e-6),
    "max_seq_len": lambda c: c["model"].update(max_seq_len=63),
    "heads of another number, as wide": lambda c: c["model"].update(n_heads=2, n_kv_heads=1, head_dim=16, kv_heads=[]),
    "heads of another width": lambda c: c["model"].update(n_heads=2, n_kv_heads=1, head_dim=16),
    "task": lambda c: c["task"]["options"].update(cups=4),
    "no task": lambda c: c.update(task=None),
    "vocabulary": lambda c: c["vocabulary"].reverse(),
    "no vocabulary": lambda c: c.pop("vocabulary"),
    "no hash": lambda c: c.pop("config_sha256"),
    "the hash": lambda c: c.update(config_sha256="0" * 64),
    "a lower version": lambda c: (c.update(version=1), c["model"].update(sharing="reverse")),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.filterwarnings("ignore::mobilellm_lab.checkpoints.OldFormatWarning")
def test_an_edited_config_is_no_other_model(edit, folder):
    change_config(folder, EDITS[edit])
    with pytest.raises(ValueError, match="config.json: model, .*, grids or sparse were edited .*: copy it again"):
        checkpoints.load(folder)


def test_a_number_in_another_spelling_is_no_edit(tmp_path):
    before = model(config_of(rope_theta=5e5, norm_eps=1e-3))
    checkpoints.save(before, tmp_path / "mine", task={"name": "mine", "options": {"sizes": (1, 2)}})
    change_config(tmp_path / "mine", lambda c: c["model"].update(rope_theta=500_000))
    assert checkpoints.load(tmp_path / "mine").model.config == before.config
    change_config(tmp_path / "mine", lambda c: c.update(model=dict(reversed(c["model"].items()))))
    assert checkpoints.load(tmp_path / "mine").task == {"name": "mine", "options": {"sizes": [1, 2]}}


def test_the_fingerprint_is_of_the_weights_alone(folder, tmp_path):
    checkpoints.save(model(config_of(rope_theta=3e5, max_seq_len=9)), tmp_path / "other")
    assert checkpoints.load(tmp_path / "other").fingerprint == checkpoints.load(folder).fingerprint


def test_version_1_opens_with_one_warning_of_one_line(folder):
    before = checkpoints.load(folder)
    change_config(folder, to_version_1)
    with pytest.warns(checkpoints.OldFormatWarning) as caught:
        back = checkpoints.load(folder)
    assert (back.fingerprint, back.task, back.vocabulary) == (before.fingerprint, TASK, WORDS)
    assert len(caught) == 1
    assert str(caught[0].message) == (
        f"{folder / 'config.json'} has format version 1, which does not detect edits; load and save it again"
    )
    checkpoints.save(back.model, folder, task=back.task, vocabulary=back.vocabulary)
    assert checkpoints.load(folder).fingerprint == before.fingerprint  # without a warning: pytest would fail


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_layers": 10**9}, "n_layers=1000000000, the weights are of 3 blocks"),
        ({"n_layers": 10**5}, "n_layers=100000, the weights are of 3 blocks"),
        ({"n_layers": 10**4000}, "the weights are of 3 blocks"),
        ({"vocab_size": 10**12}, "vocab_size=1000000000000, no tensor is longer than 176"),
        ({"dim": 10**12}, "dim=1000000000000, no tensor is longer than 176"),
        ({"hidden_dim": 10**12}, "hidden_dim=1000000000000, no tensor is longer than 176"),
        (
            {"hidden_dim": 10**12, "hidden_dims": [10**12, 1, 1]},
            "hidden_dim=1000000000000, no tensor is longer than 176",
        ),
        (
            {"n_heads": 10**12, "n_kv_heads": 10**12, "kv_heads": [1, 10**12, 1]},
            r"n_heads \* head_dim=8000000000000, no tensor is longer than 176",
        ),
        ({"n_layers": 10**5, "hidden_dims": [88, 3] * 50000}, "n_layers=100000, the weights are of 3 blocks"),
        ({"embed_dim": 10**12}, "embed_dim=1000000000000, no tensor is longer than 176"),
        ({"head_dim": 10**12}, r"n_heads \* head_dim=4000000000000, no tensor is longer than 176"),
        ({"n_heads": 2 * 10**12}, r"n_heads \* head_dim=16000000000000, no tensor is longer than 176"),
    ],
)
@pytest.mark.filterwarnings("ignore::mobilellm_lab.checkpoints.OldFormatWarning")
def test_a_size_far_from_the_weights_is_refused_before_anything_is_built(sizes, message, version, folder, monkeypatch):
    if version == 1:
        change_config(folder, to_version_1)
    change_config(folder, lambda c: c["model"].update(sizes))
    monkeypatch.setattr(checkpoints, "Transformer", lambda *_: pytest.fail("a model was built"))
    start = time.process_time()
    with pytest.raises(ValueError, match=rf"config.json: .*{message}: copy both files again"):
        checkpoints.load(folder)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("version", "message"), [(1, "config.json: 10+ positions are beyond 1048576"), (2, "were edited")]
)
@pytest.mark.parametrize("positions", [10**9, 10**30])
@pytest.mark.filterwarnings("ignore::mobilellm_lab.checkpoints.OldFormatWarning")
def test_no_table_is_made_for_endless_positions(positions, version, message, folder, monkeypatch):
    if version == 1:
        change_config(folder, to_version_1)
    change_config(folder, lambda c: c["model"].update(max_seq_len=positions))
    monkeypatch.setattr(checkpoints, "rope_tables", lambda *_: pytest.fail("a table was made"))
    with pytest.raises(ValueError, match=message):
        checkpoints.load(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_folder_in_a_files_place_is_named(file, folder):
    (folder / file).unlink()
    (folder / file).mkdir()
    with pytest.raises(ValueError, match=f"{file} cannot be read .*: give a file"):
        checkpoints.load(folder)


@pytest.mark.parametrize("text", ["[" * 10**5, '{"a":' * 10**5, '{"format": ' + "[" * 10**5 + "]" * 10**5 + "}"])
def test_json_nested_without_end_is_named(text, folder):
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match="config.json is damaged .*: copy it again"):
        checkpoints.load(folder)
    size = len(text).to_bytes(8, "little")
    (folder / "model.safetensors").write_bytes(size + text.encode())
    with pytest.raises(ValueError, match="model.safetensors is damaged or cut short"):
        checkpoints.TensorFiles([folder / "model.safetensors"])


def test_a_task_nested_without_end_is_not_written(tmp_path):
    task = {}
    for _ in range(10**5):
        task = {"name": task}
    with pytest.raises(ValueError, match="config.json: .*: give names, numbers, lists and dicts only"):
        checkpoints.save(model(config_of()), tmp_path / "new", task=task)
    assert left_in(tmp_path) == []


def test_an_overwrite_that_died_between_its_moves_is_found_again(folder):
    before = checkpoints.load(folder).fingerprint
    folder.rename(folder.parent / ".mine.replaced")
    assert checkpoints.load(folder).fingerprint == before
    assert left_in(folder.parent) == ["mine"]


def test_saving_leaves_the_model_and_loading_the_random_state_alone(folder, tmp_path):
    ours = model(config_of())
    before, state = checkpoints.fingerprint(ours), torch.get_rng_state()
    checkpoints.save(ours, tmp_path / "again")
    checkpoints.load(tmp_path / "again")
    assert checkpoints.fingerprint(ours) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_loading_builds_no_random_weights_first(folder, monkeypatch):
    monkeypatch.setattr(Transformer, "initialise", lambda *_: pytest.fail("weights were drawn for nothing"))
    checkpoints.load(folder)
