"""TFRecord files of tf.train.Example, read without TensorFlow.

A record is its length (8 bytes), a checksum of that (4), its content and a checksum of
that (4). The checksum is CRC-32C, rotated and shifted by a constant. The content is a
protocol buffer: a map from names to lists of floats, whole numbers or byte strings.
"""

import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError

POLYNOMIAL = 0x82F63B78  # of CRC-32C, bits reversed
MASK = 0xA282EAD8
HEAD = struct.Struct("<QI")
FOOT = struct.Struct("<I")
MEND = "bring the file again, it is damaged"
VARINT, EIGHT, BLOCK, FOUR = 0, 1, 2, 5  # how a value of a protocol buffer is written
KINDS = {1: "bytes", 2: "float", 3: "int64"}  # of lists, by number
Values = NDArray[np.float32] | NDArray[np.int64] | list[bytes]


def records(path: Path) -> Iterator[bytes]:
    """Contents of a file's records, one by one.

    Raises:
        RefusedError: If one is cut short or its checksum is another; names its number.
    """
    size, number = path.stat().st_size, 0
    with path.open("rb") as stream:
        while head := stream.read(HEAD.size):
            where = f"record {number}"
            if len(head) < HEAD.size:
                raise RefusedError(path, where, "its end is missing", "all of it", MEND)
            length, stated = HEAD.unpack(head)
            _check(path, where, head[:8], stated)
            rest = size - stream.tell() - FOOT.size
            if length > rest:
                found, expected = f"{length} bytes", f"at most {max(rest, 0)}"
                raise RefusedError(path, where, found, expected, MEND)
            content = stream.read(length)
            (stated,) = FOOT.unpack(stream.read(FOOT.size))
            _check(path, where, content, stated)
            yield content
            number += 1


def _check(path: Path, where: str, content: bytes, stated: int) -> None:
    if (computed := masked_crc(content)) != stated:
        found, expected = f"checksum {computed:#010x}", f"{stated:#010x}, as stated"
        raise RefusedError(path, where, found, expected, MEND)


def masked_crc(content: bytes) -> int:
    """The checksum of TFRecord files."""
    crc = _crc32c()(np.frombuffer(content, np.uint8), _table())
    return (((crc >> 15) | (crc << 17)) + MASK) & 0xFFFFFFFF


@cache
def _table() -> NDArray[np.uint32]:
    """What a byte does to a checksum."""
    values: NDArray[np.uint32] = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        odd = (values & 1).astype(bool)
        values = (values >> np.uint32(1)) ^ np.where(odd, POLYNOMIAL, 0).astype("u4")
    return values


@cache
def _crc32c() -> Callable[[NDArray[np.uint8], NDArray[np.uint32]], int]:
    """CRC-32C of bytes, compiled on first use: in Python a megabyte takes 0.2 s."""
    import numba

    def crc32c(content: NDArray[np.uint8], table: NDArray[np.uint32]) -> int:
        crc = np.uint32(0xFFFFFFFF)
        for byte in content:
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> np.uint32(8))
        return int(crc ^ np.uint32(0xFFFFFFFF))

    return cast("Any", numba.njit(crc32c))


def example(content: bytes) -> dict[str, Values]:
    """A tf.train.Example as lists by name.

    Raises:
        ValueError: If it is none.
    """
    features: dict[str, Values] = {}
    for number, _, block in _fields(memoryview(content)):
        if number != 1:
            continue
        for _, _, entry in _fields(_block(block)):
            name, values = _entry(_block(entry))
            features[name] = values
    return features


def _entry(block: memoryview) -> tuple[str, Values]:
    """A name and its list."""
    name, values = "", cast("Values", [])
    for number, _, value in _fields(block):
        if number == 1:
            name = bytes(_block(value)).decode()
        elif number == 2:
            for kind, _, part in _fields(_block(value)):
                values = _list(KINDS.get(kind, ""), _block(part))
    return name, values


def _list(kind: str, block: memoryview) -> Values:
    """The values of a list; floats and whole numbers lie packed or one by one."""
    if kind not in KINDS.values():
        raise ValueError("a list of unknown kind")
    if kind == "bytes":
        return [bytes(_block(value)) for _, _, value in _fields(block)]
    parts: list[NDArray[Any]] = []
    for number, way, value in _fields(block):
        if number != 1:
            raise ValueError(f"field {number} of a list")
        if kind == "float":
            numbers = _block(value)
            if way not in (BLOCK, FOUR) or len(numbers) % 4:
                raise ValueError("floats of another size than four bytes")
            parts.append(np.frombuffer(numbers, "<f4"))
        elif way == VARINT:
            parts.append(np.array([value], np.uint64).view(np.int64))
        else:
            parts.append(_varints(np.frombuffer(_block(value), np.uint8)))
    empty = np.empty(0, np.float32 if kind == "float" else np.int64)
    return np.concatenate([empty, *parts]) if len(parts) != 1 else parts[0]


def _varints(content: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Whole numbers of seven bits a byte, the lowest first; the last byte is < 128."""
    last = content < 128
    if not len(content):
        return np.empty(0, np.int64)
    stops = np.flatnonzero(last) + 1
    if not last[-1]:
        raise ValueError("a whole number without an end")
    starts = np.concatenate([[0], stops[:-1]])
    lengths = stops - starts
    if lengths.max() > 10:
        raise ValueError("a whole number of more than 64 bits")
    values = np.zeros(len(stops), np.uint64)
    for place in range(int(lengths.max())):
        longer = lengths > place
        bits = (content[starts[longer] + place] & 127).astype(np.uint64)
        values[longer] |= bits << np.uint64(7 * place)
    return values.view(np.int64)


def _block(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise TypeError("a number instead of a block")
    return value


def _fields(block: memoryview) -> Iterator[tuple[int, int, memoryview | int]]:
    """Number, way of writing and value of each field of a protocol buffer."""
    at = 0
    while at < len(block):
        tag, at = _varint(block, at)
        way = tag & 7
        if way == VARINT:
            value, at = _varint(block, at)
            yield tag >> 3, way, value
            continue
        if way == BLOCK:
            length, at = _varint(block, at)
        elif way in (FOUR, EIGHT):
            length = 4 if way == FOUR else 8
        else:
            raise ValueError(f"a field written in way {way}")
        if length > len(block) - at:
            raise ValueError("a field longer than its block")
        yield tag >> 3, way, block[at : at + length]
        at += length


def _varint(block: memoryview, at: int) -> tuple[int, int]:
    """A whole number at a place, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(block):
            raise ValueError("a whole number without an end")
        byte = block[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise ValueError("a whole number of more than 64 bits")
