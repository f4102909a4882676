"""Reading a dataset's transitions, mapped from rows.bin; no HDF5 is opened.

Nothing is believed before rows.json states its own hash and the main_data.hdf5 that
the card names, and before the file has the stated size. Of the arrays, those that are
asked for are hashed, whole, and no others.
"""

import hashlib
import mmap
import os
import stat
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts import mapped
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.opening import check_card
from tasks.artifacts.packed import (
    COLUMNS,
    INDEX,
    MASKS,
    OPTIONAL,
    ROWS,
    SCHEMA,
    SIZES,
    Place,
    layout,
)
from tasks.artifacts.sealed import read_sealed
from tasks.artifacts.transitions import Array, Transitions

MOST = 2**40  # of each size
BLOCK = 2**22  # bytes hashed at once


class Packed:
    """The packed rows of a dataset, opened and not yet read.

    Args:
        folder: The dataset.

    Attributes:
        sizes: ``steps``, ``episodes``, ``observation`` and ``action``.
        names: Of the arrays there are.
        sha256: Of main_data.hdf5.
        discrete: Whether actions are one-hot.

    Raises:
        RefusedError: If the card is not the dataset's, or rows.json is missing, damaged
            or of another main_data.hdf5, or says what rows.bin cannot hold.
    """

    def __init__(self, folder: Path) -> None:
        card, command = check_card(folder, opens_main=False)
        self.mend = f"make it again with: {command}"
        self.folder, self.index, self.file = folder, folder / INDEX, folder / ROWS
        content = read_sealed(self.index, command)
        self.sha256 = str(card["sha256"])
        stated = {
            "schema": SCHEMA,
            "main_sha256": self.sha256,
            "dataset_id": folder.name,
        }
        for key, value in stated.items():
            if content.get(key) != value:
                self.refuse(self.index, key, f"{content.get(key)!r:.80}", value)
        self.sizes: dict[str, int] = {key: content.get(key, 0) for key in SIZES}
        for key, size in self.sizes.items():
            if type(size) is not int or not 1 <= size <= MOST:
                self.refuse(self.index, key, f"{size!r:.80}", f"1 to {MOST}")
        discrete = content.get("discrete")
        if not isinstance(discrete, bool):
            self.refuse(self.index, "discrete", f"{discrete!r:.80}", "true or false")
        self.discrete = discrete
        self.stated = self._columns(content.get("columns"))
        self.names = list(self.stated)
        self.places, self.size = layout(self.sizes, self.names)
        for name, place in self.places.items():
            self._check_entry(name, place)
        if content.get("bytes") != self.size:
            found = f"{content.get('bytes')!r:.80}"
            self.refuse(self.index, "bytes", found, self.size)

    def read(self, *names: str) -> dict[str, NDArray[Any]]:
        """Some arrays, checked against their hashes.

        Those of 64 MiB or more, if they have two axes, are mapped from the file and
        cannot be written; others lie in memory.

        Args:
            names: Of :attr:`names`.

        Raises:
            RefusedError: If rows.bin is missing or no file, or has another size than
                stated, before memory is taken; if an array is not what was written,
                or has a number that is not finite. A link to such a file, as DVC can
                make them into its cache, is as good.
        """
        with self._open() as stream:
            arrays = {name: self._array(stream, name) for name in names}
        for name, values in arrays.items():
            self._check_finite(name, values)
        return arrays

    def _open(self) -> FileIO:
        """Rows.bin, a file of the stated size."""
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK  # a pipe would wait
            stream = FileIO(os.open(self.file, flags), "rb")
        except FileNotFoundError:
            self.refuse(self.file, "file", "nothing", "a file")
        except OSError as error:  # EISDIR of a folder
            self.refuse(self.file, "file", error.strerror, "a file")
        state = os.fstat(stream.fileno())
        if not stat.S_ISREG(state.st_mode) or state.st_size != self.size:
            stream.close()
            regular = stat.S_ISREG(state.st_mode)
            found = f"{state.st_size} bytes" if regular else "no plain file"
            self.refuse(self.file, "size", found, f"{self.size} bytes")
        return stream

    def _array(self, stream: FileIO, name: str) -> NDArray[Any]:
        """An array with the stated hash."""
        place = self.places[name]
        values: NDArray[Any]
        if place.size < mapped.MAPPED_BYTES or len(place.shape) < 2:
            values = np.empty(place.shape, place.dtype)
            into = values.data.cast("B")
            stream.seek(place.offset)
            at = 0
            while at < place.size and (count := stream.readinto(into[at:])):
                at += count
        else:
            pages = mmap.mmap(stream.fileno(), self.size, access=mmap.ACCESS_READ)
            count = place.size // np.dtype(place.dtype).itemsize
            flat = np.frombuffer(pages, place.dtype, count, place.offset)
            values = flat.reshape(place.shape)
        digest = hashlib.sha256()
        held = values.data.cast("B")
        for first in range(0, place.size, BLOCK):
            digest.update(held[first : first + BLOCK])
        computed, stated = digest.hexdigest(), self.stated[name].get("sha256")
        if computed != stated:
            self.refuse(self.file, f"{name}, sha256", computed, f"{stated!s:.64}")
        return values

    def _check_finite(self, name: str, values: NDArray[Any]) -> None:
        """Refuse numbers nobody can compute with, whoever stated their hash."""
        if values.dtype.kind != "f":
            return
        step = max(1, BLOCK // max(1, values[:1].nbytes))
        for first in range(0, len(values), step):
            finite = np.isfinite(values[first : first + step])
            if not finite.all():
                row = first + int(np.argwhere(~finite)[0][0])
                found = "a number that is not finite"
                self.refuse(self.file, f"{name}, row {row}", found, "finite numbers")
        mapped.release(values)

    def _columns(self, content: Any) -> dict[str, Mapping[str, Any]]:
        """What rows.json says of each array, in the order of ``COLUMNS``."""
        if not isinstance(content, dict):
            self.refuse(self.index, "columns", f"{content!r:.80}", "a mapping")
        names = [name for name in COLUMNS if name in content]
        lacking = [n for n in COLUMNS if n not in content and n not in OPTIONAL]
        lacking += [n for n in MASKS if sum(m in content for m in MASKS) % 2]
        if unknown := [name for name in content if name not in COLUMNS]:
            found = f"{unknown[0]!r:.80}"
            self.refuse(self.index, "columns", found, ", ".join(COLUMNS))
        if lacking:
            self.refuse(self.index, f"columns.{lacking[0]}", "nothing", "an array")
        return {name: content[name] for name in names}

    def _check_entry(self, name: str, place: Place) -> None:
        """Refuse an array that lies, or is, otherwise than its sizes say."""
        entry = self.stated[name]
        where = f"columns.{name}"
        if not isinstance(entry, dict):
            self.refuse(self.index, where, f"{entry!r:.80}", "a mapping")
        for key, value in (
            ("dtype", place.dtype),
            ("shape", list(place.shape)),
            ("offset", place.offset),
        ):
            if entry.get(key) != value:
                found = f"{entry.get(key)!r:.80}"
                self.refuse(self.index, f"{where}.{key}", found, value)

    def refuse(self, file: Path, field: str, found: Any, expected: Any) -> NoReturn:
        """Raise an error that says how the dataset is made again."""
        raise RefusedError(file, field, found, expected, self.mend)


def load_transitions(folder: Path) -> Transitions:
    """Read a dataset as flat arrays, episode by episode.

    Large arrays are mapped from rows.bin and cannot be written.

    Raises:
        RefusedError: If a file is missing or not the one that was written, or the id is
            not the folder's.
    """
    packed = Packed(folder)
    arrays = packed.read(*packed.names)
    length, steps = arrays.pop("length"), packed.sizes["steps"]
    if not ((length >= 1) & (length <= steps)).all() or length.sum() != steps:
        found, expected = "other lengths", f"{steps} steps in all, 1 at least in each"
        packed.refuse(packed.file, "length", found, expected)
    return Transitions(
        **arrays,
        episode=np.repeat(np.arange(len(length)), length),
        dataset_id=folder.name,
        sha256=packed.sha256,
        discrete=packed.discrete,
    )


def load_observations(folder: Path, rows: int, generator: np.random.Generator) -> Array:
    """Observations (rows, O) drawn evenly from a dataset, for calibration."""
    return load_rows(folder, rows, generator)[0]


def load_rows(
    folder: Path, rows: int, generator: np.random.Generator
) -> tuple[Array, Array | None]:
    """Observations and masks drawn evenly from a dataset, for calibration and parity.

    Args:
        folder: The dataset.
        rows: How many; without repetition as long as the dataset has as many steps.
        generator: The only source of chance.

    Returns:
        (rows, O), float32, and the legal actions there, (rows, A); None without a mask.

    Raises:
        RefusedError: As :func:`load_transitions`.
    """
    packed = Packed(folder)
    names = [name for name in ("observation", "legal") if name in packed.names]
    arrays, count = packed.read(*names), packed.sizes["steps"]
    picked = generator.choice(count, rows, replace=rows > count)
    legal = arrays["legal"][picked] if "legal" in arrays else None
    return arrays["observation"][picked], legal
