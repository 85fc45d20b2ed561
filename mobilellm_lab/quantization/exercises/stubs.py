"""Exercise: place quantization stubs in an attention block"""

from collections.abc import Callable

import torch
from torch import Tensor

from mobilellm_lab.quantization.libraries.stubs import (
    DIM,
    LINEARS,
    AttentionBlock,
    Survival,
    first_sentence,
    survives,
)
from mobilellm_lab.teaching.exercise import Exercise, Wrong

STILL = 1e-4  # of a float output; a block that is off by less computes the same


def _attend_stub(block, x):
    """Attention with stubs around its int8 layers; x (B, T, D)."""
    return ...  # your code


def _attend_solution(block, x):
    """Attention with stubs around its int8 layers; x (B, T, D)."""
    qkv = block.qkv(block.quant_a(x))  # int8 in, int8 out
    y = block.mix(*block.split(block.dequant_a(qkv)))  # in float
    return block.dequant_b(block.out(block.quant_b(y)))


def _attend_alternative(block, x):
    """Attention with stubs around its int8 layers; x (B, T, D)."""
    parts = block.split(block.qkv(block.quant_a(x)))  # q, k and v, in int8
    q, k, v = (block.dequant_a(part) for part in parts)
    y = block.quant_b(block.mix(q, k, v))
    return block.dequant_b(block.out(y))


def _plain(block: AttentionBlock, x: Tensor) -> Tensor:
    """The block as the article's flow finds it."""
    return block.out(block.mix(*block.split(block.qkv(x))))


def _one_pair(block: AttentionBlock, x: Tensor) -> Tensor:
    return block.dequant_b(_plain(block, block.quant_a(x)))


def _floats_to_the_second(block: AttentionBlock, x: Tensor) -> Tensor:
    return block.out(block.mix(*block.split(block.dequant_a(block.qkv(block.quant_a(x))))))


def _int8_comes_out(block: AttentionBlock, x: Tensor) -> Tensor:
    y = block.mix(*block.split(block.dequant_a(block.qkv(block.quant_a(x)))))
    return block.out(block.quant_b(y))


def _one_stub_twice(block: AttentionBlock, x: Tensor) -> Tensor:
    y = block.mix(*block.split(block.dequant_a(block.qkv(block.quant_a(x)))))
    return block.dequant_b(block.out(block.quant_a(y)))


def _without_the_output(block: AttentionBlock, x: Tensor) -> Tensor:
    return block.mix(*block.split(block.dequant_a(block.qkv(block.quant_a(x)))))


def _left_before_the_layer(block: AttentionBlock, x: Tensor) -> Tensor:
    y = block.mix(*block.split(block.qkv(block.dequant_a(block.quant_a(x)))))
    return block.out(block.dequant_b(block.quant_b(y)))


_MISTAKES = {
    "no stubs": _plain,
    "leaves int8 before the Linear": _left_before_the_layer,
    "one pair around everything": _one_pair,
    "floats into the second Linear": _floats_to_the_second,
    "int8 comes out": _int8_comes_out,
    "one stub at two places": _one_stub_twice,
    "computes something else": _without_the_output,
}


def _inspect_stubs(answer: Callable) -> str:
    _same_in_float(answer)
    found = survives(answer)
    if found.error is not None:
        raise _why_failed(found)
    if found.shared:
        raise Wrong(
            "one stub at two places",
            f"It runs, and `{found.shared[0]}` quantizes at two places. A stub has *one* range: it has seen both "
            f"tensors, and the smaller of them uses few of its codes ({found.relative_error:.1%} off). Take "
            "`block.quant_b` for the second place.",
        )
    if found.quantized != LINEARS:
        left = " and ".join(f"`block.{name}`" for name in LINEARS if name not in found.quantized)
        raise Wrong("a Linear is left out", f"It runs, but not through {left} in int8.")
    if not found.survived:
        raise Wrong(
            "far from the float block",
            f"It runs, and its output is {found.relative_error:.0%} off. Nothing but the stubs may change it.",
        )
    return (
        f"The block {found}. Both Linears multiply integers; the two products of attention and the softmax stay in "
        "float, because torch has no int8 kernels for them. Each crossing of a border costs a pass over the "
        "activations."
    )


