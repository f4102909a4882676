from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_graph import check_graph
from tasks.artifacts.onnx_policy import build_model
from tests.compress.harness import make_policy

FLOATS = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)


@pytest.fixture
def model() -> onnx.ModelProto:
    return build_model(make_policy(seeds=(4, 7)), 0)


def add(
    model: onnx.ModelProto,
    op: str,
    *inputs: str,
    constants: Mapping[str, Any] | None = None,
    **attributes: Any,
) -> None:
    """Append a node that gives ``extra``; constants become initialisers."""
    for name, value in (constants or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    model.graph.node.append(
        helper.make_node(op, inputs, ["extra"], "new", **attributes)
    )


def assert_refused(model: onnx.ModelProto, match: str) -> None:
    read = onnx.ModelProto.FromString(model.SerializeToString())
    with pytest.raises(RefusedError, match=match) as caught:
        check_graph(Path("seed-4.onnx"), read)
    assert "\n" not in str(caught.value)


def external(tensor: TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


@pytest.mark.parametrize("location", ["weights.bin", "../../secret", "/etc/hostname"])
def test_external_data_is_refused(model: onnx.ModelProto, location: str):
    external(model.graph.initializer[2], location)
    name = model.graph.initializer[2].name
    assert_refused(model, f"initialiser {name}: found external data in {location}")


def test_external_data_of_a_constant_is_refused(model: onnx.ModelProto):
    add(model, "Constant", value=numpy_helper.from_array(np.ones(3)))
    external(model.graph.node[-1].attribute[0].t, "elsewhere.bin")
    assert_refused(model, r"node new, value: found external data in elsewhere\.bin")


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("RandomNormal", {"shape": [1]}),
        ("RandomUniform", {"shape": [1]}),
        ("RandomNormalLike", {}),
        ("RandomUniformLike", {}),
        ("Bernoulli", {}),
        ("Multinomial", {}),
        ("Dropout", {}),
        ("Loop", {}),
        ("Scan", {}),
        ("If", {}),
        ("SequenceEmpty", {}),
        ("SequenceConstruct", {}),
        ("Optional", {}),
        ("StringNormalizer", {}),
        ("ConstantOfShape", {}),
        ("Tile", {}),
        ("Range", {}),
        ("NonZero", {}),
    ],
)
def test_an_operator_that_is_no_plain_arithmetic_is_refused(
    model: onnx.ModelProto, op: str, attributes: Mapping[str, Any]
):
    add(model, op, "action", **attributes)
    assert_refused(model, f"node new: found the operator {op}, expected")


@pytest.mark.parametrize("domain", ["com.elsewhere", "com.microsoft", "ai.onnx.ml"])
def test_an_operator_of_another_domain_is_refused(model: onnx.ModelProto, domain: str):
    add(model, "Gelu", "action", domain=domain)
    model.opset_import.append(helper.make_opsetid(domain, 1))
    assert_refused(model, rf"found the operator {domain}\.Gelu, expected standard")


def test_an_operator_defined_in_the_file_is_refused(model: onnx.ModelProto):
    gelu = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    tanh = helper.make_function("", "Tanh", ["x"], ["y"], [gelu], opsets)
    model.functions.append(tanh)
    assert_refused(model, "functions: found an operator defined in the file Tanh")


def test_a_nested_graph_is_refused_wherever_it_hangs(model: onnx.ModelProto):
    body = helper.make_graph([], "body", [], [FLOATS])
    add(model, "Relu", "action", body=body)
    assert_refused(model, "node new: found the attribute body of type GRAPH")


