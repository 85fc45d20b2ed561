"""Packing of codes: two to a byte at 4 bits, five ternary ones, a dense bit stream at 3, 5, 6 and 7"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Int8, UInt8
from torch import Tensor

TERNARY = 1.58  # log2(3), as the field calls it; five digits fill 243 of a byte's 256 values, 1.6 bits each
WIDTHS = (1, TERNARY, 2, 3, 4, 5, 6, 7, 8)


def packed_bytes(count: int, bits: int | float) -> int:
    """Bytes that `count` codes take, the last byte filled up with zeros."""
    _check(bits)
    return math.ceil(count / 5) if bits == TERNARY else math.ceil(count * bits / 8)


def pack(codes: Int8[Tensor, "*R C"], bits: int | float) -> UInt8[Tensor, "*R N"]:
    """The last axis of signed codes in `packed_bytes(C, bits)` bytes; every row starts at a byte of its own.

    Codes are -2**(bits - 1) and up (1 bit: -1 and +1; ternary: -1, 0 and +1). The first code sits in the lowest bits
    (ternary: is the lowest digit), as in a little-endian integer.

    Raises:
        ValueError: a width that no packing is for, codes of another type, or one beyond the width.
    """
    each, width, base = _unit(bits)
    if codes.dtype != torch.int8:
        raise ValueError(f"codes are {codes.dtype}: give torch.int8, as Grid.quantize does")
    if bits == 1:
        digits, wrong = (codes > 0).to(torch.uint8), codes.abs() != 1
    else:
        digits = codes.view(torch.uint8) + base // 2  # modulo 256: codes in range become 0 to base - 1
        wrong = digits > base - 1
    if wrong.any():
        raise ValueError(f"bits={bits}: codes {int(codes.min())}..{int(codes.max())} do not fit, give more bits")
    digits = F.pad(digits.contiguous(), (0, -codes.shape[-1] % each)).unflatten(-1, (-1, each))
    if width > 1:
        digits = digits.long()  # the bytes of a unit as one number
    number = sum(digits[..., place] * base**place for place in range(each))
    if width > 1:
        number = torch.stack([((number >> 8 * place) & 255).to(torch.uint8) for place in range(width)], -1).flatten(-2)
    used = number[..., : packed_bytes(codes.shape[-1], bits)]
    return used.clone(memory_format=torch.contiguous_format)  # not a view: it would keep the filling alive


def unpack(data: UInt8[Tensor, "*R N"], bits: int | float, count: int) -> Int8[Tensor, "*R C"]:
    """The `count` codes of each row that `pack` put into these bytes.

    Raises:
        ValueError: a width that no packing is for, or another number of bytes than the codes take.
    """
    each, width, base = _unit(bits)
    if data.shape[-1] != packed_bytes(count, bits):
        raise ValueError(
            f"count={count}, bits={bits}: they take {packed_bytes(count, bits)} bytes and {data.shape[-1]} are there; "
            "give the numbers that were packed"
        )
    number = data
    if width > 1:  # the bytes of a unit as one number
        data = F.pad(data, (0, -data.shape[-1] % width)).unflatten(-1, (-1, width))
        number = sum(data[..., place].long() << (8 * place) for place in range(width))
    if bits == TERNARY:
        digits = [number // base**place % base for place in range(each)]
    else:
        digits = [(number >> bits * place) & (base - 1) for place in range(each)]
    digits = torch.stack([digit.to(torch.uint8) for digit in digits], -1).flatten(-2)[..., :count]
    codes = digits * 2 - 1 if bits == 1 else digits - base // 2
    return codes.view(torch.int8)


def _unit(bits: int | float) -> tuple[int, int, int]:
    """(codes, bytes) of the smallest piece that fills whole bytes, and the number of values of a code."""
    _check(bits)
    if bits == TERNARY:
        return 5, 1, 3
    return (8 // bits, 1, 2**bits) if 8 % bits == 0 else (8, bits, 2**bits)


def _check(bits: int | float) -> None:
    if bits not in WIDTHS:
        raise ValueError(f"bits={bits}: choose one of {', '.join(map(str, WIDTHS))}")
