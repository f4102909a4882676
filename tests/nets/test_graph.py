"""The writer of ONNX graphs."""

import numpy as np
import onnx
import onnx.reference
import pytest
import torch
from onnx import TensorProto, numpy_helper

from tasks.nets.graph import Graph


def test_nodes_and_constants_stand_in_the_order_they_were_added():
    graph = Graph()
    weight = graph.constant("weight", torch.ones(2, 3))
    product = graph.add("MatMul", "x", weight, name="product")
    out = graph.add("LeakyRelu", product, name="out", alpha=0.5)
    assert (weight, product, out) == ("weight", "product", "out")
    assert [
        (n.op_type, n.domain, list(n.input), list(n.output)) for n in graph.nodes
    ] == [
        ("MatMul", "", ["x", "weight"], ["product"]),
        ("LeakyRelu", "", ["product"], ["out"]),
    ]
    assert graph.nodes[1].attribute[0].f == 0.5
    assert [t.name for t in graph.initialisers] == ["weight"]


@pytest.mark.parametrize("again", ["node", "constant"])
@pytest.mark.parametrize("first", ["node", "constant"])
def test_a_name_is_given_once(first: str, again: str):
    graph = Graph()

    def take(kind: str) -> None:
        if kind == "node":
            graph.add("Relu", "x", name="same")
        else:
            graph.constant("same", np.zeros(1, np.float32))

    take(first)
    with pytest.raises(ValueError, match="two values named same"):
        take(again)
    assert len(graph.nodes) + len(graph.initialisers) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, np.uint8])
def test_a_constant_keeps_type_shape_and_values(dtype: type):
    graph = Graph()
    value = np.arange(6).astype(dtype).reshape(2, 3).T  # not contiguous
    graph.constant("c", value)
    read = numpy_helper.to_array(graph.initialisers[0])
    assert read.dtype == dtype
    assert np.array_equal(read, value)


def test_a_tensor_that_wants_gradients_is_a_constant_too():
    graph = Graph()
    graph.constant("c", torch.nn.Parameter(torch.full((2,), 0.1)))
    read = numpy_helper.to_array(graph.initialisers[0])
    assert np.array_equal(read, np.full(2, 0.1, np.float32))


def test_four_bit_codes_are_packed_two_a_byte():
    graph = Graph()
    codes = np.array([[-8, 7, -1], [0, 1, 3]])
    graph.constant("c", codes, kind="INT4")
    tensor = graph.initialisers[0]
    assert tensor.data_type == TensorProto.INT4
    assert tensor.raw_data == bytes([0x78, 0x0F, 0x31])
    assert np.array_equal(numpy_helper.to_array(tensor).astype(int), codes)


def test_constants_lie_inside_the_file():
    graph = Graph()
    graph.constant("big", np.zeros((1000, 100), np.float32))
    tensor = graph.initialisers[0]
    assert tensor.data_location == TensorProto.DEFAULT
    assert len(tensor.raw_data) == 400_000
    assert isinstance(tensor, onnx.TensorProto)


def test_inside_in_double_floats_are_float64_and_ends_are_not():
    graph = Graph()
    with graph.in_double(["x"], ["y"]):
        half = graph.scalar("half", 0.1)
        weight = graph.constant("weight", torch.full((8,), 0.1))
        few = graph.constant("few", torch.full((6,), 0.1))
        with graph.in_double(["x"], []):  # does nothing inside another
            x = graph.add("Mul", "x", half, name="scaled")
        y = graph.add("Add", x, weight, name="y")
        graph.add("Neg", y, name="unused")  # reads the float64 form
    z = graph.add("Relu", y, name="z")
    ends = [
        onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, [8])
        for name in ("x", z)
    ]
    body = onnx.helper.make_graph(
        graph.nodes, "g", ends[:1], ends[1:], initializer=graph.initialisers
    )
    model = onnx.helper.make_model(
        body, opset_imports=[onnx.helper.make_opsetid("", 21)]
    )
    onnx.checker.check_model(model, full_check=True)
    x = np.arange(8, dtype=np.float32)
    got = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})[0]
    wanted = x * np.float64(0.1) + np.float64(np.float32(0.1))
    assert np.array_equal(got, wanted.astype(np.float32))
    kinds = {t.name: t.data_type for t in graph.initialisers}
    double, single = TensorProto.DOUBLE, TensorProto.FLOAT
    assert kinds == {"half": double, "weight.single": single, few: double}
    unused = next(node for node in graph.nodes if node.name == "unused")
    assert list(unused.input) == ["y.double"]
    assert graph.constant("outside", torch.ones(1)) == "outside"


def test_parts_share_a_constant_of_one_name():
    graph = Graph()
    names = {graph.shared("axis", torch.tensor([1])) for _ in range(2)}
    assert names == {"axis"}
    assert len(graph.initialisers) == 1
    assert graph.has("axis")
    assert not graph.has("other")
