"""Observations as one row of numbers, and actions back from one.

Shapes: O numbers in an observation, A in an action.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.spaces import (
    Box,
    Dict,
    Discrete,
    MultiBinary,
    MultiDiscrete,
    Tuple,
)
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError

MOST = 4096  # numbers of an observation, or actions to choose from
FINITE = float(np.finfo(np.float32).max)

Path = tuple[str | int, ...]
Flat = Callable[[Any], NDArray[Any]]


class Observes:
    """How an observation becomes numbers.

    Args:
        space: The environment's.
        where: The world, for errors.

    Attributes:
        space: Box (O,), float32, or float64 where a part needs it.
        parts: Name and width of each part, in their order.

    Raises:
        RefusedError: If a part is of another kind, or there are more than ``MOST``
            numbers, as in pictures.
    """

    def __init__(self, space: Space[Any], where: str) -> None:
        self._leaves = list(_leaves(space, (), where))
        self.parts = [(_name(path), low.size) for path, _, low, _ in self._leaves]
        low = np.concatenate([low for _, _, low, _ in self._leaves])
        high = np.concatenate([high for _, _, _, high in self._leaves])
        if not 1 <= low.size <= MOST:
            found = f"{low.size} numbers"
            mend = "take a smaller observation; pictures need a world of their own"
            raise RefusedError(where, "observation", found, f"1 to {MOST}", mend)
        self.space = Box(low, high, low.shape, low.dtype.type)

    def flat(self, observation: Any) -> NDArray[Any]:
        """An observation of the environment as numbers (O,)."""
        rows = []
        for path, flat, _, _ in self._leaves:
            part = observation
            for key in path:
                part = part[key]
            rows.append(flat(part))
        return rows[0] if len(rows) == 1 else np.concatenate(rows)


class Acts:
    """How numbers become an action.

    Args:
        space: The environment's.
        where: The world, for errors.

    Attributes:
        space: Box (A,) with finite bounds, or Discrete from 0.

    Raises:
        RefusedError: If actions are of another kind, or have no bounds.
    """

    def __init__(self, space: Space[Any], where: str) -> None:
        self._shape, self._start = space.shape, 0
        self.space: Box | Discrete
        if isinstance(space, Discrete):
            if space.n > MOST:
                raise _refused(where, "action", f"{space.n} actions", f"at most {MOST}")
            self.space, self._start = Discrete(int(space.n)), int(space.start)
            return
        if not isinstance(space, Box):
            found = type(space).__name__
            raise _refused(where, "action", found, "Box or Discrete actions")
        if space.dtype is None or space.dtype.kind != "f":
            found = f"numbers of type {space.dtype}"
            raise _refused(where, "action", found, "a Box of floats")
        low, high = space.low.ravel(), space.high.ravel()
        if not (np.abs(np.concatenate([low, high])) < FINITE).all():
            found = "a bound that is infinite"
            raise _refused(where, "action", found, "finite bounds to scale actions by")
        if not low.size or not (low < high).all():
            found = f"bounds {low.tolist()!s:.60} to {high.tolist()!s:.60}"
            raise _refused(where, "action", found, "a range for each of its numbers")
        self.space = Box(low, high, low.shape, space.dtype.type)
        self._type = space.dtype

    def own(self, action: Any) -> Any:
        """An action as the environment takes it: (A,) numbers, or one whole number."""
        if isinstance(self.space, Discrete):
            return int(action) + self._start
        return np.asarray(action).astype(self._type, copy=False).reshape(self._shape)


def _leaves(
    space: Space[Any], path: Path, where: str
) -> Iterator[tuple[Path, Flat, NDArray[Any], NDArray[Any]]]:
    """Path, way to numbers, and bounds (n,) of each part, keys sorted."""
    if isinstance(space, Dict):
        for key in sorted(space.spaces):
            yield from _leaves(space.spaces[key], (*path, key), where)
    elif isinstance(space, Tuple):
        for number, inner in enumerate(space.spaces):
            yield from _leaves(inner, (*path, number), where)
    elif isinstance(space, Box):
        kind = _float_of(space.dtype)
        low, high = (end.ravel().astype(kind) for end in (space.low, space.high))
        yield path, lambda part: np.asarray(part, kind).ravel(), low, high
    elif isinstance(space, MultiBinary):
        n = int(np.prod(space.shape))
        yield path, lambda part: np.asarray(part, np.float32).ravel(), *_bits(n)
    elif isinstance(space, Discrete):
        yield path, _one_hot([int(space.n)], int(space.start)), *_bits(int(space.n))
    elif isinstance(space, MultiDiscrete):
        counts = [int(n) for n in np.ravel(space.nvec)]
        start = np.ravel(space.start)
        yield path, _one_hot(counts, start), *_bits(sum(counts))
    else:
        found = f"{_name(path)}: {type(space).__name__}"
        expected = "Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple"
        raise _refused(where, "observation", found, expected)


def _float_of(dtype: Any) -> Any:
    """The type of float that holds an array's numbers: float32 as far as it can."""
    exact = np.dtype(dtype).kind == "f" or np.dtype(dtype).itemsize <= 2
    return np.float32 if exact and np.dtype(dtype).itemsize <= 4 else np.float64


def _bits(n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Bounds of n numbers that are 0 or 1."""
    return np.zeros(n, np.float32), np.ones(n, np.float32)


def _one_hot(counts: list[int], start: Any) -> Flat:
    """The way from whole numbers to one-hot parts, one after the other."""
    first = np.cumsum([0, *counts[:-1]])
    total = sum(counts)

    def flat(part: Any) -> NDArray[Any]:
        row = np.zeros(total, np.float32)
        row[first + np.ravel(part).astype(np.int64) - start] = 1.0
        return row

    return flat


def _name(path: Path) -> str:
    return ".".join(map(str, path)) or "observation"


def _refused(where: str, field: str, found: str, expected: str) -> RefusedError:
    mend = "take another environment, or register one with a wrapper of your own"
    return RefusedError(where, field, found, expected, mend)
