"""Failures of PyTorch's eager static quantization on a transformer, each with its error, cause and remedy"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.quantization.libraries.copies import with_head
from mobilellm_lab.quantization.libraries.load import without_legacy_warnings
from mobilellm_lab.quantization.libraries.stubs import AttentionBlock, first_sentence

TINY = ModelConfig(vocab_size=32, dim=16, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=32, max_seq_len=32)


def sample(model: nn.Module, example: Tensor) -> Tensor:
    """The article's steps 1 to 6 as they stand there, but for the line that fuses; then one run of what came out.

    `model` is changed. Silent about deprecation only.
    """
    with without_legacy_warnings(), torch.no_grad():
        model.eval()
        model.qconfig = torch.ao.quantization.get_default_qconfig(torch.backends.quantized.engine)
        torch.ao.quantization.prepare(model, inplace=True)
        model(example)
        torch.ao.quantization.convert(model, inplace=True)
        return model(example)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One thing that goes wrong, and can be made to, here and now."""

    line: str  # of the sample
    model: str  # what it is done to
    error: type[Exception]  # what is raised ...
    says: str  # ... and what its message holds
    why: str
    remedy: str
    provoke: Callable[[], object]

    def raised(self) -> Exception:
        """The error, provoked anew.

        Raises:
            RuntimeError: nothing was raised: this torch can do what 2.13 cannot.
        """
        try:
            self.provoke()
        except self.error as error:
            return error
        raise RuntimeError(f"{self.line} works with torch {torch.__version__}: this failure is history")

    def __str__(self) -> str:
        error = self.raised()
        return f"{self.line}\n{type(error).__name__}: {first_sentence(error)}\n{self.why} {self.remedy}"


def _stubs_at_the_ends() -> AttentionBlock:
    block = AttentionBlock(lambda b, x: b.dequant_b(b.out(b.mix(*b.split(b.qkv(b.quant_a(x)))))))
    block.dequant_a = block.quant_b = nn.Identity()
    return block


def _tokens() -> Tensor:
    return torch.arange(24).view(2, 12)


def _fuse() -> object:
    return torch.nn.utils.fusion.fuse_conv_bn_relu


def _linears_only() -> Transformer:
    model = with_head(Transformer(TINY))
    model.embed.qconfig = None  # left in float, so that the flow gets past it
    return model


def _quantized_state() -> object:
    from mobilellm_lab.quantization.libraries.eager import calibrate, convert, prepare
    from mobilellm_lab.tasks import Batch

    prepared = prepare(Transformer(TINY))
    calibrate(prepared, [Batch(_tokens(), _tokens())])
    return with_head(Transformer(TINY)).load_state_dict(convert(prepared).state_dict())


FAILURES = {
    "fusion": Failure(
        line="model = torch.nn.utils.fusion.fuse_conv_bn_relu(model)",
        model="any model",
        error=AttributeError,
        says="module 'torch.nn.utils.fusion' has no attribute 'fuse_conv_bn_relu'",
        why="There is a module of that name, but no such function in it.",
        remedy="torch.ao.quantization.fuse_modules fuses a convolution with its norm; a transformer has neither.",
        provoke=_fuse,
    ),
    "embedding": Failure(
        line="torch.quantization.prepare(model, inplace=True)",
        model="a language model, as it is",
        error=AssertionError,
        says="Embedding quantization is only supported with float_qparams_weight_only_qconfig",
        why="One qconfig for the whole model reaches its embedding, too.",
        remedy="Give it `float_qparams_weight_only_qconfig`, or None to leave it in float.",
        provoke=lambda: sample(Transformer(TINY), _tokens()),
    ),
    "images": Failure(
        line="example_input = torch.randn(1, 3, 224, 224); model(example_input)",
        model="a language model, as it is",
        error=RuntimeError,
        says="Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int",
        why="The sample calibrates on a random picture. A language model reads token ids.",
        remedy="Calibrate on sequences of tokens, best of the kind that it will read.",
        provoke=lambda: Transformer(TINY).embed(torch.zeros(1, 3, 224, 224)),  # what a model does first
    ),
    "no stubs": Failure(
        line="torch.quantization.convert(model, inplace=True)",
        model="its Linears, the embedding left out",
        error=NotImplementedError,
        says="Could not run 'quantized::linear' with arguments from the 'CPU' backend",
        why="Convert makes every Linear take int8 tensors, and nothing in the sample makes an int8 tensor.",
        remedy="Put a QuantStub before and a DeQuantStub behind: convert turns those into what quantizes.",
        provoke=lambda: sample(_linears_only(), _tokens()),
    ),
    "tokens through a stub": Failure(
        line="model = torch.quantization.QuantWrapper(model)",
        model="a language model between one pair of stubs, as tutorials wrap convolutional networks",
        error=NotImplementedError,
        says="\"histogram_cpu\" not implemented for 'Long'",
        why="The stub would quantize token ids, which are names and not numbers.",
        remedy="Stubs belong behind the embedding, around each Linear.",
        provoke=lambda: sample(torch.ao.quantization.QuantWrapper(_linears_only()), _tokens()),
    ),
    "attention": Failure(
        line="torch.quantization.convert(model, inplace=True)",
        model="an attention block with a stub at each end",
        error=NotImplementedError,
        says="Could not run 'aten::bmm.out' with arguments from the 'QuantizedCPU' backend",
        why="torch has a product of int8 activations with int8 weights, but none of two activations.",
        remedy="Dequantize before queries meet keys, and quantize again before the output's Linear.",
        provoke=lambda: sample(_stubs_at_the_ends(), torch.ones(2, 5, 32)),
    ),
    "state dict before convert": Failure(
        line='model.load_state_dict(torch.load("quantized_model.pth"))',
        model="the same architecture in float",
        error=RuntimeError,
        says="Missing key(s) in state_dict",
        why="A state dict holds tensors by name, and the names of a converted model are other ones.",
        remedy="Prepare and convert the empty model first; the article is right about that.",
        provoke=_quantized_state,
    ),
}
