"""Minari's HDF5 layout: made by Minari itself, filled and read with h5py alone.

Minari 0.5.4 checks nothing it writes and creates the folder before it looks at the id,
so both are checked before :func:`write_episodes` is called.
"""

import json
import os
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from gymnasium.spaces import Box, Discrete

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.hdf5 import MEND, Hdf5, is_plain
from tasks.artifacts.hdf5_writing import EpisodeWriter
from tasks.artifacts.opening import MAIN, METADATA
from tasks.artifacts.readings import COLUMNS, MASK

if TYPE_CHECKING:
    from tasks.worlds import World

OWN = ("id", "seed", "source", "total_steps")  # attributes that are no metadata
# infos that learners and estimators use
READ = ("legal", "log_prob", MASK, *COLUMNS.values())
MOST_ACTIONS = 2**16  # to choose from; each is a column of every step
# what reading a space may fail with
SPACELESS = (
    *(AssertionError, AttributeError, KeyError, MemoryError, OverflowError),
    *(RecursionError, TypeError, ValueError),
)
# what h5py may fail with in a damaged file
HDF5_ERRORS = (
    *(KeyError, MemoryError, OSError, OverflowError, RuntimeError),
    *(TypeError, ValueError),
)


def write_episodes(
    folder: Path,
    dataset_id: str,
    episodes: Sequence[Episode],
    world: "World",
    description: str,
) -> None:
    """Write ``folder/data``: Minari the metadata, :class:`EpisodeWriter` the episodes.

    Args:
        folder: Existing folder.
        dataset_id: With version; checked, as Minari does not.
        episodes: Checked.
        world: Where they were made.
        description: How they were made, in words.
    """
    import minari  # costs a second that readers need not spend

    with _minari_root(folder / "minari"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for an e-mail address and a link
        dataset = minari.create_dataset_from_buffers(
            dataset_id,
            buffer=[],
            env=world.env_spec() if world.playable else None,
            observation_space=world.observation_space,
            action_space=world.action_space,
            author="Offcut",
            algorithm_name=", ".join(dict.fromkeys(e.source for e in episodes)),
            description=description or f"Experience in {world.params.env_id}",
            ref_min_score=world.params.ref_min,
            ref_max_score=world.params.ref_max,
            data_format="hdf5",
            jpeg_encoding=False,
        )
        storage = dataset.storage
        written = EpisodeWriter(Path(storage.data_path) / MAIN.name).write(episodes)
        storage.update_metadata(
            {
                **dict(zip(("total_episodes", "total_steps"), written, strict=True)),
                "dataset_size": storage.get_size(),
            }
        )
    (folder / "minari" / dataset_id / "data").rename(folder / "data")
    for left in sorted((folder / "minari").rglob("*"), reverse=True):
        left.rmdir() if left.is_dir() else left.unlink()
    (folder / "minari").rmdir()


@contextmanager
def _minari_root(folder: Path) -> Iterator[None]:
    """Point Minari at a folder for the length of a block."""
    name = "MINARI_DATASETS_PATH"
    before = os.environ.get(name)
    os.environ[name] = str(folder.resolve())  # Minari joins relative paths twice
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def box(file: Path, metadata: Mapping[str, Any], name: str) -> Box:
    """A Box space of metadata.json.

    Args:
        file: For errors.
        metadata: Its content.
        name: ``observation_space`` or ``action_space``.

    Raises:
        RefusedError: If it is another space, or none.
    """
    try:
        space = json.loads(metadata[name])
        if space["type"] != "Box":
            raise ValueError(space["type"])
        dtype, shape = np.dtype(space["dtype"]), tuple(space["shape"])
        if dtype.kind not in "fiu":
            raise ValueError(f"numbers of type {dtype}")
        low, high = (np.array(space[end], dtype=dtype) for end in ("low", "high"))
        if not low.shape == high.shape == shape:
            raise ValueError(f"shape {shape}, bounds of {low.shape}, {high.shape}")
        if not (low <= high).all():
            raise ValueError("a lower bound above the upper one")
        return Box(low, high, shape, dtype.type)
    except SPACELESS as error:
        raise RefusedError(file, name, repr(error), "a Box space", MEND) from None


def actions(file: Path, metadata: Mapping[str, Any]) -> Box | Discrete:
    """The action space of metadata.json.

    Args:
        file: For errors.
        metadata: Its content.

    Raises:
        RefusedError: If it is neither a Box nor a Discrete space that begins at 0.
    """
    name = "action_space"
    try:
        space = json.loads(metadata[name])
        if space["type"] != "Discrete":
            return box(file, metadata, name)
        if space["start"] != 0:
            raise ValueError(f"a start of {space['start']}")
        n = space["n"]
        if type(n) is not int or not 1 <= n <= MOST_ACTIONS:
            raise ValueError(f"n = {n!r:.40}, not 1 to {MOST_ACTIONS}")
        return Discrete(n)
    except SPACELESS as error:
        expected = "a Box space, or a Discrete one that begins at 0"
        raise RefusedError(file, name, repr(error), expected, MEND) from None


def read_episodes(
    file: Path, count: int | Iterable[int], names: Collection[str] | None = READ
) -> Iterator[Episode]:
    """Episodes one by one, not yet checked.

    Args:
        file: main_data.hdf5.
        count: How many there are, or the numbers of some.
        names: Which infos; None for all.

    Raises:
        RefusedError: If an episode or one of its arrays is missing, is no array of
            numbers in the file itself, or is far larger than the file; if there are
            others than ``count`` says.
    """
    number = 0
    try:
        with h5py.File(file, "r") as opened:
            stored = Hdf5(file, opened)
            if isinstance(count, int):
                _check_count(file, opened, count)
            for number in range(count) if isinstance(count, int) else count:
                yield _episode(stored, f"episode_{number}", names)
    except HDF5_ERRORS as error:
        raise RefusedError(
            file,
            f"episode {number}",
            f"{type(error).__name__}: {error}",
            "observations, actions, rewards, terminations, truncations",
            MEND,
        ) from None


def _check_count(file: Path, opened: h5py.File, count: int) -> None:
    """Refuse a file that holds another number of episodes."""
    held = sum(name.startswith("episode_") for name in opened)
    if held != count:
        mend = f"mend total_episodes of {METADATA}, or {MEND}"
        raise RefusedError(file, "episodes", held, f"{count}, as stated", mend)


def _episode(stored: Hdf5, name: str, names: Collection[str] | None) -> Episode:
    """One episode of a file."""
    group = stored.group(stored.root, name)
    kept: list[str] = []
    if "infos" in stored.names(group):
        infos = stored.group(group, "infos")
        held = stored.names(infos)
        kept = held if names is None else [n for n in names if n in held]
    attributes = stored.attributes(group)
    for key, value in attributes.items():
        where = f"{name}, attribute {key}"
        if not is_plain(value):
            expected = "a number, text or an array of them"
            raise RefusedError(stored.path, where, type(value).__name__, expected, MEND)
    seed = attributes.get("seed", np.int64(-1))
    if not isinstance(seed, np.integer):
        where = f"{name}, attribute seed"
        raise RefusedError(stored.path, where, f"{seed!r:.80}", "a whole number", MEND)
    return Episode(
        observations=stored.array(group, "observations"),
        actions=stored.array(group, "actions"),
        rewards=stored.array(group, "rewards"),
        terminations=stored.array(group, "terminations"),
        truncations=stored.array(group, "truncations"),
        infos={n: stored.array(infos, n) for n in kept},
        seed=int(seed),
        source=str(attributes.get("source", "unknown")),
        metadata={k: v for k, v in attributes.items() if k not in OWN},
    )
