"""Datasets of named arrays: rows, images, sequences, and what is to be told of them.

``data/datasets/<name>-v0/`` holds one ``<array>.npy`` each, which is mapped and never
unpickled, and card.json, which states its own hash and theirs. All arrays have one
entry a replicate (a row, an image, a sequence) along their first axis; a split is a
range of them. Numbers are float32, or int64 where they count or name something.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import canonical, check_sha256, sha256, whole_folder
from tasks.artifacts.formats import Count, Least
from tasks.artifacts.names import NameRule
from tasks.artifacts.nearest import suggestion
from tasks.artifacts.recorded import KIND, maker_of
from tasks.artifacts.sealed import read_sealed, write_sealed
from tasks.artifacts.typed_json import check_typed

SCHEMA = 1
CARD = "card.json"
DTYPES = ("float32", "int64")
CHUNK = 4096  # rows looked at at once
TRAIN, TEST = "train", "test"  # splits that every dataset has
MEND = "mend what makes the dataset"
Array = NDArray[Any]


class Entry(TypedDict):
    """What the card says of an array."""

    dtype: str
    shape: list[Count]
    sha256: str


class ArraysCard(TypedDict):
    """``card.json`` of a dataset of named arrays."""

    kind: str
    dataset_id: str
    replicate: str
    rows: Least
    arrays: dict[str, Entry]
    splits: dict[str, list[Count]]
    sha256: str
    description: str


@dataclass(frozen=True)
class Arrays:
    """A dataset of named arrays.

    Attributes:
        arrays: By name, (N, ...) each.
        splits: By name the first of its replicates and the one behind its last.
        replicate: What one of the N is: ``row``, ``image``, ``sequence``.
        dataset_id: With version; empty before it is written.
        sha256: Of all arrays; empty before it is written.
    """

    arrays: Mapping[str, Array]
    splits: Mapping[str, tuple[int, int]]
    replicate: str = "row"
    dataset_id: str = ""
    sha256: str = ""

    def split(self, name: str) -> dict[str, Array]:
        """The arrays' entries in a split; refuses a name that no split has."""
        if name not in self.splits:
            expected, mend = suggestion(name, self.splits)
            raise RefusedError(self.dataset_id, "split", name, expected, mend)
        return {
            key: value[slice(*self.splits[name])] for key, value in self.arrays.items()
        }

    def check_has(self, names: Sequence[str], who: str) -> None:
        """Refuse to be read by somebody who needs arrays that it has not.

        Args:
            names: The arrays.
            who: The method that needs them, for the error.
        """
        for name in names:
            if name not in self.arrays:
                found = f"no {name}, which {who} reads"
                expected, mend = suggestion(name, self.arrays)
                raise RefusedError(self.dataset_id, "arrays", found, expected, mend)


def check_arrays(data: Arrays, where: object) -> None:
    """Refuse arrays that are no dataset, before anything is written.

    Args:
        data: What a maker made.
        where: For errors.

    Raises:
        RefusedError: If there is no array, a name is none, a type is neither float32
            nor int64, lengths differ, a number is not finite, or the splits overlap,
            are empty, reach beyond the end or lack ``train`` or ``test``.
    """
    if not data.arrays:
        raise RefusedError(where, "arrays", "nothing", "at least one array", MEND)
    lengths = {
        name: len(value) if value.ndim else 0 for name, value in data.arrays.items()
    }
    rows = next(iter(lengths.values()))
    for name, value in data.arrays.items():
        if name not in NameRule():
            raise RefusedError(where, "arrays", name, str(NameRule()), MEND)
        if value.dtype.name not in DTYPES:
            found, field = value.dtype.name, f"arrays.{name}.dtype"
            raise RefusedError(where, field, found, " or ".join(DTYPES), MEND)
        if lengths[name] != rows or not rows:
            field, expected = f"arrays.{name}.rows", f"{rows or 'at least 1'}, as all"
            raise RefusedError(where, field, lengths[name], expected, MEND)
        check_finite(value, where, name)
    for name in (TRAIN, TEST):
        if name not in data.splits:
            raise RefusedError(where, f"splits.{name}", "nothing", "a range", MEND)
    end = 0
    for name, (first, behind) in sorted(data.splits.items(), key=lambda item: item[1]):
        if not end <= first < behind <= rows:
            found, field = f"{first} to {behind}", f"splits.{name}"
            expected = f"some of {end} to {rows}, in no other split"
            raise RefusedError(where, field, found, expected, MEND)
        end = behind


