"""The chain of nodes between an input and an output of an ONNX graph.

Nodes beside the chain, such as a value network, are left out, and of what is left the
checks of every ONNX file are asked: no data outside the file, finite numbers, bounded
sizes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from tasks.adopt.foreign_onnx.steps import Reader, Step, refused, run
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_check import KEY
from tasks.artifacts.onnx_graph import check_graph

LARGEST = 2**30  # bytes of a file
MOST = 1000  # nodes of a chain
# nodes that give a value another shape, which may follow from that of another value;
# in a chain of rows they do nothing, or widths do not fit
SHAPED = ("Expand", "Reshape")


def read_chain(path: Path, start: str, end: str) -> list[Step]:
    """The steps from an input to an output, in the order they run.

    Args:
        path: The file.
        start: Name of the input.
        end: Name of the output.

    Raises:
        RefusedError: If the file is no ONNX graph, states a contract of this project,
            has no such input and output, or other nodes lie between them.
    """
    model = open_model(path)
    graph = model.graph
    for what, name, values in (
        ("input", start, graph.input),
        ("output", end, graph.output),
    ):
        names = [value.name for value in values]
        if name not in names:
            raise refused(path, what, name, f"one of {', '.join(names):.200}")
    nodes = _between(path, model, start, end)
    pruned = _pruned(model, nodes, start, end)
    _check(path, pruned)
    read = Reader(path, model)
    steps, value = [], start
    for node in nodes:
        step = read.step(node, value)
        if step is not None:
            steps.append(step)
        value = node.output[0]
    _compare(path, pruned, steps, start)
    return steps


def open_model(path: Path) -> onnx.ModelProto:
    """Parse a file that must not be one of this project.

    Raises:
        RefusedError: If it is none, is too large, or states a contract: parity, hashes
            and seed are measured where a file is made, and never believed.
    """
    if path.stat().st_size > LARGEST:
        found = f"{path.stat().st_size} bytes"
        raise refused(path, "size", found, f"at most {LARGEST}")
    try:
        model = onnx.load_from_string(path.read_bytes())
        names = [entry.key for entry in model.metadata_props]
    except Exception as error:  # protobuf raises several kinds
        raise refused(path, "content", error, "an ONNX model") from None
    if KEY in names:
        raise RefusedError(
            path,
            KEY,
            "a contract, as of a file that this project exports",
            "none: parity, hashes and seed are measured, and never believed",
            "export the network again without it, and say its conventions in OPTIONS",
        )
    outside = [t.name for t in model.graph.initializer if t.external_data]
    if outside:
        found = f"data outside the file, of {outside[0]:.80}"
        mend = "save it with external_data=False"
        raise RefusedError(path, "initialisers", found, "all inside", mend)
    if not model.graph.node:
        raise refused(path, "content", "no nodes", "an ONNX model")
    return model


def _between(
    path: Path, model: onnx.ModelProto, start: str, end: str
) -> list[onnx.NodeProto]:
    """The nodes of the chain, found from its end."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    known = constants_of(model)
    chain: list[onnx.NodeProto] = []
    value = end
    while value != start:
        node = made_by.get(value)
        if node is None or len(chain) > MOST:
            raise refused(path, "graph", f"{value:.80} from elsewhere", f"from {start}")
        given = node.input[:1] if node.op_type in SHAPED else node.input
        inputs = [name for name in given if name and name not in known]
        if len(inputs) != 1 or node.output[0] != value:
            found = f"node {node.name or node.op_type:.80} of {len(inputs)} values"
            raise refused(path, "graph", found, "nodes of one value each")
        chain.append(node)
        value = inputs[0]
    return chain[::-1]


def constants_of(model: onnx.ModelProto) -> set[str]:
    """Names of values that do not depend on the inputs."""
    known = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if all(name in known for name in node.input if name):
            known.update(node.output)
    return known


def _pruned(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], start: str, end: str
) -> onnx.ModelProto:
    """The chain as a model of its own, any batch, with the constants it needs."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    nodes = [
        helper.make_node("Identity", node.input[:1], node.output)
        if node.op_type in SHAPED
        else node
        for node in nodes
    ]
    wanted = [name for node in nodes for name in node.input]
    done = {name for node in nodes for name in node.output}
    before: list[onnx.NodeProto] = []  # what gives constants, the last first
    names = set()
    while wanted:
        name = wanted.pop()
        names.add(name)
        node = made_by.get(name)
        if node is not None and name not in done:
            done.update(node.output)
            before.append(node)
            wanted += node.input
    constants = [node for node in model.graph.node if node in before]
    own = next(value for value in model.graph.input if value.name == start)
    dims = own.type.tensor_type.shape.dim
    shape = ["batch", *(dim.dim_value or None for dim in dims[1:])]
    inputs = [helper.make_tensor_value_info(start, TensorProto.FLOAT, shape)]
    outputs = [onnx.ValueInfoProto(name=end)]
    tensors = [t for t in model.graph.initializer if t.name in names]
    body = helper.make_graph([*constants, *nodes], "chain", inputs, [], tensors)
    body.output.extend(outputs)
    return helper.make_model(
        body, opset_imports=model.opset_import, ir_version=min(model.ir_version, 10)
    )


def _check(path: Path, model: onnx.ModelProto) -> None:
    """Ask the checks of every ONNX file; what they say of a mend is of our own."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    try:
        check_graph(path, copy)
    except RefusedError as error:
        raise refused(path, error.field, error.found, error.expected) from None


def _compare(
    path: Path, model: onnx.ModelProto, steps: Sequence[Step], start: str
) -> None:
    """Refuse steps that do not give what onnxruntime gives, row by row."""
    import onnxruntime  # a second, which most refusals do not need

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    width = next((len(s.first) for s in steps if s.kind == "affine"), 0)
    rows = 3 * np.random.default_rng(0).standard_normal((64, width))
    rows = rows.astype(np.float32)
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        outputs = [session.run(None, {start: row[None]})[0] for row in rows]
        theirs = np.concatenate([np.asarray(y).reshape(1, -1) for y in outputs])
        ours = run(steps, rows.astype(np.float64))
    except Exception as error:  # onnxruntime and numpy raise several kinds
        raise refused(path, "graph", error, "a chain of layers") from None
    if ours.shape != theirs.shape:
        raise refused(path, "graph", f"outputs {theirs.shape}", ours.shape)
    difference = float((np.abs(ours - theirs) / np.maximum(1, np.abs(ours))).max())
    if not difference <= 1e-5:
        found = f"values that differ by {difference:.3g} from those of the steps read"
        raise refused(path, "graph", found, "at most 1e-5")
