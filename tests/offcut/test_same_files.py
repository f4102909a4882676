"""The runtime and the stages accept and refuse the same files.

The stages read a file with the library onnx, the runtime without it: so this holds the
two readers together. What only the stages ask, since it needs the inference of shapes,
is how large inner values become.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import offcut
from offcut.graph import read_model
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256, write_json
from tasks.artifacts.onnx_check import TYPES
from tasks.artifacts.onnx_policy import OnnxPolicy
from tests.artifacts.mutations import spoilt_bytes, spoilt_json
from tests.artifacts.test_onnx_graph import add, external
from tests.artifacts.test_onnx_policy import action, change, restate, write
from tests.compress.harness import make_policy

ROOT = Path(__file__).parents[2]
BODY = helper.make_graph([], "body", [], [])
NAN = helper.make_tensor("v", TensorProto.FLOAT16, [1], [float("nan")])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "seed-4.onnx", make_policy(seeds=(4, 7)))


def opens(path: Path) -> tuple[bool, bool]:
    """Whether the stages open a file, and whether the runtime does."""
    results = []
    for opener, refusal in (
        (OnnxPolicy.open, RefusedError),
        (offcut.Policy.open, offcut.RefusedError),
    ):
        try:
            opener(path)
        except refusal as error:
            assert "\n" not in str(error)  # noqa: PT017
            results.append(False)
        else:
            results.append(True)
    return results[0], results[1]


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("data/behaviors/*/expert.onnx")), ids=lambda p: p.parts[-2]
)
def test_both_open_what_was_exported_and_read_the_same(path: Path):
    assert opens(path) == (True, True)
    model = onnx.load(path)
    tensors = read_model(path.read_bytes()).tensors
    assert list(tensors) == [tensor.name for tensor in model.graph.initializer]
    for tensor in model.graph.initializer:
        mine = tensors[tensor.name].array()
        assert np.array_equal(mine, numpy_helper.to_array(tensor))


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    "kind", ["FLOAT", "FLOAT16", "DOUBLE", "INT4", "UINT4", "INT8", "INT32", "INT64"]
)
def test_numbers_of_every_type_are_read_as_the_library_reads_them(kind: str, raw: bool):
    number = getattr(TensorProto, kind)
    values = np.array([[1, 2, 3], [4, 5, 7]]) - (0 if kind == "UINT4" else 5)
    dtype = helper.tensor_dtype_to_np_dtype(number)
    if raw:
        tensor = numpy_helper.from_array(values.astype(dtype), "x")
    else:
        tensor = helper.make_tensor("x", number, (2, 3), values.ravel().tolist())
    graph = helper.make_graph([], "g", [], [], [tensor])
    data = helper.make_model(graph).SerializeToString()
    assert np.array_equal(read_model(data).tensors["x"].array(), values)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: external(m.graph.initializer[2], "../../secret"),
        lambda m: add(m, "RandomNormal", shape=[1]),
        lambda m: add(m, "Loop", "action"),
        lambda m: add(m, "Gelu", "action", domain="com.microsoft"),
        lambda m: m.functions.append(
            helper.make_function("", "Tanh", ["x"], ["y"], [], [])
        ),
        lambda m: m.training_info.add(),
        lambda m: add(m, "Relu", "action", body=BODY),
        lambda m: m.graph.initializer[0].dims.__setitem__(0, 10**12),
        lambda m: m.graph.initializer[0].dims.__setitem__(0, -1),
        lambda m: add(m, "Identity", "x", constants={"x": np.float32(np.inf)}),
        lambda m: add(m, "Constant", value_float=float("nan")),
        lambda m: add(m, "Constant", value=NAN),
        lambda m: m.graph.initializer.append(
            helper.make_tensor("words", TensorProto.STRING, [1], [b"word"])
        ),
        lambda m: setattr(m.opset_import[0], "version", 27),
        lambda m: setattr(m, "ir_version", 14),
        lambda m: setattr(m, "producer_name", "another"),
        lambda m: m.ClearField("metadata_props"),
        lambda m: setattr(m.metadata_props[0], "value", "{"),
        lambda m: setattr(m.graph.node[0], "op_type", "Nonsense"),
        lambda m: m.ClearField("graph"),
    ],
)
def test_both_refuse(file: Path, edit: Callable[[onnx.ModelProto], Any]):
    change(file, edit)
    assert opens(file) == (False, False)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: add(m, "Erf", "action"),
        lambda m: add(m, "Constant", value=numpy_helper.from_array(np.ones(3))),
        lambda m: m.opset_import.append(helper.make_opsetid("com.microsoft", 1)),
    ],
)
def test_both_take_plain_arithmetic(file: Path, edit: Callable[..., Any]):
    change(file, edit)
    assert opens(file) == (True, True)


@pytest.mark.parametrize(
    "changes",
    [
        *({key: None} for key in TYPES if key != "onnx_sha256"),
        {"inputs": {"observation": {"shape": ["batch", 12]}}},
        {"inputs": {"observation": {"shape": [1, 11]}}},
        {"inputs": {}},
        {"outputs": {"action": action(2)}},
        {"outputs": {"action": action(3, "1")}},
        {"carry": {"x": {"shape": ["batch", 3], "reset": 0.0}}},
        {"seed": True},
        {"made_by": "me"},
        {"mode": "fast"},
        {"opset": 20},
    ],
)
def test_both_refuse_a_contract(file: Path, changes: dict[str, Any]):
    restate(file, both=True, **changes)
    assert opens(file) == (False, False)


def test_a_graph_that_stands_twice_is_refused(file: Path):
    """Readers merge the two; a reader that takes only one would see another file."""
    graph = onnx.load(file).SerializePartialToString()
    file.write_bytes(file.read_bytes() + graph)
    contract = read_json(file.with_suffix(".json"), "")
    write_json(file.with_suffix(".json"), contract | {"onnx_sha256": sha256(file)})
    with pytest.raises(offcut.RefusedError, match="content: found field 7 twice"):
        offcut.Policy.open(file)


def test_no_damaged_file_is_opened_that_the_stages_refuse(file: Path):
    contract = read_json(file.with_suffix(".json"), "")
    both = 0
    for version in spoilt_bytes(file.read_bytes(), 300, np.random.default_rng(1)):
        file.write_bytes(version)
        stated = contract | {"onnx_sha256": sha256(file)}
        write_json(file.with_suffix(".json"), stated)
        theirs, mine = opens(file)
        assert theirs or not mine
        both += mine
    assert both > 0


def test_no_damaged_contract_is_taken_that_the_stages_refuse(file: Path):
    contract = read_json(file.with_suffix(".json"), "")
    del contract["onnx_sha256"]
    content = file.read_bytes()
    for version in spoilt_json(contract, 100, np.random.default_rng(1)):
        file.write_bytes(content)
        write_json(file.with_suffix(".json"), {"onnx_sha256": ""})
        restate(file, both=True, **version)
        theirs, mine = opens(file)
        assert theirs == mine, version
