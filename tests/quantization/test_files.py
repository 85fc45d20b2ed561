"""Quantized files: bit for bit there and back, as small as they say, and refused by name when anything is wrong."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from llama import model
from safetensors.torch import load_file, save_file
from test_checkpoints import EDITS, KINDS, TASK, WORDS, change_config, left_in, to_version_1
from test_model import config_of, tokens_for

from mobilellm_lab import checkpoints, footprint
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring import on_disk
from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization import (
    BITS,
    CHANNEL,
    LAYERS,
    TENSOR,
    Grid,
    QTensor,
    QuantizedModel,
    load_quantized,
    matrices,
    packed,
    save_quantized,
)
from mobilellm_lab.stored import as_stored
from mobilellm_lab.zoo import SHAPES
from tests.quantization.test_quantized import quantized

GRIDS = [
    *(Grid(bits=bits) for bits in BITS),
    *(Grid(bits=bits, symmetric=False) for bits in BITS if bits >= 2),
    *(Grid(group_size=size, symmetric=False, scale_dtype="float32") for size in (TENSOR, CHANNEL, 1, 7, 500)),
]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A file of the plain model, affine in 3 bits."""
    q = quantized(model(config_of()), Grid(bits=3, group_size=8, symmetric=False))
    save_quantized(q, tmp_path / "mine", task=TASK, vocabulary=WORDS)
    return tmp_path / "mine"


def assert_same(a: QuantizedModel, b: QuantizedModel) -> None:
    assert a.model.config == b.model.config and a.tensors.keys() == b.tensors.keys()
    assert all(torch.equal(value, b.model.state_dict()[name]) for name, value in a.model.state_dict().items())
    for name, tensor in a.tensors.items():
        other = b.tensors[name]
        assert tensor.grid == other.grid
        assert all(torch.equal(getattr(tensor, part), getattr(other, part)) for part in ("codes", "scale", "zero"))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_every_grid_comes_back_bit_for_bit(grid, tmp_path):
    before = quantized(model(config_of()), grid)
    save_quantized(before, tmp_path / "a" / "b")
    back = load_quantized(tmp_path / "a" / "b")
    assert_same(before, back)
    tokens = tokens_for(before.model.config, 2, 12)
    with torch.inference_mode():
        assert torch.equal(back.model(tokens), before.model(tokens))
        assert torch.equal(packed(back)(tokens), packed(before)(tokens))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_comes_back(kind, tmp_path):
    before = quantized(model(config_of(**KINDS[kind])), Grid(bits=5))
    save_quantized(before, tmp_path / "q")
    assert_same(before, load_quantized(tmp_path / "q"))


@pytest.mark.parametrize("layers", LAYERS)
def test_a_part_that_stayed_float_comes_back_too(layers, tmp_path):
    before = quantized(model(config_of(tie_embeddings=False)), Grid(), layers)
    for_decoding(before.model)
    save_quantized(before, tmp_path / "q")
    back = load_quantized(tmp_path / "q")
    assert_same(before, back)
    assert all(p.is_contiguous() for p in back.model.parameters())


def test_each_matrix_may_have_a_grid_of_its_own(tmp_path):
    ours = model(config_of())
    grids = dict(zip(matrices(ours), GRIDS * 3, strict=False))
    before = QuantizedModel.of(ours, {name: QTensor.of(p.detach(), grids[name]) for name, p in matrices(ours).items()})
    save_quantized(before, tmp_path / "q")
    assert_same(before, load_quantized(tmp_path / "q"))


def test_4_bits_in_groups_of_32_are_at_least_6_9_times_smaller_on_disk(tmp_path):
    """Both files of the 125M shape, three of its layers, really written: 4.5 bits a weight, float norms, headers."""
    config, generator = SHAPES["MobileLLM-125M"].config.resized(n_layers=3), torch.Generator().manual_seed(0)
    shapes = checkpoints.shapes(config)
    ours = checkpoints.assemble(
        config, {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}
    )
    checkpoints.save(ours, tmp_path / "float")
    tensors = {name: QTensor.of(p.detach(), Grid(bits=4, group_size=32)) for name, p in matrices(ours).items()}
    save_quantized(QuantizedModel.of(ours, tensors), tmp_path / "packed")
    whole, small = on_disk(tmp_path / "float"), on_disk(tmp_path / "packed")
    assert whole.bytes > 4 * footprint.parameters(config)
    assert 6.9 <= whole / small < 32 / 4.5
    headers = small.bytes - sum(tensor.nbytes for tensor in tensors.values())
    assert 4 * 3 * 2 * 576 < headers < 1.01 * 4 * 7 * 576 + 10_000  # the norms, two small headers and no more


@pytest.mark.parametrize("bits", BITS)
def test_a_trained_models_file_is_as_small_as_its_grid_says(bits, stories, tmp_path):
    q = quantized(stories.model, Grid(bits=bits))
    save_quantized(q, tmp_path / "q")
    told = sum(tensor.nbytes for tensor in q.tensors.values()) + 4 * sum(
        p.numel() for p in q.model.parameters() if p.ndim == 1
    )
    assert 0 < on_disk(tmp_path / "q" / "model.safetensors").bytes - told < 20_000  # the header


