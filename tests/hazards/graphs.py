"""ONNX files: more than plain arithmetic, contracts that are not the file's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.hazards.case import EVALUATE, GENERATE, PROFILE, Action, Case, nothing
from tests.hazards.datasets import WORDS
from tests.hazards.edits import ABSENT, ONNX, contract, cut, entry, flip, model, text

FLOAT = TensorProto.FLOAT
BEHAVIOR = Path("data/behaviors/pendulum/expert.onnx")


def plus(kind: str, domain: str = "", **attributes: Any) -> Action:
    """Add what a node gives, times nothing, to the action."""

    def edit(graph: onnx.ModelProto) -> None:
        last = graph.graph.output[0].name
        for node in graph.graph.node:
            node.output[:] = ["action_before" if o == last else o for o in node.output]
        takes = [] if kind.startswith(("Random", "Constant")) else ["action_before"]
        node = helper.make_node(kind, takes, ["more"], domain=domain, **attributes)
        add = helper.make_node("Add", ["action_before", "more"], [last])
        graph.graph.node.extend([node, add])
        if domain:
            graph.opset_import.append(helper.make_opsetid(domain, 1))

    return model(edit)


def function(graph: onnx.ModelProto) -> None:
    """A function of the file's own."""
    body = [helper.make_node("Identity", ["x"], ["y"])]
    opset = [helper.make_opsetid("", 21)]
    own = helper.make_function("own", "Twice", ["x"], ["y"], body, opset)
    graph.functions.append(own)
    graph.opset_import.append(helper.make_opsetid("own", 1))


def standard_function(graph: onnx.ModelProto) -> None:
    """A function that takes the name of a standard operator."""
    body = [helper.make_node("Neg", ["x"], ["y"])]
    opset = [helper.make_opsetid("", 21)]
    graph.functions.append(helper.make_function("", "Tanh", ["x"], ["y"], body, opset))


def external(place: str) -> Action:
    """Weights in another file."""

    def edit(graph: onnx.ModelProto) -> None:
        tensor = graph.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=place)

    return model(edit)


def looping(graph: onnx.ModelProto) -> None:
    """A loop of 10^12 rounds."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Identity", ["x"], ["y"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", FLOAT, None),
        ],
    )
    last = graph.graph.output[0].name
    for node in graph.graph.node:
        node.output[:] = ["before" if o == last else o for o in node.output]
    rounds = numpy_helper.from_array(np.array(10**12), "rounds")
    graph.graph.initializer.append(rounds)
    node = helper.make_node("Loop", ["rounds", "", "before"], [last], body=body)
    graph.graph.node.append(node)


def scanning(graph: onnx.ModelProto) -> None:
    """A scan over the batch."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [helper.make_tensor_value_info("x", FLOAT, None)],
        [helper.make_tensor_value_info("y", FLOAT, None)],
    )
    last = graph.graph.output[0].name
    for node in graph.graph.node:
        node.output[:] = ["before" if o == last else o for o in node.output]
    node = helper.make_node("Scan", ["before"], [last], body=body, num_scan_inputs=1)
    graph.graph.node.append(node)


def weights(value: float, file: Path = ONNX) -> Action:
    """All weights of the first matrix are one number."""

    def edit(graph: onnx.ModelProto) -> None:
        for tensor in graph.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if values.dtype == np.float32 and values.ndim == 2:
                full = np.full_like(values, value)
                tensor.CopyFrom(numpy_helper.from_array(full, tensor.name))
                return

    return model(edit, file)


def times(factor: float) -> Action:
    """The action times a factor: outside its bounds."""

    def edit(graph: onnx.ModelProto) -> None:
        last = graph.graph.output[0].name
        for node in graph.graph.node:
            node.output[:] = ["before" if o == last else o for o in node.output]
        number = numpy_helper.from_array(np.float32(factor), "factor")
        graph.graph.initializer.append(number)
        node = helper.make_node("Mul", ["before", "factor"], [last])
        graph.graph.node.append(node)

    return model(edit)


def giant(graph: onnx.ModelProto) -> None:
    """A constant of a terabyte."""
    shape = numpy_helper.from_array(np.array([2**38]), "wide")
    graph.graph.initializer.append(shape)
    graph.graph.node.append(helper.make_node("ConstantOfShape", ["wide"], ["unused"]))


