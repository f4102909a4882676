"""Every place of a JSON file replaced by what should not stand there, one at a time."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.artifacts.sealed import SEAL, sealed

ABSENT = object()
VALUES: tuple[Any, ...] = (None, [], [5], "x", -1, 0, 1e308, True, {}, ABSENT)
Spoilt = tuple[str, Callable[[], object]]  # in words, and what makes it so


def ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a value; of long lists to the first and last entry."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    for key in keys if isinstance(value, dict) else {*keys[:1], *keys[-1:]}:
        yield (*way, key)
        if isinstance(value[key], dict | list):
            yield from ways(value[key], (*way, key))


def replaced(content: Any, way: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at one place, or without the place."""
    changed = copy.deepcopy(content)
    *parents, last = way
    part = changed
    for key in parents:
        part = part[key]
    if value is ABSENT:
        del part[last]
    else:
        part[last] = value
    return changed


def write(path: Path, content: Any) -> None:
    """Write JSON; where it states its own hash, the one it then has."""
    stated = isinstance(content, dict) and SEAL in content
    path.write_text(json.dumps(sealed(content) if stated else content), "utf-8")


def spoilt(path: Path) -> Iterator[Spoilt]:
    """Each way to spoil a file: as a whole, then place by place.

    Args:
        path: The file; whoever spoils it puts it back.
    """
    text = path.read_text("utf-8")
    content = json.loads(text)
    wholes = {
        "cut": text[: len(text) // 2],
        "empty": "",
        "no UTF-8": "\udcff",
        "NaN": text.replace(": ", ": NaN, ", 1).replace('"', "", 0),
        **{f"{value!r} alone": json.dumps(value) for value in (None, [], "x", 3)},
    }
    for name, whole in wholes.items():
        yield name, lambda w=whole: path.write_text(w, "utf-8", "surrogateescape")  # type: ignore[misc]
    yield "gone", path.unlink
    yield "a folder", lambda: (path.unlink(), path.mkdir())
    yield "more", lambda: write(path, content | {"more": {"x": [1, "x"]}})
    if SEAL in content:
        edited = {**content, "more": 1}
        yield "another hash", lambda: path.write_text(json.dumps(edited), "utf-8")
    for way in ways({k: v for k, v in content.items() if k != SEAL}):
        for value in VALUES:
            name = f"{'.'.join(map(str, way))} = {value!r:.20}"
            yield (
                name,
                lambda w=way, v=value: write(path, replaced(content, w, v)),  # type: ignore[misc]
            )


def restore(path: Path, text: str) -> None:
    """Put back what stood there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.write_text(text, "utf-8")