def check_finite(value: Array, where: object, name: str) -> None:
    """Refuse an array with NaN or an infinity."""
    if value.dtype.kind != "f":
        return
    for first in range(0, len(value), CHUNK):  # what is mapped may exceed the memory
        finite = np.isfinite(value[first : first + CHUNK])
        if not finite.all():
            row = first + int(np.argwhere(~finite)[0][0])
            found = f"a number that is not finite in row {row}"
            raise RefusedError(where, f"arrays.{name}", found, "finite numbers", MEND)


def write_arrays(
    folder: Path, data: Arrays, description: str, made_by: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """Write a dataset, whole or not at all.

    Args:
        folder: ``data/datasets/<name>-v0``.
        data: Checked here first.
        description: In words, what it is.
        made_by: The methods that had a part in it.

    Returns:
        The card.
    """
    check_arrays(data, folder.name)
    with whole_folder(folder) as fresh:
        entries = {}
        for name, value in data.arrays.items():
            path = fresh / f"{name}.npy"
            np.save(path, np.ascontiguousarray(value), allow_pickle=False)
            entries[name] = {
                "dtype": value.dtype.name,
                "shape": list(value.shape),
                "sha256": sha256(path),
            }
        splits = {name: list(ends) for name, ends in data.splits.items()}
        whole = canonical({"arrays": entries, "splits": splits})
        card = {
            "schema": SCHEMA,
            "kind": KIND,
            "dataset_id": folder.name,
            "description": description,
            "replicate": data.replicate,
            "rows": len(next(iter(data.arrays.values()))),
            "arrays": entries,
            "splits": splits,
            "sha256": hashlib.sha256(whole.encode()).hexdigest(),
            "made_by": [dict(method) for method in made_by],
        }
        write_sealed(fresh / CARD, card)
    return card


def read_card(folder: Path) -> ArraysCard:
    """The card of a dataset of named arrays.

    Raises:
        RefusedError: If it is missing, damaged, or of a dataset of another kind.
    """
    path, command = folder / CARD, maker_of(folder)
    content, mend = read_sealed(path, command), f"make it again with: {command}"
    if content.get("kind") != KIND:
        found = "episodes of a world"
        raise RefusedError(path, "kind", found, KIND, "name a dataset of arrays")
    card = check_typed(content, ArraysCard, path, mend)
    if card["dataset_id"] != folder.name:
        field, found = "dataset_id", card["dataset_id"]
        raise RefusedError(path, field, found, folder.name, "name it as the dataset")
    return card


def load_arrays(folder: Path) -> Arrays:
    """Map the arrays of a dataset, after checking their hashes.

    Raises:
        RefusedError: If a file is missing, or is not what the card says.
    """
    card, command = read_card(folder), maker_of(folder)
    arrays: dict[str, Array] = {}
    for name, entry in card["arrays"].items():
        path = folder / f"{name}.npy"
        if name not in NameRule():
            raise RefusedError(folder / CARD, "arrays", name, str(NameRule()), MEND)
        check_sha256(path, entry["sha256"], command)
        mend = f"make it again with: {command}"
        try:  # which takes no objects, so nothing is unpickled
            value = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, OSError) as error:
            raise RefusedError(path, "content", error, "an array", mend) from None
        stated = entry["dtype"], entry["shape"]
        if (value.dtype.name, list(value.shape)) != stated:
            found = f"{value.dtype.name} {value.shape}"
            raise RefusedError(path, "array", found, f"{stated[0]} {stated[1]}", mend)
        arrays[name] = value
    splits = {name: (ends[0], ends[1]) for name, ends in card["splits"].items()}
    data = Arrays(arrays, splits, card["replicate"], folder.name, card["sha256"])
    check_arrays(data, folder)
    return data
