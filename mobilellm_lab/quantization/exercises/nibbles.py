"""Exercise: pack two codes of 4 bits into a byte, through a file and back"""

from collections.abc import Callable

import torch
from torch import Tensor

from mobilellm_lab.teaching.by_example import by_example, equal
from mobilellm_lab.teaching.exercise import Wrong

# Every code, in an order in which no two neighbours are equal; an odd number; one alone.
_CODES = (
    (3, -2, 7, -8, 0, -1, 5, -6, 1, -4, 6, -7, 2, -3, 4, -5),
    (-8, 7, 1, -1, -5),
    (-3,),
)
# What the file holds when somebody else has written it.
_OTHERS = ((1, -1, -8, 7, 4, -6, 0, 2, -7, 6, -5, 5, -4, 3, -2, -3), (2, -7, -1, 4, 3), (-6,))


def _through_file_stub(codes, file):
    """Codes (n,) from -8 to 7, as they come back from `file`."""
    return ...  # your code


def _through_file_solution(codes, file):
    """Codes (n,) from -8 to 7, as they come back from `file`."""
    numbers = (codes + 8).to(torch.uint8)  # 0 to 15
    if len(numbers) % 2:
        numbers = torch.cat([numbers, numbers.new_zeros(1)])  # fills the last byte
    read = file(numbers[0::2] | numbers[1::2] << 4)
    halves = torch.stack([read & 15, read >> 4], dim=1).flatten()
    return halves[: len(codes)].to(torch.int8) - 8


