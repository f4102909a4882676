"""The contract of an ONNX file: what goes in, what comes out, what it was made of.

It stands in the file's metadata under ``offcut.contract`` and, with the file's SHA-256,
as JSON beside it.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from offcut.errors import RefusedError
from offcut.graph import FLOAT, INT64, Model

KEY, SCHEMA, PRODUCER = "offcut.contract", 1, "offcut"
KINDS = {"float32": FLOAT, "int64": INT64}
MODES = ("exact", "native")
MEND = "export the policy again, or copy it with the JSON beside it"
TYPES: dict[str, type | tuple[type, ...]] = {
    "inputs": dict,
    "outputs": dict,
    "carry": dict,
    "mode": str,
    "world": str,
    "env_id": str,
    "step_seconds": (int, float),
    "dataset": dict,
    "learner": str,
    "variant": str,
    "seed": int,
    "weights_sha256": str,
    "statistics_sha256": str,
}
OPTIONAL: dict[str, type | tuple[type, ...]] = {
    "made_by": list,
    "parity": dict,
    "adopted": dict,
    "learned": dict,
}
Contract = dict[str, Any]


def read_contract(path: Path, data: bytes, model: Model) -> Contract:
    """The contract in a file, compared with the graph and with the JSON beside it.

    Args:
        path: The file; a JSON of its name beside it is read if there is one.
        data: The file's bytes.
        model: The same, read.

    Raises:
        RefusedError: If there is none, a key, type or shape does not fit, the graph has
            other inputs or outputs, or the JSON beside it states another SHA-256 or
            contract.
    """
    stated = _read_beside(path, data)
    if KEY not in model.metadata:
        raise RefusedError(path, KEY, "nothing", "a contract in its metadata", MEND)
    inside = _parse(path, model.metadata[KEY])
    if stated is not None:
        keys = [k for k in inside | stated if inside.get(k) != stated.get(k)]
        if keys:
            differing = f"other values for {', '.join(sorted(keys))}"
            raise RefusedError(path, KEY, differing, "those beside it", MEND)
    if kind := inside.get("kind"):
        mend = "open it with onnxruntime; the README.md beside it says how"
        raise RefusedError(
            path, "kind", f"a {kind}, which acts in no world", "a policy", mend
        )
    _check_fields(path, inside)
    measured_of = {"opset": model.opset, "ir": model.ir, "producer": model.producer}
    for key, expected in {"producer": PRODUCER, **inside}.items():
        if measured_of.get(key, expected) != expected:
            raise RefusedError(path, key, measured_of[key], expected, MEND)
    _check_shapes(path, model, inside)
    return inside


def _read_beside(path: Path, data: bytes) -> Contract | None:
    """The contract beside a file without the file's hash, None if there is none."""
    beside = path.with_suffix(".json")
    try:
        stated = _parse(beside, beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise RefusedError(beside, "content", error, "JSON", MEND) from None
    measured = hashlib.sha256(data).hexdigest()
    if stated.pop("onnx_sha256", None) != measured:
        expected = f"the SHA-256 that {beside.name} states"
        raise RefusedError(path, "sha256", measured, expected, MEND)
    return stated


def _parse(path: Path, text: str) -> Contract:
    """An object of JSON as the standard has it: each key once, no NaN."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RefusedError(path, "content", error, "JSON", MEND) from None
    if not isinstance(value, dict):
        raise RefusedError(path, "content", type(value).__name__, "an object", MEND)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> Contract:
    if len(entries := dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return entries


def _refuse(name: str) -> Any:
    raise ValueError(f"the value {name}")


def _check_fields(path: Path, contract: Contract) -> None:
    """Refuse another schema, missing keys, other types and shapes of no batch."""
    if contract.get("schema") != SCHEMA:
        raise RefusedError(path, "schema", contract.get("schema"), SCHEMA, MEND)
    _check_types(path, contract)
    if contract["mode"] not in MODES:
        expected = " or ".join(MODES)
        raise RefusedError(path, "mode", contract["mode"], expected, MEND)
    for field in ("inputs", "outputs", "carry"):
        _check_entries(path, field, contract[field])
    for field, name in (("inputs", "observation"), ("outputs", "action")):
        if name not in contract[field]:
            raise RefusedError(path, f"{field}.{name}", "nothing", "a value", MEND)
    for name, entry in contract["carry"].items():
        if not _is_number(entry.get("reset")):
            where, reset = f"carry.{name}.reset", entry.get("reset")
            raise RefusedError(path, where, reset, "a finite number", MEND)
    _check_action(path, contract["outputs"]["action"])


def _check_types(path: Path, contract: Contract) -> None:
    """Refuse a contract that lacks a key, or has a value of another type."""
    for key, kinds in (TYPES | OPTIONAL).items():
        value = contract.get(key)
        if key in OPTIONAL and key not in contract:
            continue
        if not isinstance(value, kinds) or isinstance(value, bool):
            kind = kinds if isinstance(kinds, type) else kinds[-1]
            raise RefusedError(path, key, f"{value!r:.80}", kind.__name__, MEND)
    for key in ("name", "sha256"):
        if not isinstance(contract["dataset"].get(key), str):
            stated = contract["dataset"].get(key)
            raise RefusedError(path, f"dataset.{key}", stated, "text", MEND)


def _check_entries(path: Path, field: str, entries: Mapping[str, Any]) -> None:
    """Refuse inputs, outputs or a carry unless each has a shape of a batch of rows."""
    for name, entry in entries.items():
        shape: Any = entry.get("shape") if isinstance(entry, dict) else None
        whole = isinstance(shape, list) and bool(shape) and shape[0] == "batch"
        if not whole or not all(type(n) is int and n > 0 for n in shape[1:]):
            expected = "batch and whole numbers above 0, as in [batch, width]"
            raise RefusedError(path, f"{field}.{name}.shape", shape, expected, MEND)
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


def _check_shapes(path: Path, model: Model, contract: Contract) -> None:
    """Refuse other inputs and outputs than the contract's, the carry's included."""
    carry = {n: {"shape": e["shape"]} for n, e in contract["carry"].items()}
    stated = {
        "inputs": contract["inputs"] | carry,
        "outputs": contract["outputs"] | {f"next_{n}": e for n, e in carry.items()},
    }
    for field, values in (("inputs", model.inputs), ("outputs", model.outputs)):
        present = {value.name: value for value in values}
        for name in present | stated[field]:
            entry, value = stated[field].get(name), present.get(name)
            shape = None if value is None else [value.kind, *value.shape]
            expected = None
            if entry is not None:
                kind = KINDS.get(entry.get("dtype", "float32"))
                expected = [kind, 0, *entry["shape"][1:]]  # 0: any batch
            if shape != expected:
                where = f"{field}.{name}, ONNX type and shape"
                raise RefusedError(path, where, shape, expected, MEND)


def _is_number(value: Any) -> bool:
    """Whether it is a finite number of a float's range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
