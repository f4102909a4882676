"""One layer as an ONNX model of its own."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tasks.nets.graph import Graph

torch.set_num_threads(1)


def layer_model(layer: Any, k: int) -> onnx.ModelProto:
    """Input x (batch, I), output that of the layer; opset 21, IR 10."""
    graph = Graph()
    out = layer.emit(graph, "x", k, "layer0")
    widths = {"x": layer.inputs, out: layer.outputs}
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
        for name, width in widths.items()
    ]
    body = helper.make_graph(
        graph.nodes, "layer", values[:1], values[1:], initializer=graph.initialisers
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    return model


def run_layer(
    layer: Any, x: NDArray[np.float32], k: int, mode: str, save: str = ""
) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if mode == "exact":
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if save:
        options.optimized_model_filepath = save
    session = onnxruntime.InferenceSession(
        layer_model(layer, k).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )
    return session.run(None, {"x": x})[0]