def _through_file_alternative(codes, file):
    """Codes (n,) from -8 to 7, as they come back from `file`."""
    values = [int(code) + 8 for code in codes] + [0] * (len(codes) % 2)
    pairs = zip(values[0::2], values[1::2], strict=True)
    read = file(torch.tensor([a + 16 * b for a, b in pairs], dtype=torch.uint8))
    both = [part - 8 for byte in read.tolist() for part in (byte % 16, byte // 16)]
    return torch.tensor(both[: len(codes)], dtype=torch.int8)


def _packed(codes: Tensor, *, shift: int = 8, mask: int = 15, first_low: bool = True) -> Tensor:
    """Two codes in a byte, each with `shift` added; `mask` says which bits of that are kept."""
    bits = (codes.to(torch.int16) + shift) & mask
    if len(bits) % 2:
        bits = torch.cat([bits, bits.new_zeros(1)])
    low, high = (bits[0::2], bits[1::2]) if first_low else (bits[1::2], bits[0::2])
    return ((low | high << 4) & 255).to(torch.uint8)


def _unpacked(read: Tensor, *, first_low: bool = True) -> Tensor:
    """The two numbers of each byte."""
    parts = [read & 15, read >> 4] if first_low else [read >> 4, read & 15]
    return torch.stack(parts, dim=1).flatten().to(torch.int8)


def _shifted(numbers: Tensor) -> Tensor:
    return numbers - 8


def _complement(numbers: Tensor) -> Tensor:
    """Four bits as two's complement has them: from 8 on negative."""
    return (numbers ^ 8) - 8


def _slip(
    *,
    pack: Callable[[Tensor], Tensor] = _packed,
    unpack: Callable[[Tensor], Tensor] = _unpacked,
    sign: Callable[[Tensor], Tensor] = _shifted,
    cut: bool = True,
) -> Callable:
    """A trip through the file with one part of it done in another way."""

    def through_file(codes, file):
        back = sign(unpack(file(pack(codes))))
        return back[: len(codes)] if cut else back

    return through_file


def _not_through(codes: Tensor, file: Callable) -> Tensor:
    file(_packed(codes))
    return codes


_MISTAKES = {
    "one code per byte": (
        _slip(pack=lambda codes: (codes + 8).to(torch.uint8), unpack=lambda read: read.to(torch.int8)),
        "Your file has a byte for every code, half of it unused. Put two codes into each byte.",
    ),
    "bytes with a sign": (
        _slip(pack=lambda codes: _packed(codes).to(torch.int8)),
        "Give `file` a tensor of `torch.uint8`. A signed byte shifts its sign in from the left: `-16 >> 4` is -1.",
    ),
    "drops the last code": (
        _slip(pack=lambda codes: _packed(codes[: len(codes) // 2 * 2])),
        "An odd number of codes lost its last one. It needs a byte too, with zeros in the other half.",
    ),
    "the second code first": (
        _slip(pack=lambda codes: _packed(codes, first_low=False), unpack=lambda read: _unpacked(read, first_low=False)),
        "You put the first code of each pair into the *upper* four bits. That is a format too, but not the one that "
        "was asked for, and whoever reads your file gets neighbours exchanged.",
    ),
    "the sign spills over": (
        _slip(pack=lambda codes: _packed(codes, shift=0, mask=255), sign=_complement),
        "A negative code in the lower half filled the upper half with ones: -1 has all bits set. Add 8 first, so that "
        "every code is a number from 0 to 15 and fits into four bits.",
    ),
    "two's complement": (
        _slip(pack=lambda codes: _packed(codes, shift=0), sign=_complement),
        "You kept the four lowest bits of the code itself, which is two's complement. Other formats do so; the one "
        "that was asked for stores code + 8.",
    ),
    "loses the sign": (
        _slip(sign=lambda numbers: numbers),
        "All codes came back from 0 to 15: they still have the 8 that was added before packing.",
    ),
    "reads two's complement": (
        _slip(sign=_complement),
        "Your bytes are right, and 8 to 15 came back as -8 to -1: that would be two's complement. The bytes hold code "
        "+ 8, so subtract 8 from all of them.",
    ),
    "neighbours exchanged": (
        _slip(unpack=lambda read: _unpacked(read, first_low=False)),
        "Your bytes are right, and neighbours came back exchanged: the first code of a pair is in the lower four bits.",
    ),
    "all first halves, then all second": (
        _slip(unpack=lambda read: torch.cat([read & 15, read >> 4]).to(torch.int8)),
        "Your bytes are right, and all lower halves came back before all upper ones. The two codes of a byte are "
        "neighbours: stack the halves side by side before you flatten.",
    ),
    "one code too many": (
        _slip(cut=False),
        "An odd number of codes came back with one more: what fills the last byte is no code. Cut the result to the "
        "number that was given.",
    ),
    "does not read the file": (
        _not_through,
        "Somebody else's bytes were in the file, and you returned the codes that you had. Return what is in the bytes "
        "that `file` gives back.",
    ),
}


def _cases():
    return [
        (torch.tensor(codes, dtype=torch.int8), _file(stored))
        for codes, other in zip(_CODES, _OTHERS, strict=True)
        for stored in (None, other)
    ]


def _file(stored: tuple[int, ...] | None = None) -> Callable:
    """A file for one call: keeps what is written in `written`, and returns it, or else the bytes of `stored`."""

    def file(packed):
        file.written.append(packed)
        return packed if stored is None else _packed(torch.tensor(stored))

    file.written = []
    return file


def _through(result, codes, file):
    """The bytes that were written, where they are wrong, and otherwise the codes that were read."""
    written, file.written = file.written, []
    if len(written) != 1:
        raise Wrong("no file", f"Call `file` once, with all bytes. You called it {len(written)} times.")
    if not isinstance(written[0], Tensor) or written[0].ndim != 1:
        raise Wrong("no bytes", f"Give `file` a tensor (bytes,), not {type(written[0]).__name__}.")
    if written[0].dtype != torch.uint8:
        raise Wrong("bytes with a sign", _MISTAKES["bytes with a sign"][1])
    if not torch.equal(written[0], _packed(codes)):
        return "bytes", written[0].tolist()
    try:
        return "codes", [int(code) for code in result]
    except (TypeError, ValueError, RuntimeError) as error:
        raise Wrong("not codes", f"Return a tensor of {len(codes)} codes, not {type(result).__name__}.") from error


def _describe(found, right, codes, file):
    what, values = found
    if what == "bytes":
        message = f"The codes {codes.tolist()} gave the bytes {values}, right are {_packed(codes).tolist()}."
    else:
        message = f"From a file with the codes {right[1]} you read {values}."
    return Wrong(f"other {what}", message)


def _lesson(answer, found):
    _, codes = found[0]
    return (
        f"{len(codes)} codes in {len(codes) // 2} bytes, and every one comes back, also from a file that somebody "
        "else has written. Read as float32 they would take eight times as many bytes; the scales of the groups come "
        "on top."
    )


NIBBLES = by_example(
    name="nibbles",
    title="Two codes in a byte",
    task="""
Torch has no type of 4 bits that a CPU computes with, so codes of 4 bits are saved only once they are packed. Write
`through_file(codes, file)`. `codes` is a tensor (n,) of `torch.int8`, each from -8 to 7.

Pack **two codes into each byte** of a tensor of `torch.uint8` with (n + 1) // 2 of them. Store each code as `code + 8`,
a number from 0 to 15. The first of a pair goes into the lower four bits, the second into the upper four, and zeros
where there is no second. Then call `file(packed)`, which writes the bytes and returns the bytes that it reads back.
**Return the n codes in what was read**, negative ones too.
""".strip(),
    answer="through_file",
    stub=_through_file_stub,
    solution=_through_file_solution,
    alternative=_through_file_alternative,
    mistakes=_MISTAKES,
    hints=(
        "What do the bits of -1 look like in an `int8`, and what becomes of them when another code sits beside it? "
        "That is why 8 is added first.",
        "`numbers = (codes + 8).to(torch.uint8)`. With an even number of them, `numbers[0::2] | numbers[1::2] << 4` "
        "are the bytes; with an odd number, append a zero first.",
        "`torch.stack([read & 15, read >> 4], dim=1).flatten()` are the numbers in order. Convert to `torch.int8`, "
        "subtract 8, and cut to `len(codes)`.",
    ),
    cases=_cases,
    describe=_describe,
    lesson=_lesson,
    read=_through,
    same=equal,
)
