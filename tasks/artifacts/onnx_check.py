"""What an ONNX file must be before it is opened: its contract, and nothing beyond."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json

SCHEMA = 1
KEY = "offcut.contract"
MEND = "make it again with: dvc repro"
# what opening needs; evaluate and profile compare the rest with what they expect
REQUIRED = ("inputs", "outputs", "carry", "mode", "onnx_sha256")


def check_model(path: Path, data: bytes, contract: Mapping[str, Any]) -> None:
    """Refuse a graph that is not what its contract says, or could reach outside."""
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf raises several kinds
        raise RefusedError(
            path, "content", str(error), "an ONNX model", MEND
        ) from error
    for node in _nodes(model.graph):
        if node.domain not in ("", "ai.onnx"):
            raise RefusedError(
                path,
                f"node {node.name or node.op_type}",
                f"the operator {node.domain}.{node.op_type}",
                "operators of the standard domain only",
                "export the policy with standard operators",
            )
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            where = {e.key: e.value for e in tensor.external_data}.get("location")
            raise RefusedError(
                path,
                f"initialiser {tensor.name}",
                f"external data in {where}",
                "all data inside the file",
                "save the model as one file",
            )
    inside = _inside(model)
    beside = {k: v for k, v in contract.items() if k != "onnx_sha256"}
    keys = [k for k in inside | beside if inside.get(k) != beside.get(k)]
    if keys:
        differing = f"other values for {', '.join(sorted(keys))}"
        raise RefusedError(path, KEY, differing, "those beside it", MEND)
    opset = max((entry.version for entry in model.opset_import), default=0)
    if opset > 26 or model.ir_version > 13:
        versions = f"{opset} / {model.ir_version}"
        raise RefusedError(path, "opset / IR", versions, "at most 26 / 13", MEND)
    _check_shapes(path, model, contract)


def _check_shapes(
    path: Path, model: onnx.ModelProto, contract: Mapping[str, Any]
) -> None:
    """Refuse other inputs and outputs than the contract's, the carry's included."""
    ends = (("inputs", model.graph.input), ("outputs", model.graph.output))
    shapes = {
        f"{field}.{v.name}.shape": [d.dim_value for d in v.type.tensor_type.shape.dim]
        for field, values in ends
        for v in values
    }
    stated = {
        f"{field}.{name}.shape": [0, *entry["shape"][1:]]  # 0: any batch
        for field, _ in ends
        for name, entry in contract[field].items()
    }
    for name, entry in contract["carry"].items():
        for end in (f"inputs.{name}.shape", f"outputs.next_{name}.shape"):
            stated[end] = [0, *entry["shape"][1:]]
    for field, values in ends:
        for v in values:
            kind = contract[field].get(v.name, {}).get("dtype", "float32")
            dtype = TensorProto.DataType.Name(v.type.tensor_type.elem_type)
            expected = {"float32": "FLOAT", "int64": "INT64"}.get(kind, kind)
            if dtype != expected:
                where = f"{field}.{v.name}.dtype"
                raise RefusedError(path, where, dtype, expected, MEND)
    for name in shapes | stated:
        if shapes.get(name) != stated.get(name):
            raise RefusedError(path, name, shapes.get(name), stated.get(name), MEND)


def read_contract(path: Path) -> dict[str, Any]:
    """The contract beside a file, with its schema, keys and shapes checked."""
    contract = read_json(path, "dvc repro")
    schema = contract.get("schema") if isinstance(contract, dict) else "no object"
    if schema != SCHEMA:
        raise RefusedError(path, "schema", schema, SCHEMA, MEND)
    for key in REQUIRED:
        if key not in contract:
            raise RefusedError(path, key, "nothing", "a value", MEND)
    for field in ("inputs", "outputs", "carry"):
        try:
            fits = all(e["shape"][0] == "batch" for e in contract[field].values())
        except (AttributeError, IndexError, KeyError, TypeError):
            fits = False
        if not fits:
            raise RefusedError(
                path, field, contract[field], "shapes [batch, width]", MEND
            )
    for name, entry in contract["carry"].items():
        sizes, reset = entry["shape"][1:], entry.get("reset")
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            expected = "batch and whole numbers above 0"
            where = f"carry.{name}.shape"
            raise RefusedError(path, where, entry["shape"], expected, MEND)
        if not isinstance(reset, int | float) or not math.isfinite(reset):
            field = f"carry.{name}.reset"
            raise RefusedError(path, field, reset, "a finite number", MEND)
    return dict(contract)


def _inside(model: onnx.ModelProto) -> dict[str, Any]:
    """The contract a model carries; nothing where it carries none."""
    text = {p.key: p.value for p in model.metadata_props}.get(KEY, "{}")
    try:
        contract = json.loads(text)
    except ValueError:
        contract = {}
    return contract if isinstance(contract, dict) else {}


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """All nodes, those of sub-graphs (If, Loop) included."""
    nodes = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            nodes += [n for g in (attribute.g, *attribute.graphs) for n in _nodes(g)]
    return nodes


def _tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """All initialisers and constants, those of sub-graphs included."""
    tensors = list(graph.initializer)
    for sparse in graph.sparse_initializer:
        tensors += [sparse.values, sparse.indices]
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            tensors += [
                t for g in (attribute.g, *attribute.graphs) for t in _tensors(g)
            ]
    return tensors
