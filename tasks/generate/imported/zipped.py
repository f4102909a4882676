"""Arrays of an npz file, looked at before memory is taken for them.

An npz is a zip of npy files. One whose array holds Python objects would have to run
code to be read, and is refused.
"""

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.hdf5 import ARRAY_BYTES, RATIO

MEND = "write it again with numpy.savez, as arrays of numbers"
HEADER = 10_000  # bytes of an npy header that are read at most
# what a damaged zip or npy may fail with
DAMAGED = (
    *(EOFError, KeyError, NotImplementedError, OSError, RuntimeError),
    *(ValueError, zipfile.BadZipFile, zlib.error),
)


def keys_in(path: Path) -> set[str]:
    """Names of the arrays of an npz file; none if it is no such file."""
    try:
        if not path.is_file() or not zipfile.is_zipfile(path):
            return set()
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except DAMAGED:
        return set()
    if not all(name.endswith(".npy") for name in names):
        return set()
    return {name.removesuffix(".npy") for name in names}


def arrays(path: Path, names: set[str]) -> dict[str, NDArray[Any]]:
    """Some arrays of an npz file, by name.

    Raises:
        RefusedError: If one is damaged, holds objects, or is far larger than the file.
    """
    values: dict[str, NDArray[Any]] = {}
    name, room = "content", RATIO * path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(names):
                with archive.open(f"{name}.npy") as stream:
                    shape, order, kind = _header(stream)
                    if kind.hasobject:
                        raise RefusedError(
                            path,
                            name,
                            "objects of Python, which only code can read",
                            "an array of numbers",
                            MEND,
                        )
                    need = math.prod(shape) * kind.itemsize
                    if need > min(room, ARRAY_BYTES):
                        raise ValueError(f"shape {shape}, {need} bytes")
                    room -= need
                    data = np.frombuffer(stream.read(need), kind)
                    values[name] = data.reshape(shape, order=order)
    except DAMAGED as error:
        expected = "an array, not far larger than the file"
        raise RefusedError(path, name, error, expected, MEND) from None
    return values


def _header(stream: Any) -> tuple[tuple[int, ...], Any, np.dtype[Any]]:
    """Shape, order and type that an npy file states."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy of version {version}")
    read = npy.read_array_header_1_0 if version[0] == 1 else npy.read_array_header_2_0
    shape, fortran, kind = read(stream, max_header_size=HEADER)
    return shape, "F" if fortran else "C", kind