def test_sparse_tensors_and_training_steps_are_refused(model: onnx.ModelProto):
    model.training_info.add()
    assert_refused(model, "training_info: found steps of a training")
    model.ClearField("training_info")
    values = helper.make_tensor("thin", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("places", TensorProto.INT64, [1], [3])
    thin = helper.make_sparse_tensor(values, places, [10**9])
    model.graph.sparse_initializer.append(thin)
    assert_refused(model, "sparse_initializer: found a sparse tensor")


@pytest.mark.parametrize("dims", [[10**12], [-1], [2**40, 0, -3]])
def test_a_tensor_larger_than_its_data_is_refused(
    model: onnx.ModelProto, dims: list[int]
):
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    assert_refused(model, "expected a shape that its data fills")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_numbers_that_are_not_finite_are_refused(
    model: onnx.ModelProto, kind: type[np.floating[Any]], value: float
):
    add(model, "Identity", "spoilt", constants={"spoilt": kind(value)})
    assert_refused(model, "initialiser spoilt: found a number that is not finite")


@pytest.mark.parametrize(
    "attributes",
    [
        {"value_float": float("nan")},
        {"value_floats": [1.0, float("inf")]},
        {"value": helper.make_tensor("v", TensorProto.BFLOAT16, [1], [float("nan")])},
    ],
)
def test_nor_may_an_attribute_hold_them(
    model: onnx.ModelProto, attributes: dict[str, Any]
):
    add(model, "Constant", **attributes)
    assert_refused(model, "node new, value.*: found a number that is not finite")


def test_a_tensor_of_other_data_than_its_shape_is_refused(model: onnx.ModelProto):
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    assert_refused(model, "initialiser .*expected")


def test_text_is_refused(model: onnx.ModelProto):
    model.graph.initializer.append(
        helper.make_tensor("words", TensorProto.STRING, [1], [b"word"])
    )
    assert_refused(model, "initialiser words, type: found STRING")
    del model.graph.initializer[-1]
    add(model, "Cast", "action", to=TensorProto.STRING)
    assert_refused(model, "value extra of unknown size, expected numbers")


def test_a_few_bytes_that_become_many_numbers_are_refused(model: onnx.ModelProto):
    wide = {"one": np.ones(1, np.float32), "wide": np.array([10**10])}
    add(model, "Expand", "one", "wide", constants=wide)
    assert_refused(model, r"graph: found values of 1e\+10 numbers the same for any")


def test_many_numbers_a_row_are_refused(model: onnx.ModelProto):
    wide = {"ends": np.array([0, 0, 0, 10**8])}
    add(model, "Pad", "action", "ends", constants=wide)
    assert_refused(model, r"graph: found values of 1e\+08 numbers of one row")


def test_a_value_that_grows_faster_than_the_batch_is_refused(model: onnx.ModelProto):
    turned = helper.make_node("Transpose", ["action"], ["turned"], perm=[1, 0])
    model.graph.node.append(turned)
    add(model, "MatMul", "action", "turned")
    assert_refused(model, "a value extra that grows faster than the batch")


def test_a_size_that_depends_on_values_is_refused(model: onnx.ModelProto):
    cast = helper.make_node("Cast", ["action"], ["whole"], to=TensorProto.INT64)
    flat = helper.make_node("Reshape", ["whole", "flat_shape"], ["flat"])
    model.graph.node.extend([cast, flat])
    shapes = {"flat_shape": np.array([-1]), "single": np.ones(1, np.float32)}
    add(model, "Expand", "single", "flat", constants=shapes)
    assert_refused(model, "a value extra of unknown size")


def test_values_that_do_not_fit_are_refused(model: onnx.ModelProto):
    add(model, "Add", "action", "seven", constants={"seven": np.ones(7, np.float32)})
    assert_refused(model, "graph: found .*expected values that fit")


@pytest.mark.parametrize(
    "append",
    [
        lambda m: add(m, "Abs", "action"),
        lambda m: add(m, "Erf", "action"),
        lambda m: add(m, "ReduceMax", "action"),
        lambda m: add(m, "Constant", value_float=1.0),
        lambda m: add(m, "Constant", value=numpy_helper.from_array(np.ones(3))),
        lambda m: add(m, "Split", "action", num_outputs=1),
        lambda m: m.opset_import.append(helper.make_opsetid("com.microsoft", 1)),
    ],
)
def test_plain_arithmetic_is_taken(
    model: onnx.ModelProto, append: Callable[[onnx.ModelProto], Any]
):
    append(model)
    check_graph(Path("seed-4.onnx"), model)
