"""What single nodes of a chain do, as steps that numpy can take too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tasks.artifacts.errors import RefusedError

MEND = "export the actor alone as Gemm, Relu and Tanh, or adopt the trainer's own file"
# nodes that change no number of a batch of rows
SAME = (
    "Identity",
    "Flatten",
    "Cast",
    "Expand",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Dropout",
)
BETWEEN = {"Relu": "relu", "Tanh": "tanh", "ArgMax": "argmax"}


@dataclass(frozen=True)
class Step:
    """One step of a chain.

    Attributes:
        kind: ``affine`` (x W + b), ``scale`` (x * first + second), ``relu``, ``tanh``,
            ``clip`` (to first..second) or ``argmax``.
        first: W (I, N), the factor, or the lower end; of others empty.
        second: b (N,), what is added, or the upper end; likewise.
    """

    kind: str
    first: NDArray[np.float64]
    second: NDArray[np.float64]


EMPTY = np.zeros(0)


def refused(path: Path, field: str, found: Any, expected: Any) -> RefusedError:
    """The error of a foreign file, with the mend that fits most of them."""
    return RefusedError(path, field, found, expected, MEND)


class Reader:
    """Turns nodes into steps.

    Args:
        path: The file, for errors.
        model: Whose constants the nodes name.
    """

    def __init__(self, path: Path, model: onnx.ModelProto) -> None:
        self.path = path
        self.tensors = {t.name: t for t in model.graph.initializer}
        self.made_by = {name: node for node in model.graph.node for name in node.output}

    def step(self, node: onnx.NodeProto, value: str) -> Step | None:
        """What a node does with a value; None if that is nothing."""
        kind = node.op_type
        if kind in SAME:
            return None
        if kind in BETWEEN:
            return Step(BETWEEN[kind], EMPTY, EMPTY)
        if kind in ("Gemm", "MatMul") and node.input[0] == value:
            return self._affine(node)
        if kind == "Clip":
            given = {a.name: np.float64(a.f) for a in node.attribute}
            ends = [self.array(name) if name else None for name in node.input[1:3]]
            ends += [None] * (2 - len(ends))
            low, high = (
                np.asarray(end if end is not None else given.get(key, infinite))
                for end, key, infinite in zip(
                    ends, ("min", "max"), (-np.inf, np.inf), strict=True
                )
            )
            return Step("clip", low.reshape(-1), high.reshape(-1))
        if kind in ("Add", "Sub", "Mul", "Div"):
            return self._scale(node, value)
        found = f"node {node.name or kind:.80}, {kind}"
        expected = "Gemm, MatMul, Add, Sub, Mul, Div, Relu, Tanh or Clip"
        raise refused(self.path, "graph", found, expected)

    def _affine(self, node: onnx.NodeProto) -> Step:
        """A Gemm or MatMul whose second input is constant."""
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        weight = self.array(node.input[1])
        if weight.ndim != 2 or options.get("transA", 0):
            found = f"a matrix of shape {weight.shape}"
            raise refused(self.path, f"node {node.name}", found, "(I, N)")
        if options.get("transB", 0):
            weight = weight.T
        weight = weight * options.get("alpha", 1.0)
        bias = np.zeros(weight.shape[1])
        if len(node.input) > 2 and node.input[2]:
            bias = bias + self.array(node.input[2]).reshape(-1) * options.get("beta", 1)
        return Step("affine", weight, bias)

    def _scale(self, node: onnx.NodeProto, value: str) -> Step:
        """A number, or one a column, that is added, multiplied ..."""
        kind, first = node.op_type, node.input[0] == value
        other = self.array(node.input[1 if first else 0])
        if other.size != other.shape[-1] if other.ndim else False:
            found = f"numbers of shape {other.shape}"
            raise refused(self.path, f"node {node.name}", found, "one a column")
        other = other.reshape(-1)
        zero, ones = np.zeros_like(other), np.ones_like(other)
        if kind == "Add":
            return Step("scale", ones, other)
        if kind == "Sub":
            return Step("scale", ones if first else -ones, -other if first else other)
        if kind == "Mul":
            return Step("scale", other, zero)
        if not first or not (other != 0).all():
            found = "a division by what the network gives, or by 0"
            raise refused(self.path, f"node {node.name}", found, "by numbers")
        return Step("scale", 1 / other, zero)

    def array(self, name: str) -> NDArray[np.float64]:
        """A constant's numbers."""
        if name in self.tensors:
            return numpy_helper.to_array(self.tensors[name]).astype(np.float64)
        node = self.made_by[name]
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant" and "value" in options:
            return numpy_helper.to_array(options["value"]).astype(np.float64)
        if node.op_type == "Constant" and "value_float" in options:
            return np.array(options["value_float"], np.float64)
        if node.op_type == "Transpose" and list(options.get("perm", (1, 0))) == [1, 0]:
            return self.array(node.input[0]).T
        if node.op_type in ("Identity", "Cast"):
            return self.array(node.input[0])
        found = f"a constant of {node.op_type}"
        raise refused(self.path, f"value {name:.80}", found, "numbers")


def run(steps: Sequence[Step], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the steps make of rows (B, O): (B, N)."""
    for step in steps:
        if step.kind == "affine":
            x = x @ step.first + step.second
        elif step.kind == "scale":
            x = x * step.first + step.second
        elif step.kind == "clip":
            x = np.clip(x, step.first, step.second)
        elif step.kind == "argmax":
            x = x.argmax(-1, keepdims=True).astype(np.float64)
        else:
            x = np.maximum(x, 0) if step.kind == "relu" else np.tanh(x)
    return x
