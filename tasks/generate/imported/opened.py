"""HDF5 files of others, opened to be looked at or read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.hdf5 import Hdf5
from tasks.artifacts.minari import HDF5_ERRORS

MEND = "write the source again with the library that wrote it"
LONGEST = 64  # characters of a text that is read


@contextmanager
def opened(path: Path) -> Iterator[Hdf5]:
    """An HDF5 file for the length of a block, its content checked as it is read.

    Raises:
        RefusedError: If it is damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            yield Hdf5(path, file, MEND)
    except HDF5_ERRORS as error:
        found = f"{type(error).__name__}: {error}"
        raise RefusedError(path, "content", found, "a whole HDF5 file", MEND) from None


def names_in(path: Path, group: str = "/") -> set[str]:
    """Names in a group of a file; none if it is no HDF5 file or has no such group."""
    try:
        if not path.is_file() or not h5py.is_hdf5(path):
            return set()
        with h5py.File(path, "r") as file:
            if group != "/" and file.get(group, getclass=True) is not h5py.Group:
                return set()
            return set(file[group])
    except HDF5_ERRORS:
        return set()


def text(stored: Hdf5, name: str) -> str:
    """A short text at the top of a file; empty where there is none."""
    if name not in stored.names(stored.root):
        return ""
    item = stored.item(stored.root, name)
    if not isinstance(item, h5py.h5d.DatasetID) or item.shape != ():
        return ""
    value: Any = h5py.Dataset(item)[()]
    value = value if isinstance(value, bytes) else b""
    return value[:LONGEST].decode("utf-8", "replace")


def arrays_below(stored: Hdf5, parent: Any, name: str) -> dict[str, Any]:
    """All arrays under a name, nested groups as names joined by ``/``.

    Args:
        stored: The file.
        parent: The group it lies in.
        name: Of an array, which then has the name "", or of a group of arrays.
    """
    if not isinstance(stored.item(parent, name), h5py.h5g.GroupID):
        return {"": stored.array(parent, name)}
    group = stored.group(parent, name)
    values: dict[str, Any] = {}
    for inner in sorted(stored.names(group)):
        below = arrays_below(stored, group, inner)
        values |= {f"{inner}/{end}".rstrip("/"): array for end, array in below.items()}
    return values
