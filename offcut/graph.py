"""An ONNX model as plain values: nodes, constants, inputs and outputs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offcut.wire import Message

FLOAT, UINT8, INT8, INT32, INT64, BOOL = 1, 2, 3, 6, 7, 9
FLOAT16, DOUBLE, UINT32, UINT64, UINT4, INT4 = 10, 11, 12, 13, 21, 22
# how the bytes of a tensor are read, and in which field its numbers lie otherwise
RAW = {
    FLOAT: "<f4",
    UINT8: "u1",
    INT8: "i1",
    4: "<u2",
    5: "<i2",
    INT32: "<i4",
    INT64: "<i8",
    BOOL: "?",
    FLOAT16: "<f2",
    DOUBLE: "<f8",
    UINT32: "<u4",
    UINT64: "<u8",
}
HALF_BYTES = {UINT4: (0, "u1"), INT4: (8, "i1")}
ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_TENSOR = 1, 2, 4


@dataclass(frozen=True)
class Tensor:
    """A constant; its numbers are decoded when they are asked for."""

    name: str
    kind: int
    dims: tuple[int, ...]
    message: Message

    @property
    def external(self) -> str | None:
        """Where its data lies outside the file, None if it does not."""
        entries = self.message.messages(13)
        if not entries and self.message.number(14) != 1:
            return None
        return {e.text(1): e.text(2) for e in entries}.get("location", "another file")

    @property
    def fills(self) -> bool:
        """Whether its bytes can hold its shape; a byte has four numbers at most."""
        whole = all(size >= 0 for size in self.dims)
        return whole and math.prod(self.dims) <= 4 * self.message.size

    def array(self) -> NDArray[Any]:
        """Its numbers, in its shape; 4-bit codes one a byte.

        Raises:
            ValueError: If the data is not of that type and shape.
        """
        count = math.prod(self.dims)
        raw = self.message.blocks(9)
        if self.kind in HALF_BYTES:
            packed = np.frombuffer(raw[-1], "u1") if raw else self._apart("u1")
            codes = np.stack([packed & 15, packed >> 4], axis=1).ravel()
            if len(packed) != (count + 1) // 2:
                raise ValueError(f"{len(packed)} bytes of 4-bit codes for {count}")
            bias, kind = HALF_BYTES[self.kind]
            signed = ((codes[:count] ^ bias).astype("i1") - bias).astype(kind)
            return np.asarray(signed.reshape(self.dims))
        if self.kind not in RAW:
            raise ValueError(f"a tensor of ONNX type {self.kind}")
        dtype = np.dtype(RAW[self.kind])
        values = np.frombuffer(raw[-1], dtype) if raw else self._apart(dtype)
        return np.asarray(values.reshape(self.dims))

    def _apart(self, dtype: Any) -> NDArray[Any]:
        """Numbers that lie in a field of their type rather than as bytes."""
        dtype = np.dtype(dtype)
        if dtype == np.float32:
            return np.array(self.message.floats(4), dtype)
        if dtype == np.float16:
            return np.array(self.message.numbers(5), "<u2").view(dtype)
        if dtype == np.float64:
            blocks = self.message.fields.get(10, [])
            parts = [
                b.to_bytes(8, "little") if isinstance(b, int) else bytes(b)
                for b in blocks
            ]
            return np.frombuffer(b"".join(parts), dtype)
        field = {"<i8": 7, "<u8": 11, "<u4": 11}.get(dtype.str, 5)
        return np.array(self.message.numbers(field)).astype(dtype)


@dataclass(frozen=True)
class Attribute:
    """A value that a node has by name; ``message`` holds it."""

    name: str
    kind: int
    message: Message

    def number(self) -> float:
        """Of a float or whole number."""
        if self.kind == ATTRIBUTE_FLOAT:
            return (self.message.floats(2) or [0.0])[-1]
        return self.message.number(3)

    def tensors(self) -> list[Tensor]:
        """Those it holds."""
        alone = self.message.message(5)
        listed = self.message.messages(10)
        return [_tensor(m) for m in ([alone] if alone else []) + listed]

    @property
    def nested(self) -> bool:
        """Whether it holds a graph, a sparse tensor or a type."""
        return any(self.message.fields.get(n) for n in (6, 11, 14, 15, 22, 23))


@dataclass(frozen=True)
class Node:
    """One operation."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]

    def number(self, name: str, default: float) -> float:
        """An attribute that is a number."""
        attribute = self.attributes.get(name)
        return default if attribute is None else attribute.number()


@dataclass(frozen=True)
class Value:
    """An input or output: its element type and shape, 0 where a size is open."""

    name: str
    kind: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """What an ONNX file holds.

    Attributes:
        metadata: Text by key.
        opset: Of the standard operators and others, the highest.
        forbidden: What of operators defined in the file, steps of a training and
            sparse tensors there is.
    """

    ir: int
    opset: int
    producer: str
    metadata: dict[str, str]
    nodes: tuple[Node, ...]
    tensors: dict[str, Tensor]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    forbidden: tuple[str, ...]


def read_model(data: bytes) -> Model:
    """Read a model from the bytes of its file.

    Raises:
        ValueError: If they are none, or hold twice what belongs there once.
    """
    model = Message(data)
    graph = model.message(7)
    if graph is None:
        raise ValueError("no graph")
    tensors = [_tensor(message) for message in graph.messages(5)]
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        raise ValueError("a constant twice")
    entries = [(m.text(1), m.text(2)) for m in model.messages(14)]
    if len(dict(entries)) < len(entries):
        raise ValueError("a key of the metadata twice")
    forbidden = (
        ("an operator defined in the file", model, 25),
        ("steps of a training", model, 20),
        ("a sparse tensor", graph, 15),
    )
    return Model(
        ir=model.number(1),
        opset=max((m.number(2) for m in model.messages(8)), default=0),
        producer=model.text(2),
        metadata=dict(entries),
        nodes=tuple(_node(message) for message in graph.messages(1)),
        tensors=dict(zip(names, tensors, strict=True)),
        inputs=_values(graph.messages(11)),
        outputs=_values(graph.messages(12)),
        forbidden=tuple(kind for kind, m, field in forbidden if m.fields.get(field)),
    )


def _tensor(message: Message) -> Tensor:
    dims = tuple(message.numbers(1))
    return Tensor(message.text(8), message.number(2), dims, message)


def _node(message: Message) -> Node:
    attributes = {}
    for part in message.messages(5):
        attribute = Attribute(part.text(1), part.number(20), part)
        if attribute.name in attributes:
            raise ValueError(f"the attribute {attribute.name} twice")
        attributes[attribute.name] = attribute
    return Node(
        op=message.text(4),
        domain=message.text(7),
        name=message.text(3),
        inputs=tuple(message.texts(1)),
        outputs=tuple(message.texts(2)),
        attributes=attributes,
    )


def _values(messages: Sequence[Message]) -> tuple[Value, ...]:
    """Names, types and shapes; a value that is no tensor has the type 0."""
    values = []
    for message in messages:
        kind, shape = 0, None
        if (described := message.message(2)) and (tensor := described.message(1)):
            kind, shape = tensor.number(1), tensor.message(2)
        dims = [] if shape is None else [d.number(1) for d in shape.messages(1)]
        values.append(Value(message.text(1), kind, tuple(dims)))
    return tuple(values)
