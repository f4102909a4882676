"""Minari's HDF5 layout: written by Minari itself, read with h5py alone.

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
from tasks.artifacts.readings import COLUMNS, MASK

if TYPE_CHECKING:
    from tasks.worlds import World

OWN = ("id", "seed", "source", "total_steps")  # attributes that are no metadata
# infos that learners and estimators use
READ = ("legal", "log_prob", MASK, *COLUMNS.values())
MAIN, METADATA = Path("data/main_data.hdf5"), Path("data/metadata.json")


def write_episodes(
    folder: Path,
    dataset_id: str,
    episodes: Sequence[Episode],
    world: "World",
    description: str,
) -> None:
    """Let Minari write ``folder/data``.

    Args:
        folder: Existing folder.
        dataset_id: With version; checked, as Minari does not.
        episodes: Checked.
        world: Where they were made.
        description: How they were made, in words.
    """
    import minari  # costs a second that readers need not spend
    from minari.data_collector.episode_buffer import EpisodeBuffer

    buffers = [
        EpisodeBuffer(
            id=number,
            seed=episode.seed if episode.seed >= 0 else None,
            observations=episode.observations,
            actions=episode.actions,
            rewards=episode.rewards.astype(np.float64),
            terminations=episode.terminations.astype(bool),
            truncations=episode.truncations.astype(bool),
            infos=dict(episode.infos) or None,
        )
        for number, episode in enumerate(episodes)
    ]
    with _minari_root(folder / "minari"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for an e-mail address and a link
        dataset = minari.create_dataset_from_buffers(
            dataset_id,
            buffer=buffers,
            env=world.env_spec(),
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
        dataset.storage.update_episode_metadata(
            [{**episode.metadata, "source": episode.source} for episode in episodes]
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
        dtype = np.dtype(space["dtype"])
        low, high = (np.array(space[end], dtype=dtype) for end in ("low", "high"))
        return Box(low, high, tuple(space["shape"]), dtype.type)
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError(
            file, name, repr(error), "a Box space", "write the dataset again"
        ) from error


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
        return Discrete(int(space["n"]))
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        expected = "a Box space, or a Discrete one that begins at 0"
        raise RefusedError(
            file, name, repr(error), expected, "write the dataset again"
        ) from error


def read_episodes(
    file: Path, count: int | Iterable[int], names: Collection[str] | None = READ
) -> Iterator[Episode]:
    """Episodes one by one, not yet checked.

    Args:
        file: main_data.hdf5.
        count: How many of the first, or their numbers.
        names: Which infos; None for all.

    Raises:
        RefusedError: If an episode or one of its arrays is missing.
    """
    number = 0
    try:
        with h5py.File(file, "r") as stored:
            for number in range(count) if isinstance(count, int) else count:
                group = stored[f"episode_{number}"]
                infos = group.get("infos", {})
                kept = infos if names is None else [n for n in names if n in infos]
                yield Episode(
                    observations=group["observations"][()],
                    actions=group["actions"][()],
                    rewards=group["rewards"][()],
                    terminations=group["terminations"][()],
                    truncations=group["truncations"][()],
                    infos={n: infos[n][()] for n in kept},
                    seed=int(group.attrs.get("seed", -1)),
                    source=str(group.attrs.get("source", "unknown")),
                    metadata={k: v for k, v in group.attrs.items() if k not in OWN},
                )
    except (KeyError, OSError) as error:
        raise RefusedError(
            file,
            f"episode {number}",
            str(error),
            "observations, actions, rewards, terminations, truncations",
            "write the dataset again",
        ) from error
