"""Arrays of an npz file, read without what can hold code: no objects, no pickle."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tasks.artifacts.zip_file import Zip

KINDS = "biuf"  # truth values, whole numbers and floats


def read_npz(path: Path, mend: str) -> dict[str, NDArray[Any]]:
    """All arrays by name.

    Args:
        path: What ``numpy.savez`` wrote.
        mend: What the user can do about a broken one.

    Raises:
        RefusedError: If it is no such file, or an array holds other things than
            numbers, or has another size than it states; before memory is taken.
    """
    opened = Zip(path, mend)
    arrays = {}
    for member in opened.sizes:
        name = member.removesuffix(".npy")
        try:
            arrays[name] = _array(opened.read(member))
        except ValueError as error:
            expected = "an array of plain numbers"
            raise opened.refused(f"array {name:.80}", error, expected) from None
    return arrays


def _array(data: bytes) -> NDArray[Any]:
    """One npy file's array."""
    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"npy version {version}")
    shape, fortran, dtype = read[version](stream)
    if dtype.kind not in KINDS:
        raise ValueError(f"values of type {dtype!s:.40}")
    rest = len(data) - stream.tell()
    if math.prod(shape) * dtype.itemsize != rest:
        raise ValueError(f"shape {shape!s:.80} of {dtype} in {rest} bytes")
    flat = np.frombuffer(data, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")