def test_the_folder_holds_two_readable_files(folder):
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["task"], config["vocabulary"]) == (TASK, WORDS)
    assert config["model"] == as_stored(config_of())
    assert config["grids"]["embed.weight"] == asdict(Grid(bits=3, group_size=8, symmetric=False))
    state, ours = load_file(folder / "model.safetensors"), packed(load_quantized(folder))
    assert all(torch.equal(state[name], value) for name, value in ours.state_dict().items())


def test_an_older_file_is_replaced_whole_and_a_crash_loses_nothing(folder, monkeypatch):
    before, other = load_quantized(folder), quantized(model(config_of(), seed=5), Grid())

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(OSError, match="No space left"):
        save_quantized(other, folder)
    monkeypatch.undo()
    assert_same(before, load_quantized(folder))
    save_quantized(other, folder)
    assert_same(other, load_quantized(folder))
    assert left_in(folder.parent) == ["mine"]


def test_what_cannot_be_read_back_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="vocabulary of 60 words for vocab_size=61"):
        save_quantized(quantized(model(config_of()), Grid()), tmp_path / "q", vocabulary=WORDS[:-1])
    with pytest.raises(ValueError, match="config.json.*set"):
        save_quantized(quantized(model(config_of()), Grid()), tmp_path / "q", task={"name": {1, 2}})
    q = quantized(model(config_of()), Grid())
    q.model.blocks[1].ffn.up.weight.data[3, 4] += 1e-3
    with pytest.raises(ValueError, match="blocks.1.ffn.up.weight is not what its codes stand for: quantize again"):
        save_quantized(q, tmp_path / "q")
    q = quantized(model(config_of()), Grid())
    q.model.norm.weight.data[3] = torch.nan
    with pytest.raises(ValueError, match="model: NaN or inf in tensor norm.weight"):
        save_quantized(q, tmp_path / "q")
    q = quantized(model(config_of()), Grid())
    q.tensors["embed.weight"].scale[3, 0] = torch.inf
    with pytest.raises(ValueError, match="model: NaN or inf in tensor embed.scale"):
        save_quantized(q, tmp_path / "q")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="it holds other files"):
        save_quantized(quantized(model(config_of()), Grid()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("keep", [0, 5, 200, -3])
def test_a_file_that_is_cut_short_is_named(file, keep, folder):
    path = folder / file
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=rf"{file} is damaged.*again"):
        load_quantized(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(file, folder):
    (folder / file).unlink()
    with pytest.raises(ValueError, match=f"{file} is missing"):
        load_quantized(folder)


@pytest.mark.parametrize("place", [-1, -400, -2000, -5000])
def test_one_flipped_bit_is_noticed(place, folder):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not the weights whose fingerprint"):
        load_quantized(folder)


def test_float_and_quantized_folders_are_told_apart(folder, tmp_path):
    checkpoints.save(model(config_of()), tmp_path / "float")
    with pytest.raises(ValueError, match="not a mobilellm-lab quantized checkpoint: it is a mobilellm-lab checkpoint"):
        load_quantized(tmp_path / "float")
    with pytest.raises(ValueError, match="not a mobilellm-lab checkpoint: it is a mobilellm-lab quantized checkpoint"):
        checkpoints.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({"norm.weight": torch.ones(31)}), r"norm.weight has shape \(31,\).*asks for \(32,\)"),
        (lambda t: t.pop("blocks.1.ffn.up.packed"), r"blocks.1.ffn.up.packed of shape \(176, 12\) is missing"),
        (lambda t: t.pop("blocks.1.ffn.up.zero"), r"blocks.1.ffn.up.zero of shape \(176, 2\) is missing"),
        (lambda t: t.update({"extra": torch.ones(2)}), r"unexpected tensor extra of shape \(2,\)"),
        (
            lambda t: t.update({"embed.scale": t["embed.scale"].float()}),
            "embed.scale is torch.float32, the config asks",
        ),
        (lambda t: t.update({"embed.packed": t["embed.packed"].to(torch.int8)}), "embed.packed is torch.int8"),
        (lambda t: t["embed.scale"].fill_(torch.nan), r"model.safetensors: NaN or inf in tensor embed.scale"),
        (lambda t: t["norm.weight"].fill_(torch.inf), r"model.safetensors: NaN or inf in tensor norm.weight"),
    ],
)
def test_a_wrong_tensor_is_named(change, message, folder):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        load_quantized(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.clear(), "is not a mobilellm-lab quantized checkpoint"),
        (lambda c: c.update(format=None, model_type="llama"), "Hugging Face folder, use from_pretrained"),
        (lambda c: c.update(version=3), "version=3, this package reads 1 and 2: install a newer one"),
        (lambda c: c["model"].pop("dim"), "model must hold vocab_size"),
        (lambda c: c["model"].update(vocab_size=62), r"embed.packed has shape \(61, 12\), .* asks for \(62, 12\)"),
        (lambda c: c["model"].update(n_layers=2), "config.json: n_layers=2, the weights are of 3 blocks: copy both"),
        (lambda c: c["grids"].update({"no.weight": asdict(Grid())}), "grids: no.weight is no matrix of this model"),
        (lambda c: c.pop("grids"), "grids=None: must name the grid of each quantized matrix"),
        (lambda c: c["grids"].pop("embed.weight"), r"tensor embed.weight of shape \(61, 32\) is missing"),
        (lambda c: c["grids"].update({"norm.weight": asdict(Grid())}), "grids: norm.weight is no matrix of this model"),
        (lambda c: c["grids"].update({"embed.weight": 3}), "grids: embed.weight must hold bits, group_size"),
        (lambda c: c["grids"]["embed.weight"].pop("bits"), "grids: embed.weight must hold bits, group_size"),
        (lambda c: c["grids"]["embed.weight"].update(zeros=4), "config.json: grids: .*'zeros'"),
        (lambda c: c["grids"]["embed.weight"].update(bits=4), r"embed.packed has shape \(61, 12\), .* for \(61, 16\)"),
        (lambda c: c["grids"]["embed.weight"].update(bits=2), r"embed.packed has shape \(61, 12\), .* for \(61, 8\)"),
        (lambda c: c["grids"]["embed.weight"].update(bits=9), "config.json: grids: bits=9: choose one of 1"),
        (lambda c: c["grids"]["embed.weight"].update(group_size=16), r"embed.scale has shape \(61, 4\), .* \(61, 2\)"),
        (
            lambda c: c["grids"]["embed.weight"].update(group_size=10),
            "model, .*, grids or sparse were edited",
        ),
        (
            lambda c: c["grids"]["embed.weight"].update(symmetric=True),
            r"unexpected tensor embed.zero of shape \(61, 2\)",
        ),
        (lambda c: c["grids"]["embed.weight"].update(scale_dtype="float32"), "embed.scale is torch.float16"),
        (lambda c: c.update(fingerprint="0"), "not the weights whose fingerprint"),
        (lambda c: c.pop("fingerprint"), "not the weights whose fingerprint"),
    ],
)
def test_a_foreign_config_is_refused(change, message, folder):
    change_config(folder, change)
    with pytest.raises(ValueError, match=message):
        load_quantized(folder)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.filterwarnings("ignore::mobilellm_lab.checkpoints.OldFormatWarning")
