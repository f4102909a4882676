"""features.json of an RLDS dataset: what a step holds, by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.artifacts.strict_json import parse_json

FEATURES, INFO = Path("features.json"), Path("dataset_info.json")
MEND = "write the dataset again with tensorflow-datasets"
MOST_BYTES = 2**26  # of a JSON file
MOST_NUMBERS = 2**24  # of one step's feature


@dataclass(frozen=True)
class Feature:
    """What features.json says of one leaf of a step.

    Attributes:
        kind: ``tensor``, ``text`` or the name of another feature, e.g. ``image``.
        dtype: Of a tensor.
        shape: Of a tensor in one step.
    """

    kind: str
    dtype: str = "float32"
    shape: tuple[int, ...] = ()


def step_features(folder: Path) -> dict[str, Feature]:
    """All leaves of a step, names of nested ones joined by ``/``.

    Raises:
        RefusedError: If features.json is missing, no JSON or has no steps.
    """
    path = folder / FEATURES
    stated = read_object(path)
    try:
        block = stated["featuresDict"]["features"]["steps"]["sequence"]["feature"]
        features = dict(_leaves(path, "", block))
    except (KeyError, TypeError, AttributeError):
        expected = "steps, a sequence of features"
        raise RefusedError(path, "steps", "nothing", expected, MEND) from None
    for name in ("is_first", "is_last"):
        if name not in features:
            mend = "bring a dataset of episodes, as RLDS has them"
            raise RefusedError(path, f"steps/{name}", "nothing", "a flag", mend)
    return features


def _leaves(path: Path, name: str, block: Any) -> Iterator[tuple[str, Feature]]:
    if "featuresDict" in block:
        for key, inner in block["featuresDict"]["features"].items():
            yield from _leaves(path, f"{name}/{key}".strip("/"), inner)
    else:
        yield name, _feature(path, name, block)


def _feature(path: Path, name: str, block: Mapping[str, Any]) -> Feature:
    """One leaf; what is not read is named by the class it says it is of."""
    if "text" in block:
        return Feature("text")
    if "tensor" not in block:
        kind = str(block.get("pythonClassName", "unknown")).rpartition(".")[2][:64]
        return Feature(kind.lower())
    tensor = block["tensor"]
    dtype, encoding = tensor.get("dtype"), tensor.get("encoding", "none")
    if dtype == "string":
        return Feature("text")
    if str(encoding).lower() not in ("none", ""):
        return Feature(f"tensor of encoding {encoding!s:.32}")
    try:
        kind = np.dtype(str(dtype)).kind
        stated = tensor.get("shape", {}).get("dimensions", [])
        shape = tuple(int(number) for number in stated)
        if kind not in "fiub":
            raise ValueError(dtype)
    except (TypeError, ValueError):
        raise RefusedError(
            path, f"steps/{name}", shown(tensor), "a dtype of numbers and a shape", MEND
        ) from None
    if (
        any(not 0 <= n <= MOST_NUMBERS for n in shape)
        or np.prod(shape, dtype=float) > MOST_NUMBERS
    ):
        return Feature(f"tensor of shape {shape}")
    return Feature("tensor", str(dtype), shape)


def shard_lengths(folder: Path) -> dict[str, list[int]]:
    """Numbers of episodes a file, by split, where dataset_info.json says so."""
    path = folder / INFO
    if not path.is_file():
        return {}
    try:
        return {
            str(split["name"]): [int(number) for number in split["shardLengths"]]
            for split in read_object(path)["splits"]
            if "shardLengths" in split
        }
    except (KeyError, TypeError, ValueError):
        return {}


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        RefusedError: If there is none.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"over {MOST_BYTES} bytes")
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(path, "content", error, "a JSON object", MEND) from None
    if not isinstance(value, dict):
        raise RefusedError(path, "content", shown(value), "a JSON object", MEND)
    return value
