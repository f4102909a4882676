"""Read one file of a revision, and refuse it where it is not what it should be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pandas as pd

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.artifacts.sealed import SEAL, read_sealed
from tasks.artifacts.strict_yaml import read_yaml


def stages(path: Path) -> dict[str, Any]:
    """The block ``stages`` of a dvc.lock; empty where there is none.

    Raises:
        RefusedError: If it is no YAML.
    """
    if not path.exists():
        return {}
    try:
        loaded = read_yaml(path)
    except ValueError as error:
        raise RefusedError(path, "content", error, "YAML", "dvc repro") from None
    return dict(loaded.get("stages") or {}) if isinstance(loaded, Mapping) else {}


def packages(path: Path) -> dict[str, str]:
    """Name to version, from lines ``name==version``; empty where there is no file."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    split = (line.split("==", 1) for line in lines if not line.startswith("#"))
    return {pair[0].strip(): pair[1].strip() for pair in split if len(pair) == 2}


def document(path: Path, *fields: str) -> dict[str, Any]:
    """A JSON object with at least the given fields, dotted.

    Raises:
        RefusedError: If the file or a field is missing.
    """
    content = read_json(path, "dvc repro", dict)
    for name in fields:
        value = content
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise RefusedError(path, name, "nothing", "a value", "dvc repro")
            value = value[part]
    return dict(content)


def card(path: Path) -> dict[str, Any]:
    """A dataset's card, with what a comparison needs of it."""
    return document(path, "sha256", "return.mean", "episodes", "steps")


def world(path: Path) -> dict[str, Any]:
    """The block ``world`` of a world.json, with its references."""
    fields = ("world.name", "world.ref_min", "world.ref_max")
    content = document(path, *fields)
    if SEAL in content:  # revisions from before it have none
        read_sealed(path, "dvc repro")
    return dict(content["world"])


def curves(path: Path) -> pd.DataFrame:
    """Curves of a training: update, seed and its metrics.

    Raises:
        RefusedError: If there is no such file, or it is no such table.
    """
    if not path.exists():
        raise RefusedError(path, "file", "nothing", "a file", "dvc repro")
    try:
        table = pd.read_csv(path)
    except ValueError as error:
        raise RefusedError(path, "content", error, "CSV", "dvc repro") from error
    if not {"update", "seed"} <= set(table.columns):
        expected = "update and seed among them"
        raise RefusedError(path, "columns", list(table), expected, "dvc repro")
    if table.empty:
        raise RefusedError(path, "rows", "none", "at least one", "dvc repro")
    for name in table:
        kinds = "iu" if name in ("update", "seed") else "iuf"
        if (kind := table[name].dtype.kind) not in kinds:
            raise RefusedError(path, str(name), f"type {kind}", "numbers", "dvc repro")
    return table


def model(path: Path) -> onnx.ModelProto:
    """An ONNX file, without what it may keep outside.

    Raises:
        RefusedError: If it is none.
    """
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises several kinds
        raise RefusedError(
            path, "content", error, "an ONNX model", "dvc repro"
        ) from error