def test_an_edited_config_is_no_other_model(edit, folder):
    change_config(folder, EDITS[edit])
    with pytest.raises(ValueError, match="config.json: model, .*, grids or sparse were edited .*: copy it again"):
        load_quantized(folder)


def test_version_1_opens_with_one_warning(folder):
    before = load_quantized(folder)
    change_config(folder, to_version_1)
    with pytest.warns(checkpoints.OldFormatWarning, match="has format version 1, .* load and save it again") as caught:
        assert_same(before, load_quantized(folder))
    assert len(caught) == 1


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "field", ["n_layers", "vocab_size", "dim", "hidden_dim", "embed_dim", "head_dim", "max_seq_len"]
)
@pytest.mark.filterwarnings("ignore::mobilellm_lab.checkpoints.OldFormatWarning")
def test_a_size_far_from_the_weights_is_refused_at_once(field, version, folder, monkeypatch):
    if version == 1:
        change_config(folder, to_version_1)
    change_config(folder, lambda c: c["model"].update({field: 10**12}))
    monkeypatch.setattr(checkpoints, "rope_tables", lambda *_: pytest.fail("a table was made"))
    start = time.process_time()
    with pytest.raises(
        ValueError, match=rf"{field}=\d+, .* (3 blocks|176): copy both|10+ positions are beyond|edited after"
    ):
        load_quantized(folder)
    assert time.process_time() - start < 1


def test_an_overwrite_that_died_between_its_moves_is_found_again(folder):
    before = load_quantized(folder)
    folder.rename(folder.parent / ".mine.replaced")
    assert_same(before, load_quantized(folder))


def test_saving_leaves_the_model_and_loading_the_random_state_alone(tmp_path, monkeypatch):
    q = quantized(model(config_of()), Grid())
    before, state = checkpoints.fingerprint(q.model), torch.get_rng_state()
    save_quantized(q, tmp_path / "q")
    monkeypatch.setattr(Transformer, "initialise", lambda *_: pytest.fail("weights were drawn for nothing"))
    load_quantized(tmp_path / "q")
    assert checkpoints.fingerprint(q.model) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_a_loaded_model_does_not_follow_its_file(folder):
    back = load_quantized(folder)
    before = checkpoints.fingerprint(back.model)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-4000, os.SEEK_END)
        file.write(bytes(4000))
    assert (
        checkpoints.fingerprint(back.model)
        == before
        == checkpoints.fingerprint(QuantizedModel.of(back.model, back.tensors).model)
    )
