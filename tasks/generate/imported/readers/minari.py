"""Minari datasets of any id and version: a folder, its ``data``, or the HDF5 alone.

    data/metadata.json              spaces, storage, environment
    data/main_data.hdf5             storage hdf5: a group an episode
    data/<i>/part-0.arrow|parquet   storage arrow or parquet, with <i>/metadata.json

Layouts of Minari 0.4 to 0.5.4. Its own loader is not used: it may make the environment
that a dataset names, to learn its spaces.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from gymnasium import Space
from gymnasium.spaces import Text
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.artifacts.hdf5 import Hdf5
from tasks.artifacts.minari import READ, SPACELESS
from tasks.generate.imported.arrow import read_arrow
from tasks.generate.imported.columns import subspace
from tasks.generate.imported.ends import ended
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.opened import names_in, opened
from tasks.generate.imported.pictures import decoded, is_image

MAIN, METADATA = "main_data.hdf5", "metadata.json"
TUPLE = "_index_"  # before the number of an array of a Tuple
AGAIN = "write it again with Minari"


def recognises(source: Path) -> bool:
    """Whether a folder has Minari's metadata, or a file groups of its episodes."""
    if source.is_file():
        return "episode_0" in names_in(source)
    return _data(source) is not None


def _data(source: Path) -> Path | None:
    """The folder with metadata.json; None if there is none of Minari's."""
    for folder in (source / "data", source):
        try:
            text = (folder / METADATA).read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        if '"total_episodes"' in text and '"total_steps"' in text:
            return folder
    return None


def read(source: Path, options: Options) -> Logs:
    """Read the metadata; episodes are read as they are gone through.

    Raises:
        RefusedError: If the metadata is damaged, or of an unknown storage.
    """
    del options  # what it stores needs none of them
    folder = None if source.is_file() else _data(source)
    metadata: dict[str, Any] = {}
    if folder is not None:
        metadata = read_json(folder / METADATA, "minari download ID", dict)
    logs = Logs("minari", (), env_id=_env_id(metadata))
    logs.observation_space = _space(source, metadata, "observation_space")
    logs.action_space = _space(source, metadata, "action_space")
    jpeg = folder is not None and bool(metadata.get("jpeg_encoding", True))
    storage = metadata.get("data_format", "hdf5")
    if storage == "hdf5":
        file = source if folder is None else folder / MAIN
        logs.episodes = _Hdf5Episodes(file, logs, jpeg, metadata.get("total_episodes"))
    elif folder is not None and storage in ("arrow", "parquet"):
        logs.episodes = read_arrow(
            folder, storage, logs, jpeg, _count(source, metadata)
        )
    else:
        expected = "hdf5, arrow or parquet"
        raise RefusedError(source, "data_format", storage, expected, AGAIN)
    return logs


def _count(source: Path, metadata: Mapping[str, Any]) -> int:
    """How many episodes there are."""
    count = metadata.get("total_episodes")
    if type(count) is not int or count < 0:
        expected = "a whole number"
        raise RefusedError(source, "total_episodes", repr(count), expected, AGAIN)
    return count


def _space(source: Path, metadata: Mapping[str, Any], name: str) -> Space[Any] | None:
    """A space of the metadata; None where it states none."""
    if name not in metadata:
        return None
    from minari.serialization import deserialize_space  # a second

    try:
        space: Space[Any] = deserialize_space(metadata[name])
    except (NotImplementedError, *SPACELESS) as error:
        expected = "a space that Minari knows"
        raise RefusedError(source, name, repr(error), expected, AGAIN) from None
    return space


def _env_id(metadata: Mapping[str, Any]) -> str | None:
    """The environment's id as stated, which is only ever shown and compared."""
    try:
        stated = json.loads(metadata["env_spec"])["id"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return stated if isinstance(stated, str) else None


class _Hdf5Episodes:
    """Episodes of main_data.hdf5, read as they are gone through."""

    def __init__(self, file: Path, logs: Logs, jpeg: bool, count: Any) -> None:
        self.file, self.logs, self.jpeg, self.count = file, logs, jpeg, count

    def __iter__(self) -> Iterator[Log]:
        with opened(self.file) as stored:
            names = stored.names(stored.root)
            held = sum(name.startswith("episode_") for name in names)
            if self.count is not None and held != self.count:
                found = f"{held} episodes"
                expected = f"{self.count}, as total_episodes of {METADATA} says"
                raise RefusedError(self.file, "episodes", found, expected, AGAIN)
            for number in range(held):
                yield self._episode(stored, f"episode_{number}")

    def _episode(self, stored: Hdf5, name: str) -> Log:
        group = stored.group(stored.root, name)
        names = stored.names(group)
        infos = {}
        if "infos" in names:
            inner = stored.group(group, "infos")
            read = [key for key in READ if key in stored.names(inner)]
            infos = {key: stored.array(inner, key) for key in read}
        attributes = stored.attributes(group)
        seed = attributes.get("seed")
        observations: dict[str, NDArray[Any]] = {}
        self._read(stored, group, "observations", "", observations)
        terminations = stored.array(group, "terminations")
        truncations = stored.array(group, "truncations")
        return Log(
            observations,
            stored.array(group, "actions"),
            stored.array(group, "rewards"),
            *ended(terminations, truncations, self.file, name),
            infos,
            name,
            int(seed) if isinstance(seed, np.integer) else -1,
        )

    def _read(
        self,
        stored: Hdf5,
        parent: Any,
        key: str,
        name: str,
        values: dict[str, NDArray[Any]],
    ) -> None:
        """Put the arrays below a key into ``values``, by name."""
        item = stored.item(parent, key)
        if isinstance(item, h5py.h5g.GroupID):
            for inner in stored.names(item):
                part = inner.removeprefix(TUPLE)
                below = f"{name}/{part}" if name else part
                self._read(stored, item, inner, below, values)
            return
        space = subspace(self.logs.observation_space, name)
        data = h5py.Dataset(item)
        if isinstance(space, Text) or h5py.check_string_dtype(data.dtype):
            note = f"observations: {name or 'observations'}, text, left out"
            if note not in self.logs.notes:
                self.logs.notes.append(note)
        elif self.jpeg and is_image(space):
            values[name] = self._frames(stored, parent, key, space)
        else:
            values[name] = stored.array(parent, key)

    def _frames(
        self, stored: Hdf5, parent: Any, key: str, space: Any
    ) -> NDArray[np.uint8]:
        """Images of JPEG files, which lie in rows of equal or of different length."""
        data = h5py.Dataset(stored.stored(parent, key))
        note = "images were stored as JPEG, which is lossy"
        if note not in self.logs.notes:
            self.logs.notes.append(note)
        shape = (len(data), *space.shape)
        stored.take(parent, key, shape, int(np.prod(shape)))
        frames = (np.asarray(data[row], np.uint8).tobytes() for row in range(len(data)))
        where = f"{h5py.h5i.get_name(parent).decode()}/{key}".strip("/")
        return decoded(frames, len(data), space.shape, self.file, where)
