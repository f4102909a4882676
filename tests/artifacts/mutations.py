"""Small damages to files, drawn from a seed: readers must refuse or read them."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

# what may stand where something else should
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 3, 10**9, 10**30, 1.5, -0.5, 1e300),
    *("", "x", "x" * 5000, "../../x", [], {}, [[]], [1, "x"], {"x": None}),
)


def spoilt_bytes(
    content: bytes, count: int, draw: np.random.Generator
) -> Iterator[bytes]:
    """Versions of a file with some bytes changed, cut off at the end or doubled."""
    for _ in range(count):
        version = bytearray(content)
        for place in draw.integers(len(version), size=draw.choice([1, 4, 40])):
            version[place] = draw.integers(256)
        how, place = draw.random(), int(draw.integers(len(version)))
        if how < 0.2:
            del version[place:]
        elif how < 0.3:
            version[place:place] = version[: draw.integers(64)]
        yield bytes(version)


def spoilt_json(content: Any, count: int, draw: np.random.Generator) -> Iterator[Any]:
    """Versions of a value with a part, drawn evenly, taken out or replaced."""
    places = list(_places(content))
    for _ in range(count):
        version = copy.deepcopy(content)
        *way, last = places[draw.integers(len(places))]
        parent = version
        for key in way:
            parent = parent[key]
        if draw.random() < 0.25:
            del parent[last]
        else:
            parent[last] = VALUES[draw.integers(len(VALUES))]
        yield json.loads(json.dumps(version))


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield (*way, key)
        if isinstance(value[key], dict | list):
            yield from _places(value[key], (*way, key))
