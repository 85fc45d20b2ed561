"""Pruned files: bit for bit there and back in every format, as small as they say, damage refused by name."""

import json
import os
import zlib

import numpy as np
import pytest
import torch
from llama import model
from safetensors.torch import load_file, save_file
from test_checkpoints import KINDS, TASK, WORDS, change_config, left_in
from test_model import config_of, tokens_for

from mobilellm_lab import checkpoints
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring import on_disk
from mobilellm_lab.pruning import (
    FORMATS,
    PrunedModel,
    apply,
    file_sizes,
    load_sparse,
    prune,
    save_sparse,
    theoretical_bytes,
)
from mobilellm_lab.pruning.masks import require_pruned
from mobilellm_lab.quantization import matrices

PACKED = FORMATS[1:]


def assert_same(a: PrunedModel, b: PrunedModel) -> None:
    assert a.model.config == b.model.config and a.masks.keys() == b.masks.keys()
    assert all(torch.equal(value, b.model.state_dict()[name]) for name, value in a.model.state_dict().items())
    assert all(torch.equal(mask, b.masks[name]) for name, mask in a.masks.items())


@pytest.fixture(params=FORMATS)
def folder(request, tmp_path):
    save_sparse(prune(model(config_of()), 0.7), tmp_path / "mine", format=request.param, task=TASK, vocabulary=WORDS)
    return tmp_path / "mine"


@pytest.mark.parametrize(
    ("kind", "format"),
    [*(("plain", format) for format in FORMATS), *zip(list(KINDS)[1:], 2 * FORMATS, strict=False)],
)
def test_every_kind_of_model_comes_back_bit_for_bit(kind, format, tmp_path):
    before = prune(for_decoding(model(config_of(**KINDS[kind]))), 0.7, layers="all")
    fingerprint = checkpoints.fingerprint(before.model)
    save_sparse(before, tmp_path / "a" / "b", format=format)
    back = load_sparse(tmp_path / "a" / "b")
    assert_same(before, back)
    assert checkpoints.fingerprint(before.model) == fingerprint
    tokens = tokens_for(before.model.config, 2, 12)
    with torch.inference_mode():
        assert torch.equal(back.model(tokens), before.model.eval()(tokens))


@pytest.mark.parametrize("format", PACKED)
@pytest.mark.parametrize("amount", [0, 0.999])
def test_the_limits_come_back_too(amount, format, tmp_path):
    ours = model(config_of())
    before = apply(ours, {name: torch.rand(p.shape) >= amount for name, p in matrices(ours).items()})
    save_sparse(before, tmp_path / "mine", format=format)
    assert_same(before, load_sparse(tmp_path / "mine"))


def test_files_are_as_small_as_the_formulas_say():
    for amount in (0.0, 0.5, 0.9):
        pruned = prune(model(config_of(dim=64, hidden_dim=256, head_dim=0)), amount)
        sizes = file_sizes(pruned)
        for format in FORMATS:
            if format != "zlib":
                headers = sizes[format].bytes - theoretical_bytes(pruned, format).bytes
                assert 0 < headers < 7000, (format, amount)
        # random floats compress by a few percent only, since their exponents are alike; zeros almost vanish
        share = sizes["zlib"] / sizes["dense"]
        assert {0: 0.9, 0.5: 0.5, 0.9: 0.15}[amount] < share < {0: 0.99, 0.5: 0.7, 0.9: 0.35}[amount]


def test_the_zlib_part_is_what_numpy_and_zlib_read(tmp_path):
    pruned = prune(model(config_of()), 0.5)
    save_sparse(pruned, tmp_path / "mine", format="zlib")
    data = load_file(tmp_path / "mine" / "model.safetensors")["blocks.0.ffn.up.zlib"]
    w = pruned.model.blocks[0].ffn.up.weight.detach().numpy()
    assert np.array_equal(np.frombuffer(zlib.decompress(data.numpy()), dtype=np.float32).reshape(w.shape), w)


def test_the_folder_holds_two_readable_files(folder):
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    pruned = load_sparse(folder)
    assert (config["task"], config["vocabulary"]) == (TASK, WORDS)
    assert config["sparse"]["kept"] == {name: int(mask.sum()) for name, mask in pruned.masks.items()}


def test_what_cannot_be_read_back_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="format='coo': choose one of dense, zlib, bitmap, csr int32, csr int64"):
        save_sparse(prune(model(config_of()), 0.5), tmp_path / "q", format="coo")
    with pytest.raises(ValueError, match="pruned is a Transformer: give what prune"):
        require_pruned(model(config_of()))
    with pytest.raises(ValueError, match="vocabulary of 60 words for vocab_size=61"):
        save_sparse(prune(model(config_of()), 0.5), tmp_path / "q", vocabulary=WORDS[:-1])
    pruned = prune(model(config_of()), 0.5)
    pruned.model.blocks[1].ffn.up.weight.data[3] += 1
    with pytest.raises(ValueError, match="blocks.1.ffn.up.weight: 16 masked weights are not 0"):
        save_sparse(pruned, tmp_path / "q")
    pruned = prune(model(config_of()), 0.5)
    pruned.model.norm.weight.data[3] = torch.nan
    with pytest.raises(ValueError, match="model: NaN or inf in tensor norm.weight"):
        save_sparse(pruned, tmp_path / "q")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="it holds other files"):
        save_sparse(prune(model(config_of()), 0.5), tmp_path)
    assert left_in(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_file_that_is_cut_short_or_missing_is_named(file, folder):
    path = folder / file
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=rf"{file} is damaged.*again"):
        load_sparse(folder)
    path.unlink()
    with pytest.raises(ValueError, match=f"{file} is missing"):
        load_sparse(folder)


