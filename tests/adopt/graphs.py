"""Small ONNX graphs of other makers."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def weights(*widths: int) -> list[tuple[Any, Any]]:
    """Random layers, W (I, N) and b (N,)."""
    draw = np.random.default_rng(0)
    return [
        (
            draw.standard_normal((i, o)).astype(np.float32),
            draw.standard_normal(o).astype(np.float32),
        )
        for i, o in pairwise(widths)
    ]


class Writer:
    """Nodes one after the other, from ``obs``."""

    def __init__(self, width: int = 3) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.value, self.width = "obs", width

    def add(self, kind: str, *constants: Any, first: bool = True, **more: Any) -> None:
        """A node whose other inputs are constants."""
        names = []
        for constant in constants:
            names.append(f"c{len(self.tensors)}")
            array = np.asarray(constant, np.float32)
            self.tensors.append(numpy_helper.from_array(array, names[-1]))
        out = f"v{len(self.nodes)}"
        inputs = [self.value, *names] if first else [*names, self.value]
        self.nodes.append(helper.make_node(kind, inputs, [out], **more))
        self.value = out

    def model(self) -> onnx.ModelProto:
        """The graph, its last value called ``out``."""
        self.nodes[-1].output[0] = "out"
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width])
            for name, width in (("obs", self.width), ("out", None))
        ]
        body = helper.make_graph(self.nodes, "g", ends[:1], ends[1:], self.tensors)
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(body, opset_imports=opset, ir_version=8)

    def save(self, path: Path) -> Path:
        """Write the graph."""
        path.write_bytes(self.model().SerializeToString())
        return path