GRAPHS: dict[str, Action] = {
    "a function of its own": model(function),
    "a function named like a standard one": model(standard_function),
    "a random operator": plus("RandomNormal", shape=[1]),
    "a random operator like another": plus("RandomNormalLike"),
    "a Bernoulli draw": plus("Bernoulli"),
    "a dropout": plus("Dropout"),
    "a loop": model(looping),
    "a scan": model(scanning),
    "a custom domain": plus("Identity", "com.example"),
    "a domain of onnxruntime": plus("Gelu", "com.microsoft"),
    "an unknown operator": plus("Teleport"),
    "external data": external("weights.bin"),
    "external data above": external("../../../../etc/passwd"),
    "a constant of a terabyte": model(giant),
    "actions outside bounds": times(100.0),
    "NaN weights": weights(float("nan")),
    "infinite weights": weights(float("-inf")),
    "a NaN constant": plus("Constant", value_floats=[float("nan")]),
    "an infinite constant": plus("Constant", value_float=float("inf")),
    "an infinite slope": plus("LeakyRelu", alpha=float("inf")),
    "an output more": model(
        lambda g: g.graph.output.append(helper.make_tensor_value_info("x", FLOAT, [1]))
    ),
    "an input more": model(
        lambda g: g.graph.input.append(helper.make_tensor_value_info("x", FLOAT, [1]))
    ),
    "a newer opset": model(lambda g: setattr(g.opset_import[0], "version", 99)),
    "no opset": model(lambda g: g.ClearField("opset_import")),
    "a newer IR": model(lambda g: setattr(g, "ir_version", 99)),
    "no nodes": model(lambda g: g.graph.ClearField("node")),
    "no graph": model(lambda g: g.ClearField("graph")),
    "no metadata": model(lambda g: g.ClearField("metadata_props")),
}
KEYS = ("inputs", "outputs", "carry", "mode", "world", "env_id", "step_seconds")
MORE = ("dataset", "learner", "variant", "seed", "schema", "onnx_sha256", "made_by")
VALUES: dict[str, tuple[Any, ...]] = {
    "inputs": (None, [], "x", {}),
    "inputs.observation": (ABSENT, None, [], {}),
    "inputs.observation.shape": (
        ABSENT,
        ["batch", 99],
        ["batch", "3"],
        [1, 3],
        "b",
        [],
    ),
    "outputs": (None, [], {}),
    "outputs.action": (ABSENT, None, {}),
    "outputs.action.low": (ABSENT, [0], ["x"], None, [float("nan")], [5], [-1e9]),
    "outputs.action.high": ([], [1e9], "x", [float("inf")]),
    "carry": (None, [], {"m": {"shape": ["batch", 10**12], "reset": 0}}, "x"),
    "mode": ("fast", None, 5, []),
    "dataset": (None, "x", {}, {"name": "../x", "sha256": "0"}),
    "seed": (None, "0", 7, []),
    "env_id": ("os:system", None, "Hopper-v5", 5),
    "world": ("hopper", None, {}),
    "step_seconds": (None, "x", -1, 1e9),
    "variant": ("int8_static", None, []),
    "learner": ("iql", None),
}


def cases() -> Iterator[Case]:  # noqa: C901, loops alone
    """At the two stages that open ONNX files."""
    beside = ONNX.with_suffix(".json")
    for door in (EVALUATE, PROFILE):
        for name, spoil in GRAPHS.items():
            yield Case("ONNX files", name, spoil, door)
        for share in (0.0, 0.1, 0.5, 0.9, 1.0):
            yield Case("ONNX files", f"a bit at {share:.0%}", flip(ONNX, share), door)
            name = f"contract: a bit at {share:.0%}"
            yield Case("contracts", name, flip(beside, share), door)
        for name, content in WORDS.items():
            yield Case("ONNX files", name, text(ONNX, content), door)
            yield Case("contracts", name, text(beside, content), door)
        for file, kind in ((ONNX, "ONNX files"), (beside, "contracts")):
            yield Case(kind, "cut", cut(file, 0.6), door)
            yield Case(kind, "gone", file.unlink, door)
        yield Case("ONNX files", "as it is", nothing, door, True)
        harmless = plus("Constant", value_floats=[0.0])
        yield Case("ONNX files", "a constant 0 more", harmless, door, True)
    for value in (float("nan"), float("inf")):
        spoil = weights(value, BEHAVIOR)
        yield Case("ONNX files", f"a behaviour's weights {value}", spoil, GENERATE)
    behaves = weights(0.01, BEHAVIOR)
    yield Case("ONNX files", "a behaviour of other weights", behaves, GENERATE, True)
    for key in (*KEYS, *MORE):
        yield Case("contracts", f"{key} missing", entry(beside, key, ABSENT), EVALUATE)
        if key in KEYS:
            yield Case("contracts", f"no {key}", contract(key, ABSENT), EVALUATE)
    for path, values in VALUES.items():
        for value in values:
            name = f"{path} = {value!r:.25}"
            yield Case("contracts", name, contract(path, value), EVALUATE)
    note = contract("note", "mine")
    for door in (EVALUATE, PROFILE):
        yield Case("contracts", "a note in both", note, door, True)
