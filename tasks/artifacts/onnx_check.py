"""What an ONNX file must be before it is opened: its contract, and nothing beyond."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.artifacts.onnx_graph import check_graph
from tasks.artifacts.strict_json import parse_json

SCHEMA = 1
KEY = "offcut.contract"
PRODUCER = "offcut"
MEND = "make it again with: dvc repro"
# what the stages that open, play and show a file read of its contract
TYPES: dict[str, tuple[type, ...]] = {
    "inputs": (dict,),
    "outputs": (dict,),
    "carry": (dict,),
    "mode": (str,),
    "onnx_sha256": (str,),
    "world": (str,),
    "env_id": (str,),
    "step_seconds": (int, float),
    "dataset": (dict,),
    "learner": (str,),
    "variant": (str,),
    "seed": (int,),
    "weights_sha256": (str,),
    "statistics_sha256": (str,),
}
DTYPES = {"float32": "FLOAT", "float64": "DOUBLE", "int64": "INT64"}
# of a predictor's contract, which has no world
PREDICTOR, OF_WORLDS = "predictor", ("world", "env_id", "step_seconds")
OPTIONAL: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "solve": (dict,),
    "evaluations": (int,),
    "made_by": (list,),
    "parity": (dict,),
    "adopted": (dict,),
    "learned": (dict,),
}


def check_model(path: Path, data: bytes, contract: Mapping[str, Any]) -> None:
    """Refuse a graph that is not what its contract says, or could reach outside."""
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf raises several kinds
        raise RefusedError(
            path, "content", str(error), "an ONNX model", MEND
        ) from error
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
    measured = {"opset": opset, "ir": model.ir_version, "producer": model.producer_name}
    for key, value in {"producer": PRODUCER, **contract}.items():
        if measured.get(key, value) != value:
            found = f"{measured[key]!s:.80}, so the contract is another file's"
            mend = "take a file of your own in with: make adopt"
            raise RefusedError(path, key, found, value, mend)
    _check_shapes(path, model, contract)
    check_graph(path, model)


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
            expected = DTYPES.get(kind, kind)
            if dtype != expected:
                where = f"{field}.{v.name}.dtype"
                raise RefusedError(path, where, dtype, expected, MEND)
    for name in shapes | stated:
        if shapes.get(name) != stated.get(name):
            raise RefusedError(path, name, shapes.get(name), stated.get(name), MEND)


def read_contract(path: Path) -> dict[str, Any]:
    """The contract beside a file, with its schema, keys, types and shapes checked.

    Files made before ``made_by`` was stated may lack it; those never compared with
    torch lack ``parity``. Every other key must be there.
    """
    contract = read_json(path, "dvc repro", dict)
    if contract.get("schema") != SCHEMA:
        raise RefusedError(path, "schema", contract.get("schema"), SCHEMA, MEND)
    kind = contract.get("kind")
    if kind not in (None, PREDICTOR):
        raise RefusedError(path, "kind", f"{kind!r:.80}", f"{PREDICTOR} or none", MEND)
    _check_types(path, contract)
    if kind == PREDICTOR:
        _check_predictor(path, contract)
        return dict(contract)
    for field, name in (("inputs", "observation"), ("outputs", "action")):
        _check_entries(path, field, contract[field])
        if name not in contract[field]:
            raise RefusedError(path, f"{field}.{name}", "nothing", "a value", MEND)
    _check_entries(path, "carry", contract["carry"])
    for name, entry in contract["carry"].items():
        if not _is_number(entry.get("reset")):
            where = f"carry.{name}.reset"
            raise RefusedError(path, where, entry.get("reset"), "a finite number", MEND)
    _check_action(path, contract["outputs"]["action"])
    return dict(contract)


def _check_predictor(path: Path, contract: Mapping[str, Any]) -> None:
    """Refuse a predictor's contract whose arrays are not described."""
    for field in ("inputs", "outputs", "carry"):
        entries = contract[field]
        _check_entries(path, field, entries)
        if bool(entries) == (field == "carry"):
            expected = "none" if field == "carry" else "one array at least"
            raise RefusedError(path, field, len(entries), expected, MEND)
        for name, entry in entries.items():
            if entry.get("dtype") not in DTYPES:
                where, found = f"{field}.{name}.dtype", entry.get("dtype")
                raise RefusedError(path, where, found, " or ".join(DTYPES), MEND)


def _check_types(path: Path, contract: Mapping[str, Any]) -> None:
    """Refuse a contract that lacks a key, or has a value of another type."""
    free = OF_WORLDS if contract.get("kind") == PREDICTOR else ()
    for key, kinds in (TYPES | OPTIONAL).items():
        if key not in contract and (key in OPTIONAL or key in free):
            continue
        if key not in contract:
            raise RefusedError(path, key, "nothing", "a value", MEND)
        value = contract[key]
        if not isinstance(value, kinds) or isinstance(value, bool):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise RefusedError(path, key, f"{value!r:.80}", expected, MEND)
    for key in ("name", "sha256"):
        if not isinstance(contract["dataset"].get(key), str):
            found = contract["dataset"].get(key, "nothing")
            raise RefusedError(path, f"dataset.{key}", found, "text", MEND)


def _check_entries(path: Path, field: str, entries: Mapping[str, Any]) -> None:
    """Refuse inputs, outputs or a carry unless each has a shape of a batch of rows."""
    for name, entry in entries.items():
        shape: Any = entry.get("shape") if isinstance(entry, dict) else None
        whole = isinstance(shape, list) and shape and shape[0] == "batch"
        if not whole or not all(type(n) is int and n > 0 for n in shape[1:]):
            expected = "batch and whole numbers above 0, as in [batch, width]"
            found = f"{entry!r:.80}" if shape is None else shape
            raise RefusedError(path, f"{field}.{name}.shape", found, expected, MEND)
        for key in ("dtype", "acting"):
            if not isinstance(entry.get(key, ""), str):
                where = f"{field}.{name}.{key}"
                raise RefusedError(path, where, entry[key], "text", MEND)


def _check_action(path: Path, action: Mapping[str, Any]) -> None:
    """Refuse an action that does not say how many there are, or their bounds."""
    if action.get("dtype") == "int64":
        n = action.get("n")
        if type(n) is not int or n < 1:
            raise RefusedError(path, "outputs.action.n", n, "a whole number", MEND)
        return
    width = action["shape"][1:]
    for key in ("low", "high"):
        ends: Any = action.get(key)
        fits = isinstance(ends, list) and [len(ends)] == width
        if not fits or not all(map(_is_number, ends)):
            where, expected = f"outputs.action.{key}", f"{width} finite numbers"
            raise RefusedError(path, where, f"{ends!r:.80}", expected, MEND)


def _is_number(value: Any) -> bool:
    """Whether it is a finite number of a float's range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _inside(model: onnx.ModelProto) -> dict[str, Any]:
    """The contract a model carries; nothing where it carries none."""
    text = {p.key: p.value for p in model.metadata_props}.get(KEY, "{}")
    try:
        contract = parse_json(text)
    except ValueError:
        contract = {}
    return contract if isinstance(contract, dict) else {}
