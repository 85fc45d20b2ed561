"""Timed decode steps of a randomly initialized model at a chosen context and batch"""

import time
from collections.abc import Generator, Iterator

import torch
from torch.overrides import TorchFunctionMode

from mobilellm_lab.decoding import decoder
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.model import KVCache, ModelConfig, Transformer

DTYPES = {32: torch.float32, 16: torch.bfloat16}  # bits of a weight that torch's CPU kernels multiply
PIECE = 2**20  # weights drawn at a time: some milliseconds


class _Shapes(TorchFunctionMode):
    """Shapes without memory, but for what torch would load its compiler for, in over a second: a table's first draw
    is left out, and the positions of RoPE are real.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.nn.init.normal_:
            return kwargs["tensor"]
        return func(*args, **kwargs | ({"device": "cpu"} if func is torch.arange else {}))


def random_model(config: ModelConfig, *, bits: int = 32, seed: int = 0) -> Generator[float, None, Transformer]:
    """Yields the share of the weights that are drawn, every few milliseconds; the generator's value is the model.

    Speed does not depend on what a model has learned, so any weights of the usual size will do. They are drawn in
    their final type and laid out `for_decoding`: at no time does a 16-bit model take the room of a 32-bit one.

    Raises:
        ValueError: another number of bits.
    """
    if bits not in DTYPES:
        raise ValueError(f"bits={bits}: torch runs {' and '.join(map(str, DTYPES))} here, the others are formulas only")
    dtype, generator = DTYPES[bits], torch.Generator().manual_seed(seed)
    with torch.device("meta"), _Shapes():
        model = for_decoding(Transformer(config).to(dtype))
    total, done = sum(p.numel() for p in model.parameters()), 0
    for module in model.modules():
        for name, p in list(module.named_parameters(recurse=False)):
            value = torch.empty_strided(p.shape, p.stride(), dtype=dtype)
            flat = (value if value.is_contiguous() else value.t()).view(-1)
            for start in range(0, flat.numel(), PIECE):
                flat[start : start + PIECE].normal_(std=p.shape[-1] ** -0.5, generator=generator)
                done += min(PIECE, flat.numel() - start)
                yield done / total
            if value.ndim == 1:
                value.fill_(1)
            setattr(module, name, torch.nn.Parameter(value, requires_grad=False))
    model.cos, model.sin = model.cos.to(dtype), model.sin.to(dtype)
    return model.eval()


def build(config: ModelConfig, *, bits: int = 32, seed: int = 0) -> Transformer:
    """The model of `random_model`, in one go."""
    drawing = random_model(config, bits=bits, seed=seed)
    while True:
        try:
            next(drawing)
        except StopIteration as done:
            return done.value


def decode_steps(model: Transformer, *, batch: int = 1, context: int = 64) -> Iterator[float]:
    """Yields the milliseconds of one decode step after the other, without end; each sees `context` positions.

    A step is one new token for each of `batch` sequences: logits and the choice of the likeliest. The cache is full
    from the start and the same place is written again and again, so every step costs the same and no prompt is read.

    Raises:
        ValueError: no context or more than the model has positions, or no sequence.
    """
    limit = model.config.max_seq_len
    if not 1 <= context <= limit or batch < 1:
        raise ValueError(f"context={context}, batch={batch}: give 1 to {limit} positions and at least 1 sequence")
    weight = model.embed.weight
    tokens = torch.zeros(batch, 1, dtype=torch.long)
    with torch.inference_mode():
        cache = KVCache(model.config, batch_size=batch, max_len=context, dtype=weight.dtype)
        cache.kv.normal_(generator=torch.Generator().manual_seed(0))
        step = decoder(model, cache)
    while True:
        cache.length = context - 1  # a token sees itself, too
        start = time.perf_counter()
        with torch.inference_mode():
            tokens = step(tokens).argmax(-1, keepdim=True)
        yield 1000 * (time.perf_counter() - start)
