"""Read one file of a revision, and refuse it where it is not what it should be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar

import onnx

from tasks.artifacts.dataset_formats import Card, Histogram
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.recorded import World, scored
from tasks.artifacts.sealed import read_sealed
from tasks.artifacts.strict_yaml import read_yaml
from tasks.artifacts.typed_json import check_typed
from tasks.report.engine.read import check_histogram

REPRO = "dvc repro"
T = TypeVar("T")


class Entry(TypedDict):
    """A file or folder that a stage reads or writes."""

    path: str
    md5: NotRequired[str]


class Stage(TypedDict):
    """What dvc.lock says of a stage."""

    deps: NotRequired[list[Entry]]
    outs: NotRequired[list[Entry]]
    params: NotRequired[dict[str, dict[str, Any]]]


def stages(path: Path) -> dict[str, Stage]:
    """The block ``stages`` of a dvc.lock; empty where there is none.

    Raises:
        RefusedError: If it is no YAML, or not as DVC writes it.
    """
    if not path.exists():
        return {}
    try:
        loaded = read_yaml(path)
    except ValueError as error:
        raise RefusedError(path, "content", error, "YAML", REPRO) from None
    block = loaded.get("stages") if isinstance(loaded, Mapping) else None
    return check_typed(block or {}, dict[str, Stage], path, REPRO)


def packages(path: Path) -> dict[str, str]:
    """Name to version, from lines ``name==version``; empty where there is no file."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    split = (line.split("==", 1) for line in lines if not line.startswith("#"))
    return {pair[0].strip(): pair[1].strip() for pair in split if len(pair) == 2}


def document(path: Path, kind: type[T], *fields: str, whole: bool = False) -> T:
    """A JSON object of which at least the given fields are there, dotted.

    Args:
        path: The file. One of before files stated their own hash states none.
        kind: What its fields have to be, as far as they are there.
        *fields: Those that must be there.
        whole: Whether all of them must.

    Raises:
        RefusedError: If the file or a field is missing, or not as described.
    """
    content = read_sealed(path, REPRO, needed=False)
    return check_typed(content, kind, path, REPRO, None if whole else fields)


def card(path: Path) -> Card:
    """A dataset's card, with what a comparison needs of it."""
    read = document(path, Card, "sha256", "return.mean", "episodes", "steps")
    if histogram := read["return"].get("histogram"):
        check_typed(histogram, Histogram, path, REPRO)
        check_histogram(path, histogram, REPRO)
    return read


def world(path: Path) -> World:
    """The block ``world`` of a world.json, with its references."""
    return scored(read_sealed(path, REPRO, needed=False), path, REPRO)


def model(path: Path) -> onnx.ModelProto:
    """An ONNX file, without what it may keep outside.

    Raises:
        RefusedError: If it is none.
    """
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises several kinds
        raise RefusedError(path, "content", error, "an ONNX model", REPRO) from error
