"""meta/info.json of a LeRobot dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.artifacts.strict_json import parse_json

INFO = Path("meta/info.json")
# by version, the name of a file of frames
VERSIONS = {"v2.0": "episode_*", "v2.1": "episode_*", "v3.0": "file-*"}
MEND = "write the dataset again with LeRobot"
MOST_BYTES = 2**26  # of info.json


@dataclass(frozen=True)
class Info:
    """What info.json says."""

    version: str
    fps: float
    episodes: int
    frames: int
    features: Mapping[str, Mapping[str, Any]]
    splits: Mapping[str, Any]


def _parsed(path: Path) -> dict[str, Any]:
    """The object in info.json."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"over {MOST_BYTES} bytes")
    value = parse_json(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def read_info(source: Path) -> Info:
    """What info.json says.

    Raises:
        RefusedError: If it is missing, no JSON, or says what no dataset of
            :data:`VERSIONS` can.
    """
    path = source / INFO
    try:
        stated = _parsed(path)
    except (OSError, ValueError, TypeError) as error:
        raise RefusedError(path, "content", error, "a JSON object", MEND) from None
    version, storage = stated.get("codebase_version"), stated.get("storage_format")
    if version not in VERSIONS:
        mend = "convert it with LeRobot's own script"
        expected = f"one of {', '.join(VERSIONS)}"
        raise RefusedError(path, "codebase_version", shown(version), expected, mend)
    if storage not in (None, "parquet"):
        mend = "export it as parquet with LeRobot"
        raise RefusedError(path, "storage_format", shown(storage), "parquet", mend)
    features: Any = stated.get("features")
    plain = isinstance(features, dict)
    if not plain or not all(isinstance(f, dict) for f in features.values()):
        raise RefusedError(path, "features", shown(features), "a mapping", MEND)
    fps = _number(path, stated, "fps", 1e-3, 1e6)
    episodes, frames = (
        int(_number(path, stated, key, 1, 1e12))
        for key in ("total_episodes", "total_frames")
    )
    splits = stated.get("splits")
    splits = splits if isinstance(splits, dict) else {}
    return Info(str(version), fps, episodes, frames, features, splits)


def _number(
    path: Path, stated: Mapping[str, Any], key: str, least: float, most: float
) -> float:
    """A number of info.json."""
    value = stated.get(key)
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not least <= value <= most
    ):
        expected = f"a number from {least:g} to {most:g}"
        raise RefusedError(path, key, shown(value), expected, MEND)
    return float(value)


def stated_version(source: Path) -> object:
    """The codebase_version of a folder's info.json; None if there is none."""
    try:
        path = source / INFO
        return _parsed(path).get("codebase_version") if path.is_file() else None
    except (OSError, ValueError, TypeError):
        return None
