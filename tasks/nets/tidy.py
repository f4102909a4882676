"""An ONNX graph in fewer nodes and bytes that computes the same.

A layer's ``emit`` names everything in full and knows nothing of its neighbours. What
layers state alike, what does nothing and long names go here, for every kind of policy:

- Initialisers of the same content, and nodes of the same operator, inputs and
  attributes, stand once. Float tensors of layers, which have a dot in their name, stay
  apart: that two are the same is chance, and a count of weights shall not depend on it.
- ``Identity``, times or by a scalar 1, plus or minus a scalar 0 vanish.
- Nodes and initialisers that no output depends on are dropped, and attributes that
  state an operator's default.
- An initialiser is called by the first letters and the digits of the words of its
  name, so that it is called the same in two files: ``layer0.weight`` is ``l0.w``. A
  value of a node gets a letter or two; nodes have no names of their own.
"""

import re
import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, product
from typing import TYPE_CHECKING

from tasks.nets.graph import FLOAT, Graph

if TYPE_CHECKING:  # files are also opened where importing onnx costs too much
    import onnx

# operators that do nothing with a scalar of this value in second place
IDLE = {"Mul": 1.0, "Div": 1.0, "Add": 0.0, "Sub": 0.0}


def tidied(
    graph: Graph, outputs: Collection[str], kept: Collection[str], opset: int
) -> tuple[list["onnx.NodeProto"], list["onnx.TensorProto"]]:
    """Nodes and initialisers that compute the same.

    Args:
        graph: As layers added to it; it is left as it is.
        outputs: Names of values that come out; they stay.
        kept: Other names that stay, the inputs' among them.
        opset: Of the operators.

    Returns:
        The nodes in the order they run, and the initialisers.
    """
    merged = _Merged(set(outputs) | set(kept))
    for tensor in graph.initialisers:
        merged.take_tensor(tensor)
    for node in graph.nodes:
        merged.take_node(node)
    nodes = _needed(merged.nodes, (merged.now(name) for name in outputs))
    read = {name for node in nodes for name in node.input}
    tensors = [t for name, t in merged.tensors.items() if name in read]
    names = _names(nodes, (t.name for t in tensors), merged)
    for node in nodes:
        _rename(node, names)
        _drop_defaults(node, opset)
    for tensor in tensors:
        tensor.name = names[tensor.name]
    return nodes, tensors


@dataclass
class _Merged:
    """A graph without what stands twice or does nothing.

    Attributes:
        ends: Names that stay.
        tensors: Initialisers by name.
        nodes: In the order they run.
        alias: A name that went -> the one that stands for it.
        called: A value -> the end it is, where the node between them did nothing.
        same: What a node or an initialiser is -> its name.
    """

    ends: set[str]
    tensors: dict[str, "onnx.TensorProto"] = field(default_factory=dict)
    nodes: list["onnx.NodeProto"] = field(default_factory=list)
    alias: dict[str, str] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    same: dict[object, str] = field(default_factory=dict)

    def now(self, name: str) -> str:
        """The name that stands for this one."""
        return self.alias.get(name, name)

    def take_tensor(self, tensor: "onnx.TensorProto") -> None:
        """Add an initialiser, unless there is one of this content."""
        own = "." in tensor.name and tensor.dims and tensor.data_type == FLOAT
        content = (
            tensor.name if own else "",
            tensor.data_type,
            tuple(tensor.dims),
            tensor.raw_data,
        )
        name = self.same.setdefault(content, tensor.name)
        if name != tensor.name:
            self.alias[tensor.name] = name
            return
        self.tensors[name] = copied = type(tensor)()
        copied.CopyFrom(tensor)

    def take_node(self, node: "onnx.NodeProto") -> None:
        """Add a node, unless it does nothing or is there."""
        inputs = [self.now(name) for name in node.input]
        out = node.output[0]
        if len(node.output) == 1 and self._passes(inputs[0], out, node.op_type, inputs):
            self.alias[out] = inputs[0]
            return
        attributes = sorted(a.SerializeToString() for a in node.attribute)
        content = node.op_type, tuple(inputs), tuple(attributes)
        before = self.same.setdefault(content, out)
        if before != out and not self.ends.intersection(node.output):
            self.alias[out] = before
            return
        copied = type(node)()
        copied.CopyFrom(node)
        copied.input[:] = inputs
        self.nodes.append(copied)

    def _passes(self, x: str, out: str, op: str, inputs: list[str]) -> bool:
        """Whether a node gives its input as it is, which can then take its place."""
        if op != "Identity" and not self._idle(op, inputs[1:]):
            return False
        if out not in self.ends:
            return True
        made = any(x in node.output for node in self.nodes)
        if not made or x in self.called or x in self.ends:
            return False
        self.called[x] = out
        return True

    def _idle(self, op: str, others: list[str]) -> bool:
        """Whether the second input is the scalar with which an operator does nothing.

        A scalar alone, as a tensor with axes could widen the first input.
        """
        from onnx import numpy_helper

        tensor = self.tensors.get(others[0]) if op in IDLE else None
        if tensor is None or tensor.dims:
            return False
        return bool(numpy_helper.to_array(tensor) == IDLE[op])


def _needed(
    nodes: list["onnx.NodeProto"], outputs: Iterable[str]
) -> list["onnx.NodeProto"]:
    """Nodes that an output depends on."""
    read, needed = set(outputs), []
    for node in reversed(nodes):
        if read.intersection(node.output):
            needed.append(node)
            read.update(node.input)
    return needed[::-1]


def _names(
    nodes: list["onnx.NodeProto"], tensors: Iterable[str], merged: _Merged
) -> dict[str, str]:
    """What every name becomes."""
    names = {name: name for name in merged.ends} | merged.called
    taken = set(names.values()) | {""}
    for name in tensors:
        short = ".".join(map(_initials, name.split(".")))
        numbered = (f"{short}{'' if n == 1 else f'_{n}'}" for n in count(1))
        names[name] = next(free for free in numbered if free not in taken)
        taken.add(names[name])
    letters = _letters()
    for node in nodes:
        for name in node.output:
            if name not in names:
                names[name] = next(free for free in letters if free not in taken)
    return names


def _initials(name: str) -> str:
    """The first letter and the digits of each word: ``block0_first`` is ``b0f``."""
    words = re.findall(r"[A-Za-z]+|\d+", name)
    return "".join(word if word.isdigit() else word[0] for word in words)


def _letters() -> Iterator[str]:
    """A, b, ... z, A ... Z, aa, ab, ..."""
    for length in count(1):
        for letters in product(string.ascii_letters, repeat=length):
            yield "".join(letters)


def _rename(node: "onnx.NodeProto", names: Mapping[str, str]) -> None:
    node.name = ""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]


def _drop_defaults(node: "onnx.NodeProto", opset: int) -> None:
    """Drop attributes of the value an operator has without them."""
    from onnx import defs

    known = defs.get_schema(node.op_type, opset).attributes
    for i in reversed(range(len(node.attribute))):
        attribute = node.attribute[i]
        default = known[attribute.name].default_value
        if attribute.SerializeToString() == default.SerializeToString():
            del node.attribute[i]
