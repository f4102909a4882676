"""Groups and arrays of an HDF5 file, looked at before a number of them is read.

HDF5 can point to other files, compute one array from others, load filters from
libraries and state sizes that it does not hold. None of that is followed.
"""

import math
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5i, h5l, h5o, h5s
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
CALLED = {h5g.GroupID: "group", h5d.DatasetID: "dataset"}
KINDS = {"f": "real", "i": "whole", "u": "whole", "b": "true or false"}


class Hdf5:
    """An open HDF5 file whose content is checked as it is read.

    HDF5's own calls are used, as h5py's objects cost several times the reading of a
    short episode.

    Args:
        path: The file, for errors and for its size.
        file: The same, opened.
        mend: What its owner can do about a file that is refused.
    """

    def __init__(self, path: Path, file: h5py.File, mend: str = MEND) -> None:
        self.path, self.root, self.mend = path, file["/"].id, mend
        self.size = path.stat().st_size
        self.room = RATIO * self.size  # bytes that may still be read

    def group(self, parent: Any, name: str) -> Any:
        """A group that lies in the file itself.

        Raises:
            RefusedError: If it is missing, a link to elsewhere, or no group.
        """
        return self._item(parent, name, h5g.GroupID)

    def names(self, group: Any) -> list[str]:
        """Names of what is in a group, links to elsewhere among them."""
        return [name.decode("utf-8", "surrogateescape") for name in group]

    def attributes(self, group: Any) -> dict[str, Any]:
        """A group's attributes by name."""
        values = {}
        for number in range(h5a.get_num_attrs(group)):
            attribute = h5a.open(group, index=number)
            name = attribute.name.decode("utf-8", "surrogateescape")
            kind = attribute.dtype
            if kind.kind in "iuf" and attribute.shape == ():
                value = np.empty((), kind)
                attribute.read(value)
                values[name] = value[()]
            else:
                values[name] = h5py.Group(group).attrs[name]
        return values

    def array(self, parent: Any, name: str, axes: int = 1) -> NDArray[Any]:
        """All numbers of an array.

        Args:
            parent: The group it lies in.
            name: Its name there.
            axes: How many it has at least.

        Raises:
            RefusedError: If it is missing, a link to elsewhere, no array of numbers,
                computed, stored outside the file or by another filter than
                :data:`FILTERS`, or far larger than the file.
        """
        data = self.stored(parent, name)
        kind = data.dtype
        shape = (
            None
            if data.get_space().get_simple_extent_type() == h5s.NULL
            else (data.shape)
        )
        plain = kind.kind in KINDS and kind.itemsize <= 8 and kind.subdtype is None
        if not plain or shape is None or len(shape) < axes:
            expected = "an array of real or whole numbers"
            self._refuse(parent, name, f"{kind} of shape {shape}", expected)
        need = math.prod(shape) * kind.itemsize
        self.take(parent, name, shape, need)
        values: NDArray[Any] = np.empty(shape, kind)
        if need:
            data.read(h5s.ALL, h5s.ALL, values)
        return values

    def stored(self, parent: Any, name: str) -> Any:
        """An array of any kind that lies in the file itself, not yet read.

        Raises:
            RefusedError: If it is missing, a link to elsewhere, computed, stored
                outside the file or by another filter than :data:`FILTERS`.
        """
        data = self._item(parent, name, h5d.DatasetID)
        stored = data.get_create_plist()
        placed = stored.get_layout()
        external = placed == h5d.CONTIGUOUS and stored.get_external_count()
        if external or placed == h5d.VIRTUAL:
            found = "numbers stored outside the file" if external else "a view"
            self._refuse(parent, name, found, "numbers in the file itself")
        numbers = [stored.get_filter(i)[0] for i in range(stored.get_nfilters())]
        if unknown := [number for number in numbers if number not in FILTERS]:
            expected = ", ".join(FILTERS.values())
            self._refuse(parent, name, f"the filter {unknown[0]}", expected)
        return data

    def take(self, parent: Any, name: str, shape: object, need: int) -> None:
        """Count memory that an array takes, and refuse far more than the file's."""
        if need > min(self.room, ARRAY_BYTES):
            self._refuse(
                parent,
                name,
                f"shape {shape}, {need} bytes, in a file of {self.size}",
                f"at most {ARRAY_BYTES} and, of all arrays, {RATIO} times the file's",
            )
        self.room -= need

    def item(self, parent: Any, name: str) -> Any:
        """What lies under a name in the file itself, of whichever kind.

        Raises:
            RefusedError: If there is nothing, or a link to elsewhere.
        """
        key = name.encode("utf-8", "surrogateescape")
        if not parent.links.exists(key):
            self._refuse(parent, name, "nothing", "a group or dataset")
        if parent.links.get_info(key).type != h5l.TYPE_HARD:
            self._refuse(parent, name, "a link to elsewhere", "a group or dataset")
        return h5o.open(parent, key)

    def _item(self, parent: Any, name: str, kind: type) -> Any:
        """What lies under a name in the file itself, of one kind."""
        called, key = CALLED[kind], name.encode("utf-8", "surrogateescape")
        if not parent.links.exists(key):
            self._refuse(parent, name, "nothing", f"a {called}")
        if parent.links.get_info(key).type != h5l.TYPE_HARD:
            self._refuse(parent, name, "a link to elsewhere", f"a {called}")
        item = h5o.open(parent, key)
        if not isinstance(item, kind):
            found = f"a {CALLED.get(type(item), 'datatype')}"
            self._refuse(parent, name, found, f"a {called}")
        return item

    def _refuse(self, parent: Any, name: str, found: str, expected: str) -> NoReturn:
        where = f"{h5i.get_name(parent).decode()}/{name}".strip("/")
        raise RefusedError(self.path, where, found, expected, self.mend)


def is_plain(value: Any) -> bool:
    """Whether an attribute is a number, text or an array of one of them."""
    if isinstance(value, str | bytes | np.number | np.bool_):
        return True
    if not isinstance(value, np.ndarray):
        return False
    return value.dtype.kind in "fiubSU" or all(isinstance(x, str) for x in value.flat)
