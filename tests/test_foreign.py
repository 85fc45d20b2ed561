"""Weights that are there in another form are named for what they are, with what to do."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.prune import random_unstructured

from mobilellm_lab import checkpoints, cli, measuring
from mobilellm_lab.foreign import KINDS, POINTER, WRAPPERS, behind
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pretrained import from_pretrained, save_pretrained
from mobilellm_lab.quantization import load_quantized, quantize, save_quantized
from mobilellm_lab.quantization.grid import Grid

CONFIG = ModelConfig(vocab_size=16, dim=8, n_layers=2, n_heads=2, n_kv_heads=1, hidden_dim=16, max_seq_len=16)
UNTIED = ModelConfig(**{**vars(CONFIG), "tie_embeddings": False})
LFS = POINTER + b"v1\noid sha256:4d7a\nsize 548105171\n"
WRITERS = {
    "ours": (lambda folder: checkpoints.save(Transformer(CONFIG), folder), checkpoints.load),
    "Hugging Face": (lambda folder: save_pretrained(Transformer(CONFIG), folder), from_pretrained),
    "untied": (lambda folder: save_pretrained(Transformer(UNTIED), folder), from_pretrained),
    "quantized": (
        lambda folder: save_quantized(quantize(Transformer(CONFIG), grid=Grid(bits=4)), folder),
        load_quantized,
    ),
}


@pytest.fixture(params=WRITERS)
def folder(request, tmp_path):
    """A folder with a model, and what opens it."""
    write, read = WRITERS[request.param]
    write(tmp_path / "m")
    read(tmp_path / "m")
    return tmp_path / "m", read


def rename(folder: Path, change) -> None:
    path = folder / "model.safetensors"
    tensors = {change(name): tensor.clone() for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("prefix", "by"),
    [
        ("_orig_mod", "torch.compile: save the module inside, model._orig_mod, or rename without _orig_mod"),
        ("module", "DataParallel: save the module inside, model.module, or rename without module"),
        ("model", "another module around the model: save the module inside, or rename without model"),
        ("module._orig_mod", "DataParallel: save the module inside, .*without module._orig_mod"),
        ("base_model.model", "peft: call merge_and_unload"),
    ],
)
def test_a_prefix_is_named_with_its_origin(folder, prefix, by):
    path, read = folder
    rename(path, lambda name: f"{prefix}.{name}")
    with pytest.raises(ValueError, match=rf"tensor \S+ is there as {prefix}\.\S+, wrapped by {by}"):
        read(path)


def test_one_compiled_block_is_named(tmp_path):
    model = Transformer(CONFIG)
    model.blocks[1] = torch.compile(model.blocks[1])
    with pytest.raises(ValueError, match=r"model: tensor blocks.1.\S+ is there as blocks.1._orig_mod.\S+, wrapped by"):
        checkpoints.save(model, tmp_path / "m")
    with pytest.raises(ValueError, match="wrapped by torch.compile"):
        save_pretrained(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_pruned_or_parametrized_weight_is_named(tmp_path):
    pruned, parametrized = Transformer(CONFIG), Transformer(CONFIG)
    random_unstructured(pruned.blocks[0].ffn.down, "weight", 0.5)
    weight_norm(parametrized.blocks[0].ffn.down)
    for model, words in (
        (pruned, "weight_orig, pruned: call .*prune.remove"),
        (parametrized, "remove_parametrizations"),
    ):
        with pytest.raises(ValueError, match=rf"blocks.0.ffn.down.weight is there as .*{words}"):
            checkpoints.save(model, tmp_path / "m")


def test_a_model_without_its_head_is_named(tmp_path):
    save_pretrained(Transformer(CONFIG), tmp_path / "m")
    rename(tmp_path / "m", lambda name: name.removeprefix("model."))
    with pytest.raises(ValueError, match=r"is there as norm.weight, of a model without its head: save its"):
        from_pretrained(tmp_path / "m")


@pytest.mark.parametrize(
    "other",
    ["model.layers.1.mlp.experts.0.up_proj.weight", "model.layers.1.mlp.up_proj.bias", "model.norm.weight"],
)
def test_other_tensors_are_not_taken_for_the_missing_one(other):
    assert behind("model.layers.1.mlp.up_proj.weight", [other]) == ""


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_every_wrapper_is_known_anywhere_in_a_name(wrapper):
    for other in (f"{wrapper}.blocks.0.norm.weight", f"blocks.{wrapper}.0.norm.weight"):
        assert WRAPPERS[wrapper][1] in behind("blocks.0.norm.weight", ["blocks.1.norm.weight", other])


@pytest.mark.parametrize("end", KINDS)
@pytest.mark.parametrize("config", [True, False])
def test_a_folder_with_other_files_is_told_what_they_are(end, config, folder):
    path, read = folder
    (path / "model.safetensors").unlink()
    if not config:
        (path / "config.json").unlink()
    name = end if not end.startswith(".") else f"weights{end}"
    (path / name).write_bytes(b"\x80\x02")
    with pytest.raises(ValueError) as error:
        read(path)
    missing = path / ("model.safetensors" if config else "config.json")
    assert (
        str(error.value) == f"{missing} is missing: {name} is {KINDS[end][0]}, which is not read here: {KINDS[end][1]}"
    )


def test_a_pointer_of_git_lfs_is_no_weight(folder):
    path, read = folder
    for name in ("model.safetensors", "config.json"):
        (path / name).write_bytes(LFS)
        with pytest.raises(ValueError, match=rf"{name} is damaged.*: {name} is a Git LFS pointer.*`git lfs pull`"):
            read(path)
    for name in ("model.safetensors", "config.json"):
        (path / name).unlink()
    (path / "pytorch_model.bin").write_bytes(LFS)
    with pytest.raises(ValueError, match="config.json is missing: pytorch_model.bin is a Git LFS pointer"):
        read(path)


def test_a_shard_that_is_a_pointer_is_named(tmp_path):
    save_pretrained(Transformer(CONFIG), tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "a.safetensors")
    weight_map = dict.fromkeys(load_file(tmp_path / "a.safetensors"), "a.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    from_pretrained(tmp_path)
    (tmp_path / "a.safetensors").write_bytes(LFS)
    with pytest.raises(ValueError, match="a.safetensors is a Git LFS pointer"):
        from_pretrained(tmp_path)


def test_a_file_in_a_folder_s_place_is_told_what_it_is(tmp_path, capsys):
    path = tmp_path / "tiny-Q4_K_M.gguf"
    path.write_bytes(b"GGUF")
    said = "tiny-Q4_K_M.gguf is llama.cpp's file, which is not read here: take the folder with safetensors"
    for read in (checkpoints.load, from_pretrained, lambda path: list(measuring.Bench(path))):
        with pytest.raises(ValueError, match=said):
            read(path)
    with pytest.raises(SystemExit):
        cli.main(["bench", str(path)])
    assert said in capsys.readouterr().err
