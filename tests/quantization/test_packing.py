"""Codes in bytes: there and back at every width and length, and the very bits that numpy packs."""

import inspect

import numpy as np
import pytest
import torch

from mobilellm_lab.quantization import BITS, Grid, pack, packed_bytes, unpack

LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 40, 41, 96, 121)


def codes_of(bits: int | float, *shape: int) -> torch.Tensor:
    """Any codes of this width, the smallest and the largest among the first."""
    grid, generator = Grid(bits=bits), torch.Generator().manual_seed(3)
    values = torch.tensor([-1, 1]) if bits == 1 else torch.arange(grid.low, grid.high + 1)
    codes = values[torch.randint(len(values), shape, generator=generator)].to(torch.int8)
    codes.view(-1)[: min(2, codes.numel())] = torch.tensor([grid.low, grid.high])[: codes.numel()].to(torch.int8)
    return codes


@pytest.mark.parametrize("bits", BITS)
def test_what_is_packed_comes_back(bits):
    for length in LENGTHS:
        for shape in ((length,), (3, length), (2, 3, length)):
            codes = codes_of(bits, *shape)
            kept, data = codes.clone(), pack(codes, bits)
            assert data.shape == (*shape[:-1], packed_bytes(length, bits)) and data.dtype == torch.uint8
            assert torch.equal(unpack(data, bits, length), codes) and unpack(data, bits, length).dtype == torch.int8
            assert torch.equal(codes, kept) and data.is_contiguous()


@pytest.mark.parametrize("bits", BITS)
def test_rows_do_not_share_a_byte_and_no_layout_matters(bits):
    codes = codes_of(bits, 6, 13)
    data = pack(codes, bits)
    assert all(torch.equal(data[i], pack(codes[i].clone(), bits)) for i in range(6))
    assert torch.equal(unpack(data[4:5], bits, 13), codes[4:5])
    assert torch.equal(pack(codes.t().contiguous().t(), bits), data)


@pytest.mark.parametrize("bits", [bits for bits in BITS if bits != 1.58])
def test_the_bits_are_those_of_numpy(bits):
    """A little-endian stream: the first code is in the lowest bits of the first byte."""
    for length in LENGTHS:
        codes = codes_of(bits, length).numpy()
        unsigned = (codes + 1) // 2 if bits == 1 else codes.astype(int) + 2 ** (bits - 1)
        stream = np.unpackbits(unsigned.astype(np.uint8)[:, None], axis=1, bitorder="little")[:, :bits]
        assert pack(torch.tensor(codes), bits).tolist() == np.packbits(stream, bitorder="little").tolist()


def test_ternary_digits_are_a_number_to_base_three():
    for length in LENGTHS:
        codes = codes_of(1.58, length)
        digits = "".join(str(code + 1) for code in codes.tolist())
        expected = [int(digits[i : i + 5][::-1], 3) for i in range(0, length, 5)]
        assert pack(codes, 1.58).tolist() == expected


def test_layout_by_hand():
    codes = torch.tensor([-8, 7, 0, -1], dtype=torch.int8)
    assert pack(codes, 4).tolist() == [0xF0, 0x78]  # two to a byte, 8 added, the first in the lower half
    assert pack(torch.tensor([-2, -1, 0, 1, 1], dtype=torch.int8), 2).tolist() == [0b11_10_01_00, 0b11]
    assert pack(torch.tensor([1, -1, 1, 1], dtype=torch.int8), 1).tolist() == [0b1101]
    assert pack(torch.tensor([1, 1, 1, 1, 1, -1], dtype=torch.int8), 1.58).tolist() == [242, 0]
    assert pack(torch.tensor([-128, 127, 0], dtype=torch.int8), 8).tolist() == [0, 255, 128]


@pytest.mark.parametrize(
    ("bits", "count", "size"),
    [(4, 2, 1), (4, 3, 2), (2, 4, 1), (2, 5, 2), (1, 8, 1), (1, 9, 2), (1.58, 5, 1), (1.58, 6, 2), (8, 7, 7)]
    + [(3, 8, 3), (3, 9, 4), (5, 8, 5), (6, 4, 3), (7, 8, 7), (7, 1, 1)],
)
def test_bytes_of_so_many_codes(bits, count, size):
    assert packed_bytes(count, bits) == size == pack(codes_of(bits, count), bits).numel()


@pytest.mark.parametrize("bits", [bits for bits in BITS if bits != 8])  # an int8 has no code beyond 8 bits
def test_a_code_beyond_the_width_is_refused(bits):
    grid = Grid(bits=bits)
    for bad in (grid.low - 1, grid.high + 1, -128, 127, *([0] if bits == 1 else [])):
        codes = codes_of(bits, 9)
        codes[4] = bad
        with pytest.raises(ValueError, match=rf"bits={bits}: codes .*do not fit"):
            pack(codes, bits)


@pytest.mark.parametrize("bits", BITS)
def test_another_number_of_bytes_is_refused(bits):
    data = pack(codes_of(bits, 41), bits)
    for wrong in (data[:-1], torch.cat((data, data[:1]))):
        with pytest.raises(
            ValueError, match=f"count=41, bits={bits}: they take {len(data)} bytes and {len(wrong)} are"
        ):
            unpack(wrong, bits, 41)


def test_a_width_without_a_packing_is_refused():
    for call in (
        lambda: packed_bytes(4, 16),
        lambda: pack(codes_of(8, 4), 2.5),
        lambda: unpack(pack(codes_of(8, 4), 8), 0, 4),
    ):
        with pytest.raises(ValueError, match=r"bits=.*choose one of 1, 1.58, 2, 3"):
            call()


def test_codes_of_another_type_are_refused():
    with pytest.raises(ValueError, match="codes are torch.float32: give torch.int8"):
        inspect.unwrap(pack)(torch.ones(2, 4), 4)  # types are checked in tests only
