"""Graphs in fewer nodes and bytes that compute the same."""

import numpy as np
import onnx
import pytest
import torch

from tasks.artifacts.onnx_policy import OPSET, build_model
from tasks.nets.graph import Graph
from tasks.nets.tidy import tidied
from tests.compress.harness import make_policy
from tests.nets.transformers import transformer


def nodes_of(graph: Graph, *outputs: str) -> list[tuple[str, list[str], list[str]]]:
    nodes, _ = tidied(graph, outputs, ["x"], OPSET)
    return [(n.op_type, list(n.input), list(n.output)) for n in nodes]


def test_what_stands_twice_stands_once():
    graph = Graph()
    ones = [graph.constant(f"ones{i}", torch.ones(3)) for i in range(2)]
    other = graph.constant("layer2.ones", torch.ones(3))  # a layer's own
    parts = [graph.add("Add", "x", one, name=f"sum{one}") for one in (*ones, other)]
    graph.add("Concat", *parts, name="y", axis=1)
    nodes, tensors = tidied(graph, ["y"], ["x"], OPSET)
    assert [t.name for t in tensors] == ["o0", "l2.o"]
    assert [n.op_type for n in nodes] == ["Add", "Add", "Concat"]
    assert list(nodes[-1].input) == ["a", "a", "b"]
    assert len(graph.nodes) == 4  # left as it was
    assert graph.initialisers[0].name == "ones0"


@pytest.mark.parametrize(
    ("op", "value", "stays"),
    [
        *(("Mul", 1.0, False), ("Div", 1.0, False), ("Add", 0.0, False)),
        *(("Sub", 0.0, False), ("Mul", 0.0, True), ("Add", 1.0, True)),
        ("Max", 0.0, True),
    ],
)
def test_what_does_nothing_vanishes(op: str, value: float, stays: bool):
    graph = Graph()
    x = graph.add("Neg", "x", name="before")
    x = graph.add(op, x, graph.scalar("number", value), name="between")
    graph.add("Abs", x, name="y")
    operators = [op for op, _, _ in nodes_of(graph, "y")]
    assert operators == (["Neg", op, "Abs"] if stays else ["Neg", "Abs"])


def test_numbers_with_axes_may_widen_and_stay():
    graph = Graph()
    graph.add("Mul", "x", graph.constant("ones", torch.ones(3)), name="y")
    assert [op for op, _, _ in nodes_of(graph, "y")] == ["Mul"]


def test_an_output_that_is_another_value_takes_its_place():
    graph = Graph()
    x = graph.add("Neg", "x", name="before")
    graph.add("Identity", x, name="y")
    graph.add("Abs", "y", name="z")
    assert nodes_of(graph, "y", "z") == [("Neg", ["x"], ["y"]), ("Abs", ["y"], ["z"])]
    same = Graph()
    same.add("Identity", "x", name="y")  # an input is no output
    assert nodes_of(same, "y") == [("Identity", ["x"], ["y"])]
    twice = Graph()
    x = twice.add("Neg", "x", name="before")
    for name in ("y", "z"):
        twice.add("Identity", x, name=name)
    assert nodes_of(twice, "y", "z") == [
        ("Neg", ["x"], ["y"]),
        ("Identity", ["y"], ["z"]),
    ]


def test_what_nobody_reads_is_dropped_and_so_are_defaults():
    graph = Graph()
    graph.add("Abs", graph.constant("unread", torch.ones(3)), name="lost")
    graph.add("Softmax", "x", name="near", axis=-1)
    graph.add("Softmax", "near", name="y", axis=1)
    nodes, tensors = tidied(graph, ["y"], ["x"], OPSET)
    assert tensors == []
    assert [[a.i for a in n.attribute] for n in nodes] == [[], [1]]


def test_names_are_short_tell_layers_apart_and_keep_away_from_the_ends():
    graph = Graph()
    names = ("layer0.weight", "layer0.width", "block1_first.bias", "y")
    x = "x"
    for i, name in enumerate(names[:3]):
        x = graph.add("Mul", x, graph.constant(name, torch.full((3,), i)), name=f"p{i}")
    graph.add("Abs", x, name="a")
    nodes, tensors = tidied(graph, ["a"], ["x", "l0.w"], OPSET)
    assert [t.name for t in tensors] == ["l0.w_2", "l0.w_3", "b1f.b"]
    assert [n.output[0] for n in nodes] == ["b", "c", "d", "a"]
    assert not any(node.name for node in nodes)


def test_the_ends_and_a_gaussian_heads_values_keep_their_names():
    model = build_model(make_policy(head="gaussian"), 0)
    values = {name for node in model.graph.node for name in node.output}
    assert {"mean", "log_std_clipped", "action"} <= values
    assert [x.name for x in model.graph.input] == ["observation", "noise"]
    model = build_model(transformer(), 0)
    carried = ("return_to_go", "timestep", "observations", "actions", "returns")
    ends = [x.name for x in (*model.graph.input, *model.graph.output)]
    assert ends == [
        *("observation", "reward", *carried, "action"),
        *(f"next_{name}" for name in carried),
    ]


def test_a_graph_that_was_tidied_computes_what_it_did():
    """The graph as layers added it and the file, to the bit, over two steps."""
    policy, graph = transformer(), Graph()
    policy.emit(graph, 0)
    model = build_model(policy, 0)
    plain = onnx.ModelProto.FromString(model.SerializeToString())
    del plain.graph.node[:], plain.graph.initializer[:]
    plain.graph.node.extend(graph.nodes)
    plain.graph.initializer.extend(graph.initialisers)
    assert len(model.graph.node) < len(plain.graph.node)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    draw = np.random.default_rng(0)
    feed = {
        x.name: draw.random(
            [2, *(d.dim_value for d in x.type.tensor_type.shape.dim[1:])], np.float32
        )
        for x in model.graph.input
    }
    ours, theirs = (
        onnxruntime.InferenceSession(
            m.SerializeToString(), options, providers=["CPUExecutionProvider"]
        ).run(None, feed)
        for m in (plain, model)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
