"""Observations of a source as one row of numbers a step.

Several arrays become one: in the order of their names, or of ``obs_keys``, each
flattened in C order. A Discrete one becomes one-hot.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.nearest import listed
from tasks.artifacts.precision import LOOKED_AT, MOST_LOST, losses
from tasks.generate.imported.logs import Log, Options


def again(options: str) -> str:
    """The mend of what an option settles."""
    return f'import it again with OPTIONS="{options}"'


class Columns:
    """How the arrays of a source lie beside each other.

    Args:
        source: For errors.
        first: Its first episode; all others have the same arrays.
        space: Of observations, as the source states it; None: it does not.
        options: Which arrays are chosen.

    Attributes:
        names: Of the arrays, in order.
        low: (O,), as stated; -inf where nothing is.
        high: (O,).
        dtype: That holds all of them, float32 at least.

    Raises:
        RefusedError: If a chosen array is missing, or one is no array of numbers.
    """

    def __init__(
        self, source: object, first: Log, space: Space[Any] | None, options: Options
    ) -> None:
        self.source = source
        self.names = self._chosen(first, options)
        self.spaces = {name: subspace(space, name) for name in self.names}
        rows = [self._rows(first, name) for name in self.names]
        self.widths = dict(
            zip(self.names, [part.shape[1] for part in rows], strict=True)
        )
        ends = [bounds(self.spaces[name], self.widths[name]) for name in self.names]
        self.low = np.concatenate([low for low, _ in ends])
        self.high = np.concatenate([high for _, high in ends])
        self.dtype: np.dtype[Any] = np.result_type(*rows, np.float32)

    def __str__(self) -> str:
        """Which arrays there are, with their widths."""
        return ", ".join(f"{name} ({self.widths[name]})" for name in self.names)

    def of(self, log: Log) -> NDArray[Any]:
        """The observations of an episode, (rows, O), not rounded."""
        parts = [self._rows(log, name) for name in self.names]
        for name, part in zip(self.names, parts, strict=True):
            if len(part) != len(parts[0]):
                expected = f"{len(parts[0])}, as of {self.names[0]}"
                self._refuse(log, name, f"{len(part)} rows", expected)
            if part.shape[1] != self.widths[name]:
                expected = f"{self.widths[name]}, as in the first episode"
                self._refuse(log, name, f"{part.shape[1]} numbers a row", expected)
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return joined.astype(self.dtype, copy=False)

    def _chosen(self, log: Log, options: Options) -> list[str]:
        """Names of the arrays an observation is made of."""
        names = sorted(log.observations)
        if not options.obs_keys:
            return names
        chosen: list[str] = []
        for key in options.obs_keys:
            below = [n for n in names if n == key or n.startswith(f"{key}/")]
            if not below:
                raise RefusedError(
                    self.source,
                    f"{log.where}, observations",
                    f"no array {key}",
                    f"one of {listed(names)}",
                    "change obs_keys",
                )
            chosen += [name for name in below if name not in chosen]
        return chosen

    def _rows(self, log: Log, name: str) -> NDArray[Any]:
        """One array of an episode, (rows, numbers)."""
        if name not in log.observations:
            self._refuse(log, name, "nothing", "the array that other episodes have")
        values = np.asarray(log.observations[name])
        if values.dtype.kind not in "fiub" or values.ndim == 0:
            found = f"{values.dtype} of shape {values.shape}"
            self._refuse(log, name, found, "an array of numbers", again("obs_keys=A,B"))
        space = self.spaces[name]
        if isinstance(space, spaces.Discrete):
            numbers = values.reshape(len(values)) - space.start
            wrong = (numbers < 0) | (numbers >= space.n) | (numbers % 1 != 0)
            if wrong.any():
                step = int(np.flatnonzero(wrong)[0])
                number = values.ravel()[step]
                expected = f"{space.start} to {space.start + space.n - 1}"
                self._refuse(log, name, f"{number:g} at step {step}", expected)
            return np.eye(int(space.n), dtype=np.float32)[numbers.astype(np.int64)]
        return values.reshape(len(values), int(np.prod(values.shape[1:], dtype=int)))

    def _refuse(
        self,
        log: Log,
        name: str,
        found: str,
        expected: str,
        mend: str = "mend the source",
    ) -> NoReturn:
        field = f"{log.where}, observations{f'/{name}' if name else ''}"
        raise RefusedError(self.source, field, found, expected, mend)


def named(values: Any, name: str = "") -> dict[str, NDArray[Any]]:
    """Nested mappings and tuples of arrays as one mapping, names joined by ``/``."""
    if isinstance(values, Mapping):
        parts = [(str(key), inner) for key, inner in values.items()]
    elif isinstance(values, tuple):
        parts = [(str(number), inner) for number, inner in enumerate(values)]
    else:
        return {name: np.asarray(values)}
    arrays: dict[str, NDArray[Any]] = {}
    for key, inner in parts:
        arrays |= named(inner, f"{name}/{key}" if name else key)
    return arrays


def subspace(space: Space[Any] | None, name: str) -> Space[Any] | None:
    """The space of one array of a nested one, by its name; None if none is stated."""
    for part in name.split("/") if name else ():
        if isinstance(space, spaces.Dict) and part in space.spaces:
            space = space.spaces[part]
        elif isinstance(space, spaces.Tuple) and part.isdecimal():
            space = dict(enumerate(space.spaces)).get(int(part))
        else:
            return None
    return space


def bounds(
    space: Space[Any] | None, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest numbers of an array, (O,) each; infinite if none is stated."""
    if isinstance(space, spaces.Discrete | spaces.MultiBinary):
        return np.zeros(width), np.ones(width)
    if isinstance(space, spaces.Box) and space.low.size == width:
        low, high = space.low.ravel(), space.high.ravel()
        return low.astype(np.float64), high.astype(np.float64)
    return np.full(width, -np.inf), np.full(width, np.inf)


def check_distinct(
    rows: NDArray[Any], source: object, options: Options, notes: list[str]
) -> None:
    """Refuse observations of which float32 loses more than half of the values.

    Args:
        rows: (N, O), not rounded.
        source: For errors.
        options: Of the import; dtype float32 accepts the loss.
        notes: Says then which columns lose how much.

    Raises:
        RefusedError: Names the first such column and what it loses.
    """
    if rows.dtype.itemsize <= 4 and rows.dtype.kind == "f":
        return
    sample = rows[:: -(-len(rows) // LOOKED_AT)]
    lost = losses(sample)
    if options.dtype == "float32":
        notes += [f"observations, column {n}: {text}" for n, text in lost.items()]
    elif lost:
        column, text = next(iter(lost.items()))
        means = sample.mean(axis=0, dtype=np.float64)
        shift = [f"{m:.9g}" if n in lost else "0" for n, m in enumerate(means)]
        listing = ",".join(shift)
        raise RefusedError(
            source,
            f"observations, column {column}",
            text,
            f"at most {MOST_LOST:.0%} lost, as policies read float32",
            f"{again(f'obs_shift=[{listing}]')} (and subtract it where the "
            "policy runs), or accept the loss with dtype=float32",
        )