def _same_in_float(answer: Callable) -> None:
    """Raises unless the answer is attention before anything is quantized: there stubs change nothing."""
    block = AttentionBlock(_plain).eval()
    x = torch.randn(2, 5, DIM, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, right = answer(block, x), _plain(block, x)
    if not isinstance(found, Tensor) or found.shape != right.shape:
        raise Wrong("not a tensor", f"Return a tensor {tuple(right.shape)}: what the block gives out.")
    if not torch.allclose(found, right, atol=STILL):
        raise Wrong(
            "computes something else",
            "Before anything is quantized, stubs change nothing, and your block still gives other numbers. It is "
            "`qkv`, `split`, `mix`, `out`, in this order, each once; only stubs may come in between.",
        )


def _why_failed(found: Survival) -> Wrong:
    """What torch's error means for the places of the stubs."""
    error = f"torch says at {found.stage}: `{first_sentence(found.error)}`"
    if "from the 'QuantizedCPU'" in first_sentence(found.error):
        return Wrong(
            "one pair around everything",
            f"{error}. int8 reached `block.mix`, and torch has no product of two int8 activations. Leave int8 before "
            "`mix`, and enter it again after.",
        )
    if "quantized::linear" in str(found.error) and found.quantized:
        return Wrong(
            "floats into the second Linear",
            f"{error}. `block.qkv` ran in int8; `block.out` has become an int8 layer, too, and got floats from `mix`. "
            "Quantize before it as well.",
        )
    if "quantized::linear" in str(found.error) and found.entered:
        return Wrong(
            "leaves int8 before the Linear",
            f"{error}. `block.qkv` has become an int8 layer and got floats, although a QuantStub ran: you left int8 "
            "before the layer. Give it what comes out of the stub, and leave int8 behind it.",
        )
    if "quantized::linear" in str(found.error):
        return Wrong(
            "no stubs",
            f"{error}. `block.qkv` has become an int8 layer and got floats. That is what happens to the article's "
            "flow on any transformer: nothing turns its input into int8. A QuantStub before the layer does.",
        )
    if set(found.quantized) == set(LINEARS):
        return Wrong(
            "int8 comes out",
            f"{error}. Both Linears ran in int8, and what the block returns is int8 still: the sum with the residual "
            "stream expects floats. End with a DeQuantStub.",
        )
    return Wrong("does not survive", f"{error}.")


STUBS = Exercise(
    name="stubs",
    title="Repair the article's flow",
    task="""
The article's flow (prepare, calibrate, convert) turns every `nn.Linear` into an int8 layer, which takes int8 and gives
int8. Nothing around it changes, so a transformer fails at its first layer. **Stubs** mark where floats become int8 and
where they become floats again: before convert they only watch, after it they do it.

Write `attend(block, x)`, the forward pass of an attention block, so that it survives the flow **with both Linears in
int8**. Without stubs it is `block.out(block.mix(*block.split(block.qkv(x))))`. You have `block.quant_a` and
`block.quant_b` (floats in, int8 out; each keeps *one* range) and `block.dequant_a` and `block.dequant_b` (back to
floats). `block.split` takes both kinds, `block.mix` takes floats only, and floats must come out.
""".strip(),
    answer="attend",
    stub=_attend_stub,
    solution=_attend_solution,
    alternative=_attend_alternative,
    mistakes=_MISTAKES,
    hints=(
        "Follow the tensor. Which of `qkv`, `split`, `mix` and `out` want int8 after convert, and which want floats?",
        "Two islands of int8, one around each Linear. So x goes into the first by `quant_a` and leaves it by "
        "`dequant_a`, and `mix` works between the islands.",
        "`qkv = block.dequant_a(block.qkv(block.quant_a(x)))`, then `y = block.mix(*block.split(qkv))`, and the second "
        "island is `block.dequant_b(block.out(block.quant_b(y)))`.",
    ),
    inspect=_inspect_stubs,
)
