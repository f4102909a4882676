"""Arrays that may be larger than the memory: above a size they lie in a file."""

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tasks.artifacts.beside import TEMPORARY
from tasks.artifacts.files import MIN_FREE_BYTES, check_writable

TABLES = Path(".offcut/tables")
MAPPED_BYTES = 64 * 1024 * 1024  # from this size on


def blank(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array to be filled, in memory or, from :data:`MAPPED_BYTES` on, in a file.

    The file has no name: it is of this process and those it forks, and the system
    removes it when the last of them ends, however it ends.

    Args:
        shape: Length of each axis.
        dtype: Type of its numbers.

    Raises:
        RefusedError: If the disk has too little room for it.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < MAPPED_BYTES:
        return np.empty(shape, dtype)
    check_writable(TABLES, size + MIN_FREE_BYTES)
    with tempfile.TemporaryFile(dir=TABLES, suffix=TEMPORARY) as file:
        if hasattr(os, "posix_fallocate"):  # else a disk that fills up ends the process
            os.posix_fallocate(file.fileno(), 0, size)
        file.truncate(size)
        pages = mmap.mmap(file.fileno(), size)
    return np.frombuffer(pages, dtype).reshape(shape)


def release(*arrays: NDArray[Any] | None) -> None:
    """Give back the memory that mapped arrays hold; their content stays in the file.

    Args:
        arrays: Of :func:`blank`; those that lie in memory are left alone, and so is
            None.
    """
    for array in arrays:
        base: Any = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)
