import pytest
import torch

from tasks.nets.packing import empty, pack, stored_bits, unpack, unpack_signed


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_codes_come_back_as_they_went_in(size: int):
    codes = torch.arange(2 * 64).view(2, 64).to(torch.uint8) & (2**size - 1)
    assert torch.equal(unpack(pack(codes, size), size), codes)
    assert pack(codes, size).shape == (2, 64 * size // 8)
    assert size > 1 or pack(codes, 1)[0, 0] == 0b10101010  # the first in the low bit


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [15, 16])
def test_negative_codes_come_back_too(size: int, count: int):
    low, high = -(2 ** (size - 1)), 2 ** (size - 1)
    codes = torch.arange(low, high).repeat(2, 16)[:, :count].to(torch.int8)
    packed = pack(codes, size)
    assert torch.equal(unpack_signed(packed, size)[:, :count], codes)
    zeros = empty(2, count, size, signed=True)
    assert (packed.shape, packed.dtype) == (zeros.shape, zeros.dtype)


def test_the_first_of_two_lies_in_the_low_nibble():
    codes = torch.tensor([[-8, 7, -1]], dtype=torch.int8)
    assert pack(codes, 4).tolist() == [[0x78, 0x0F]]


@pytest.mark.parametrize("bits", range(2, 9))
def test_up_to_four_bits_are_stored_in_four(bits: int):
    assert stored_bits(bits) == (4 if bits < 5 else 8)
