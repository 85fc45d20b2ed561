"""The article's sample and its advice on fusing and loading, tried with today's torch"""

import tempfile
from pathlib import Path

import torch
from torch import nn

from mobilellm_lab.model import Transformer
from mobilellm_lab.quantization import Grid, load_quantized, save_quantized
from mobilellm_lab.quantization.libraries import article
from mobilellm_lab.quantization.libraries.stubs import first_sentence
from mobilellm_lab.quantization.ptq import quantize
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded


def fusing_helps() -> Evidence:
    """Has a transformer of ours a pair of modules that torch fuses, and does the function exist that the sample calls?

    torch fuses chains of convolution, linear layer, batch norm and ReLU. Holds if both, does not hold if neither.
    """
    fusable = {kinds for kinds in _fusers() if len(kinds) > 1}
    model = Transformer(article.TINY)
    found = sum(_chains(children, fusable) for children in _siblings(model))
    error = _error(article.FAILURES["fusion"])
    return Evidence(
        verdict=graded([found > 0, not error]),
        line=f"A transformer has {found} of the {len(fusable)} chains that torch fuses",
        finding=f"There is nothing to fuse. torch fuses {len(fusable)} chains of convolutions, linear layers, batch "
        f"norms and ReLUs. Among the {sum(1 for _ in model.modules())} modules of a small transformer there are "
        f"{found}. The function that the sample names does not exist: `{error or 'none'}`.",
    )


FUSE_FIRST = Claim(
    name="fuse-first",
    said="Fusing modules before quantization is recommended, for speed.",
    source="the article, section 3.1, its sample",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="for a convolutional network, whose batch norms fold into the convolutions before them. `fuse_modules` does "
    "that.",
    evidence=fusing_helps,
)


def quantize_before_loading() -> Evidence:
    """Does a float model refuse the file, unless it is quantized first?

    Asked of the state dict of torch's eager flow and of this chapter's own file. Holds if of both, does not hold if of
    neither.
    """
    error = _error(article.FAILURES["state dict before convert"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        q = quantize(Transformer(article.TINY), Grid(bits=4))
        save_quantized(q, path)
        tokens = torch.arange(12).view(1, 12)
        same = torch.equal(load_quantized(path).model(tokens), q.model(tokens))
    return Evidence(
        verdict=graded([error, not same]),
        line="A float model refuses torch's eager file; one that describes itself loads in one call",
        finding=f"A float model refuses that file: `{error or 'none'}`. A state dict holds tensors by name and no "
        "modules, and convert has changed the names. A file that says how each matrix was quantized, as ours "
        "does, loads in one call.",
    )


QUANTIZE_BEFORE_LOADING = Claim(
    name="quantize-before-loading",
    said="A quantized model must be fused and quantized before its saved weights are loaded.",
    source="the article, section 3.1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the file holds a state dict of torch's eager flow.",
    flips="with the format. GGUF, `.pte` and `.tflite` carry their own description, too.",
    evidence=quantize_before_loading,
)


def sample_works() -> Evidence:
    """Per line of the article's sample that meets a language model: does it run?

    Each failure is provoked anew. Holds if none of them happens any more, does not hold if all do.
    """
    said = {name: _error(failure) for name, failure in article.FAILURES.items()}
    happens = [error for error in said.values() if error]
    return Evidence(
        verdict=graded(not error for error in said.values()),
        line=f"On a language model it fails in {len(happens)} ways, and the interface is deprecated",
        finding=f"On a language model the sample fails in {len(happens)} ways, each provoked anew for this page. With "
        f"the embedding it raises `{said['embedding']}`, and without it `{said['no stubs']}`. The interface is "
        "deprecated as well, and says that it will be removed.",
    )


SAMPLE_WORKS = Claim(
    name="sample-works",
    said="PyTorch's tools quantize a model conveniently, as the sample shows.",
    source="the article, section 3.1",
    verdict=Verdict.DOES_NOT_HOLD,
    flips="for one call instead of the flow: torchao's `quantize_`, or `quantize_dynamic`, convert the Linears of any "
    "model. The flow works with a stub around each Linear, as an exercise of this chapter shows.",
    evidence=sample_works,
)


def _error(failure: article.Failure) -> str:
    """What is raised, its kind and first sentence; "" where nothing is."""
    try:
        error = failure.raised()
    except RuntimeError as history:
        if "this failure is history" not in str(history):
            raise
        return ""
    return f"{type(error).__name__}: {first_sentence(error)}".rstrip(".:")


def _fusers() -> tuple[tuple[type, ...], ...]:
    from torch.ao.quantization.fuser_method_mappings import _DEFAULT_OP_LIST_TO_FUSER_METHOD

    return tuple(_DEFAULT_OP_LIST_TO_FUSER_METHOD)


def _siblings(model: nn.Module) -> list[list[nn.Module]]:
    """The children of each module, in order."""
    return [list(module.children()) for module in model.modules()]


def _chains(children: list[nn.Module], fusable: set[tuple[type, ...]]) -> int:
    """How many chains of neighbours are of kinds that can be fused."""
    kinds = [type(child) for child in children]
    return sum(
        tuple(kinds[i : i + len(chain)]) == chain for chain in fusable for i in range(len(kinds) - len(chain) + 1)
    )