@pytest.mark.parametrize("place", (-1, -1000, -9000))
def test_one_flipped_bit_is_noticed(place, folder):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model.safetensors: (not the weights whose fingerprint|.* matrix \()"):
        load_sparse(folder)


def test_other_folders_are_told_apart(folder, tmp_path):
    checkpoints.save(model(config_of()), tmp_path / "float")
    with pytest.raises(ValueError, match="not a mobilellm-lab pruned checkpoint: it is a mobilellm-lab checkpoint"):
        load_sparse(tmp_path / "float")
    with pytest.raises(ValueError, match="not a mobilellm-lab checkpoint: it is a mobilellm-lab pruned checkpoint"):
        checkpoints.load(folder)


UP = "blocks.1.ffn.up"


def outside(t: dict) -> None:
    t[f"{UP}.columns"][3] = 32


def unsorted(t: dict) -> None:
    t[f"{UP}.columns"][:2] = t[f"{UP}.columns"][:2].flip(0).clone()


def one_bit_more(t: dict) -> None:
    t[f"{UP}.bitmap"][0] = 255
    t[f"{UP}.bitmap"][1] = 255


def bomb(t: dict) -> None:
    t[f"{UP}.zlib"] = torch.from_numpy(np.frombuffer(zlib.compress(bytes(10**7)), dtype=np.uint8).copy())


@pytest.mark.parametrize(
    ("format", "change", "message"),
    [
        ("csr int32", outside, f"{UP}.weight is no csr int32 matrix .*: copy it again"),
        ("csr int64", unsorted, f"{UP}.weight is no csr int64 matrix .*: copy it again"),
        ("bitmap", one_bit_more, rf"{UP}.weight is no bitmap matrix \(\d+ bits for \d+ values\)"),
        ("zlib", bomb, rf"{UP}.weight is no zlib matrix \(\d+ bytes instead of \d+\)"),
        ("zlib", lambda t: t[f"{UP}.zlib"].zero_(), f"{UP}.weight is no zlib matrix .*Error -3 while decompressing"),
        ("csr int32", lambda t: t.update({f"{UP}.rows": t[f"{UP}.rows"].long()}), "rows is torch.int64, the config"),
        ("csr int64", lambda t: t.pop(f"{UP}.rows"), rf"tensor {UP}.rows of shape \(\d+,\) is missing"),
        ("bitmap", lambda t: t.update({f"{UP}.values": torch.ones(3)}), rf"{UP}.values has shape \(3,\), the config"),
        ("dense", lambda t: t[f"{UP}.weight"][0].fill_(1), "not the weights whose fingerprint"),
        ("dense", lambda t: t.update({"extra": torch.ones(2)}), r"unexpected tensor extra of shape \(2,\)"),
    ],
)
def test_a_wrong_tensor_is_named(format, change, message, tmp_path):
    save_sparse(prune(model(config_of()), 0.7), tmp_path / "mine", format=format)
    tensors = load_file(tmp_path / "mine" / "model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "mine" / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        load_sparse(tmp_path / "mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.clear(), "is not a mobilellm-lab pruned checkpoint"),
        (lambda c: c.pop("sparse"), "sparse must name the format and the kept weights of each matrix: save it again"),
        (lambda c: c["sparse"].update(format="coo"), "sparse must name the format"),
        (lambda c: c["sparse"]["kept"].update({"norm.weight": 3}), "sparse: norm.weight is no matrix of this model"),
        (lambda c: c["sparse"]["kept"].update({f"{UP}.weight": -1}), f"{UP}.weight keeps -1 of 5632 weights"),
        (lambda c: c["sparse"]["kept"].update({f"{UP}.weight": True}), f"{UP}.weight keeps True of 5632 weights"),
        (lambda c: c["model"].update(n_layers=2), "config.json: n_layers=2, the weights are of 3 blocks: copy both"),
        (lambda c: c["model"].update(norm_eps=1e-3), "model, task, vocabulary, grids or sparse were edited"),
        (lambda c: c.update(fingerprint="0"), "not the weights whose fingerprint"),
    ],
)
def test_a_foreign_config_is_refused(change, message, folder):
    change_config(folder, change)
    with pytest.raises(ValueError, match=message):
        load_sparse(folder)


def test_a_matrix_cannot_be_made_dense_by_editing(tmp_path):
    save_sparse(prune(model(config_of()), 0.7), tmp_path / "mine", format="dense")
    change_config(tmp_path / "mine", lambda c: c["sparse"]["kept"].pop(f"{UP}.weight"))
    with pytest.raises(ValueError, match="grids or sparse were edited"):
        load_sparse(tmp_path / "mine")


def test_the_order_of_the_formats_on_disk_turns_with_the_amount(tmp_path):
    ours = model(config_of(dim=64, hidden_dim=256, head_dim=0))
    few, many = (file_sizes(prune(ours, amount)) for amount in (0.3, 0.95))
    assert few["bitmap"] < few["dense"] < few["csr int32"] < few["csr int64"]
    assert many["bitmap"] < many["csr int32"] < many["csr int64"] < many["dense"]
    checkpoints.save(ours, tmp_path / "before")
    assert many["dense"] >= on_disk(tmp_path / "before")  # zeros alone save nothing
