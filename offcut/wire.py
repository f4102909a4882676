"""Protocol buffers as bytes: the fields of a message, without a schema.

An ONNX file is one such message. This reads what a check must know of it and needs no
library; a message lies in its parent's bytes, and nothing is copied until it is asked
for. A message that stands twice where one belongs is not merged but refused, since two
readers might see two different files.
"""

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = int | memoryview


class Message:
    """The fields of a message by number, each a list in the order of the file.

    Args:
        data: Its bytes.

    Raises:
        ValueError: If the bytes are cut or no message.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self.size = len(data)
        self.fields: dict[int, list[Value]] = {}
        for number, value in _fields(memoryview(data)):
            self.fields.setdefault(number, []).append(value)

    def numbers(self, number: int) -> list[int]:
        """Whole numbers, packed or apart; negative ones are of 64 bits."""
        values: list[int] = []
        for value in self.fields.get(number, []):
            if isinstance(value, int):
                values.append(value)
                continue
            place = 0
            while place < len(value):
                digit, place = _varint(value, place)
                values.append(digit)
        return [v - 2**64 if v >= 2**63 else v for v in values]

    def number(self, number: int) -> int:
        """The last whole number of a field, 0 if there is none."""
        return (self.numbers(number) or [0])[-1]

    def floats(self, number: int) -> list[float]:
        """Numbers of 32 bits, packed or apart."""
        values: list[float] = []
        for value in self.fields.get(number, []):
            part = value.to_bytes(4, "little") if isinstance(value, int) else value
            if len(part) % 4:
                raise ValueError("floats that are cut")
            values += struct.unpack(f"<{len(part) // 4}f", part)
        return values

    def blocks(self, number: int) -> list[memoryview]:
        """The bytes of every entry of a field."""
        values = self.fields.get(number, [])
        blocks = [value for value in values if isinstance(value, memoryview)]
        if len(blocks) < len(values):
            raise ValueError(f"a number in field {number}, where bytes belong")
        return blocks

    def texts(self, number: int) -> list[str]:
        """Every entry of a field as text in UTF-8."""
        return [str(block, "utf-8") for block in self.blocks(number)]

    def text(self, number: int) -> str:
        """The last text of a field, empty if there is none."""
        return (self.texts(number) or [""])[-1]

    def messages(self, number: int) -> list["Message"]:
        """The messages of a field that may stand any number of times."""
        return [Message(block) for block in self.blocks(number)]

    def message(self, number: int) -> "Message | None":
        """The message of a field that stands once at most."""
        present = self.messages(number)
        if len(present) > 1:
            raise ValueError(f"field {number} twice")
        return present[0] if present else None


def _fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of every field."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if not number:
            raise ValueError("a field of number 0")
        if kind == VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == BYTES:
            length, place = _varint(data, place)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"a field of kind {kind}")
        if place + length > len(data):
            raise ValueError("bytes that are cut")
        block, place = data[place : place + length], place + length
        yield number, block if kind == BYTES else int.from_bytes(block, "little")


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("a number that is cut")
        byte, place = data[place], place + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), place
    raise ValueError("a number of more than 64 bits")
