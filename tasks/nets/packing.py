"""Whole numbers of few bits, several in a byte, as ONNX packs INT4 and UINT4.

The first code of a byte lies in its lowest bits. Negative codes are stored in two's
complement. This is the only place that knows the layout: layers keep what ``pack``
gives, so a policy's weights take the bytes in its file that they take here.
"""

import torch
from torch import Tensor, nn


def stored_bits(bits: int) -> int:
    """Bits that a code of 2 to 8 bits takes in an ONNX file: 4 or 8."""
    return 4 if bits <= 4 else 8


def empty(stack: int, count: int, size: int, *, signed: bool) -> Tensor:
    """Zeros that can hold packed codes.

    Args:
        stack: Leading axis S.
        count: Codes a slice, n.
        size: Bits a code takes: 1, 2, 4 or 8.
        signed: Codes may be negative.

    Returns:
        (S, ceil(n size / 8)) uint8; of signed codes of 8 bits int8.
    """
    kind = torch.int8 if signed and size == 8 else torch.uint8
    return torch.zeros(stack, -(-count * size // 8), dtype=kind)


def pack(codes: Tensor, size: int) -> Tensor:
    """Put several codes into each byte.

    Args:
        codes: (S, n), int8 or uint8, that fit into ``size`` bits.
        size: 1, 2, 4 or 8; 8 leaves the codes as they are.

    Returns:
        (S, ceil(n size / 8)) uint8, filled up with zeros.
    """
    if size == 8:
        return codes
    each = 8 // size
    filled = nn.functional.pad(codes, (0, -codes.shape[1] % each))
    low = (filled & (2**size - 1)).to(torch.uint8)
    parts = low.view(len(codes), -1, each) << _shifts(size)
    return parts.sum(-1).to(torch.uint8)


def unpack(packed: Tensor, size: int) -> Tensor:
    """What :func:`pack` packed, as numbers from 0: (S, m) -> (S, 8 m / size) uint8."""
    if size == 8:
        return packed
    return ((packed[..., None] >> _shifts(size)) & (2**size - 1)).flatten(1)


def unpack_signed(packed: Tensor, size: int) -> Tensor:
    """What :func:`pack` packed, in two's complement: (S, m) -> (S, 8 m / size) int8."""
    if size == 8:
        return packed
    sign = 2 ** (size - 1)
    return ((unpack(packed, size).to(torch.int8) ^ sign) - sign).to(torch.int8)


def _shifts(size: int) -> Tensor:
    """By how many bits each code of a byte is shifted."""
    return torch.arange(0, 8, size, dtype=torch.uint8)
