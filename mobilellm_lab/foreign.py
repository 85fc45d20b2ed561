"""Weights in another form: behind a prefix, of another file type, a Git LFS pointer"""

from collections.abc import Iterable
from pathlib import Path

POINTER = b"version https://git-lfs.github.com/spec/"
CONVERT = "convert them: transformers' AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder)"
ORIGINAL = "take the folder with safetensors that it was made from"
KINDS = {  # end of a file's name -> what it is, and what to do
    ".safetensors.index.json": ("the index of shards that are not here", "copy or download all files of the folder"),
    "adapter_model.safetensors": (
        "a LoRA adapter without its model",
        "join them with peft: model.merge_and_unload().save_pretrained(new_folder)",
    ),
    ".safetensors": ("safetensors under another name", "name a single file model.safetensors, or copy its index"),
    ".bin": ("pickled PyTorch weights", CONVERT),
    ".pt": ("pickled PyTorch weights", CONVERT),
    ".pth": ("pickled PyTorch weights", CONVERT),
    ".ckpt": ("pickled PyTorch weights", CONVERT),
    ".h5": ("TensorFlow weights", "write safetensors: give from_pretrained from_tf=True in an older transformers"),
    ".msgpack": ("Flax weights", "write safetensors: give from_pretrained from_flax=True in an older transformers"),
    ".gguf": ("llama.cpp's file", ORIGINAL),
    ".onnx": ("an ONNX graph", ORIGINAL),
    ".tflite": ("a LiteRT graph", ORIGINAL),
    ".pte": ("an ExecuTorch program", ORIGINAL),
}
WRAPPERS = {  # part of a tensor's name -> what put it there, and what to do
    "_orig_mod": ("torch.compile", "save the module inside, model._orig_mod"),
    "module": ("DataParallel", "save the module inside, model.module"),
    "parametrizations": ("torch.nn.utils.parametrize", "call remove_parametrizations before saving"),
    "base_model": ("peft", "call merge_and_unload() before saving"),
}


def instead_of(path: Path) -> str:
    """What to do about a missing file, by what lies in its folder, or at its folder's path."""
    folder = path.parent
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    for end, (what, remedy) in KINDS.items():
        for file in files:
            if file.name.endswith(end) and file.is_file():
                return remedy_of_pointer(file) or f"{file.name} is {what}, which is not read here: {remedy}"
    return "give the folder that holds it, or copy it again"


def remedy_of_pointer(path: Path) -> str:
    """What to do about a Git LFS pointer that stands in a file's place; empty for any other file."""
    with path.open("rb") as file:
        if file.read(len(POINTER)) != POINTER:
            return ""
    return f"{path.name} is a Git LFS pointer, not the file itself: type `git lfs pull` in its repository"


def behind(name: str, found: Iterable[str]) -> str:
    """What to do about a missing tensor that is there under a longer or shorter name; empty where it is not."""
    for other in sorted(found):
        more = _more(name.split("."), other.split("."))
        wrapper = next((WRAPPERS[part] for part in more if part in WRAPPERS), None)
        if wrapper or (more and other.endswith(f".{name}")):
            by, remedy = wrapper or ("another module around the model", "save the module inside")
            return f"tensor {name} is there as {other}, wrapped by {by}: {remedy}, or rename without {'.'.join(more)}"
        if other == f"{name}_orig":
            return f"tensor {name} is there as {other}, pruned: call torch.nn.utils.prune.remove before saving"
        if name == f"model.{other}":
            return f"tensor {name} is there as {other}, of a model without its head: save its ...ForCausalLM"
    return ""


def _more(wanted: list[str], found: list[str]) -> list[str]:
    """The parts of a found name beside the wanted ones, which stand in it in their order; [] where they do not."""
    rest, more = iter(found), []
    for part in wanted:
        for other in rest:
            if other == part:
                break
            more.append(other)
        else:
            return []
    return [*more, *rest]
