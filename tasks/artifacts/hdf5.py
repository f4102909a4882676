"""Groups and arrays of an HDF5 file, looked at before a number of them is read.

HDF5 can point to other files, compute one array from others, load filters from
libraries and state sizes that it does not hold. None of that is followed.
"""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError

MEND = "write the dataset again"
FILTERS = {  # of HDF5 itself, by number
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
}
RATIO = 1000  # numbers' bytes in memory to the file's, gzip's best is 1032
ARRAY_BYTES = 2**31  # of one array in memory
KINDS = {"f": "real", "i": "whole", "u": "whole", "b": "true or false"}


class Hdf5:
    """An open HDF5 file whose content is checked as it is read.

    Args:
        path: The file, for errors and for its size.
        file: The same, opened.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self.file = path, file
        self.size = path.stat().st_size
        self.room = RATIO * self.size  # bytes that may still be read

    def group(self, parent: h5py.Group, name: str) -> h5py.Group:
        """A group that lies in the file itself.

        Raises:
            RefusedError: If it is missing, a link to elsewhere, or no group.
        """
        return self._item(parent, name, h5py.Group)

    def array(self, parent: h5py.Group, name: str) -> NDArray[Any]:
        """All numbers of an array, at least one axis.

        Raises:
            RefusedError: If it is missing, a link to elsewhere, no array of numbers,
                computed, stored outside the file or by another filter than
                :data:`FILTERS`, or far larger than the file.
        """
        data = self._item(parent, name, h5py.Dataset)
        where = self._name(parent, name)
        if data.external or data.is_virtual:
            found = "numbers stored outside the file" if data.external else "a view"
            raise RefusedError(
                self.path, where, found, "numbers in the file itself", MEND
            )
        stored = data.id.get_create_plist()
        numbers = [stored.get_filter(i)[0] for i in range(stored.get_nfilters())]
        if unknown := [number for number in numbers if number not in FILTERS]:
            expected = ", ".join(FILTERS.values())
            found = f"the filter {unknown[0]}"
            raise RefusedError(self.path, where, found, expected, MEND)
        kind = data.dtype
        plain = kind.kind in KINDS and kind.itemsize <= 8 and kind.subdtype is None
        if not plain or not data.shape:
            found = f"{kind} of shape {data.shape}"
            expected = "an array of real or whole numbers"
            raise RefusedError(self.path, where, found, expected, MEND)
        need = math.prod(data.shape) * kind.itemsize
        if need > min(self.room, ARRAY_BYTES):
            raise RefusedError(
                self.path,
                where,
                f"shape {data.shape}, {need} bytes, in a file of {self.size}",
                f"at most {ARRAY_BYTES} and, of all arrays, {RATIO} times the file's",
                MEND,
            )
        self.room -= need
        values: NDArray[Any] = data[()]
        return values

    def _item(self, parent: h5py.Group, name: str, kind: type) -> Any:
        """What lies under a name in the file itself, of one kind."""
        where, called = self._name(parent, name), kind.__name__.lower()
        link = parent.get(name, getlink=True) if name in parent.keys() else None  # noqa: SIM118
        if not isinstance(link, h5py.HardLink):
            found = "nothing" if link is None else "a link to elsewhere"
            raise RefusedError(self.path, where, found, f"a {called}", MEND)
        item = parent[name]
        if not isinstance(item, kind):
            found = f"a {type(item).__name__.lower()}"
            raise RefusedError(self.path, where, found, f"a {called}", MEND)
        return item

    def _name(self, parent: h5py.Group, name: str) -> str:
        return f"{parent.name}/{name}".strip("/")


def is_plain(value: Any) -> bool:
    """Whether an attribute is a number, text or an array of one of them."""
    if isinstance(value, str | bytes | np.number | np.bool_):
        return True
    if not isinstance(value, np.ndarray):
        return False
    return value.dtype.kind in "fiubSU" or all(isinstance(x, str) for x in value.flat)
