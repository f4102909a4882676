"""Datasets: Minari HDF5 folders, written whole and read without Minari.

    <folder>/data/main_data.hdf5   episodes, as Minari 0.5.4 lays them out
    <folder>/data/metadata.json    spaces, environment, reference scores
    <folder>/card.json             what the dataset holds, and both files' hashes
    <folder>/world.json            the world and the code it was made with

With ``MINARI_DATASETS_PATH`` set to the folder's parent, ``minari.load_dataset`` and
``recover_environment`` work. Reading goes straight to HDF5: no import of Minari, and
nothing is believed before the hash in card.json fits.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from tasks.artifacts.actions import action_bounds
from tasks.artifacts.card import card
from tasks.artifacts.episodes import Episode, check_episodes, checked
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import (
    MIN_FREE_BYTES,
    read_json,
    sha256,
    whole_folder,
    write_json,
)
from tasks.artifacts.mapped import blank, release
from tasks.artifacts.minari import (
    MAIN,
    METADATA,
    actions,
    box,
    read_episodes,
    write_episodes,
)
from tasks.artifacts.readings import MASK, steps
from tasks.artifacts.recorded import read_world, write_world
from tasks.artifacts.sealed import read_sealed, sealed
from tasks.artifacts.transitions import STD_FLOOR, Array, Transitions

if TYPE_CHECKING:
    from tasks.worlds import World

__all__ = [
    "Episode",
    "Transitions",
    "check_episodes",
    "check_id",
    "load_episodes",
    "load_observations",
    "load_transitions",
    "write_dataset",
]

STATED = "metadata_sha256"  # in card.json
ID = re.compile(r"^([-_\w][-_\w/]*[-_\w]+/)?[-_\w]+-v\d+$", re.ASCII)


def check_id(folder: Path, dataset_id: str) -> None:
    """Refuse an id Minari could not read back, or that is not the folder's name.

    Args:
        folder: Where the dataset goes.
        dataset_id: With version, e.g. ``hopper_medium-v0``.

    Raises:
        RefusedError: Before anything is created.
    """
    if not ID.match(dataset_id):
        form = "letters, digits, - and _, ending in -v and a number"
        mend = "name it like hopper-medium-v0"
        raise RefusedError(folder, "dataset_id", repr(dataset_id), form, mend)
    if not f"/{folder.absolute().as_posix()}".endswith(f"/{dataset_id}"):
        raise RefusedError(
            folder, "dataset_id", dataset_id, folder.name, "name both the same"
        )


def write_dataset(
    folder: Path,
    dataset_id: str,
    episodes: Sequence[Episode],
    world: "World",
    world_block: Mapping[str, Any],
    description: str = "",
    about: Mapping[str, Any] | None = None,
    leave: Callable[[Path], None] = lambda _: None,
    made_by: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Check episodes and write them with card.json and world.json.

    The same episodes give the same bytes in every file.

    Args:
        folder: Where it goes; its path ends in ``dataset_id``.
        dataset_id: With version, e.g. ``hopper_medium-v0``.
        episodes: In the order they shall have.
        world: Where they were made.
        world_block: Its block of params.yaml, for world.json.
        description: How they were made, in words.
        about: More for the card.
        leave: Called with the new folder, to put further files into.
        made_by: The methods that had a part in it, the world first, as
            ``tasks.code.made_by`` gives them; none for data that no stage reads.

    Returns:
        The card.

    Raises:
        RefusedError: If the id or an episode is refused, or the disk is; then nothing
            is left.
    """
    check_id(folder, dataset_id)
    check_episodes(episodes, world.observation_space, world.action_space, dataset_id)
    need = MIN_FREE_BYTES + 2 * sum(episode.nbytes for episode in episodes)
    with whole_folder(folder, need) as temporary:
        write_episodes(temporary, dataset_id, episodes, world, description)
        figures = card(dataset_id, episodes, world, sha256(temporary / MAIN))
        leave(temporary)
        figures |= about or {}
        figures = sealed({**figures, STATED: sha256(temporary / METADATA)})
        write_json(temporary / "card.json", figures)
        write_world(temporary, world_block, world.step_seconds, made_by)
    return figures


def load_episodes(folder: Path) -> tuple[list[Episode], dict[str, Any]]:
    """Read all episodes of a dataset with all their infos.

    Returns:
        The episodes, checked, and the world's block of params.yaml.

    Raises:
        RefusedError: If a file is missing, its hash is not the card's, the id is not
            the folder's, or an episode is refused.
    """
    _, metadata = open_dataset(folder)
    spaces = box(folder, metadata, "observation_space"), actions(folder, metadata)
    stored = read_episodes(folder / MAIN, int(metadata["total_episodes"]), names=None)
    block = dict(read_world(folder)["world"])
    return list(checked(stored, *spaces, folder / MAIN)), block


def load_transitions(folder: Path) -> Transitions:
    """Read a dataset as flat arrays, episode by episode.

    Arrays that may be larger than the memory lie in files.

    Raises:
        RefusedError: If a file is missing, its hash is not the card's, the id is not
            the folder's, or an episode is refused.
    """
    figures, metadata = open_dataset(folder)
    observations = box(folder, metadata, "observation_space")
    space = actions(folder, metadata)
    low, high = action_bounds(space)
    width, a = int(np.prod(observations.shape)), len(low)
    file, count = folder / MAIN, metadata["total_episodes"]

    lengths, returns, total, masked, hit = [], [], np.zeros(width), True, True
    for e in checked(read_episodes(file, count), observations, space, file):
        read = steps(e, space)
        lengths.append(len(e))
        returns.append(float(np.sum(read.reward, dtype=np.float64)))
        masked &= "legal" in e.infos
        hit &= MASK in e.infos
        total = _sum(total, read.observation)
    n = sum(lengths)
    mean, squares = total / n, np.zeros(width)

    observation, after = (blank((n, width), np.float32) for _ in range(2))
    action = blank((n, a), np.float32)
    legal, later = (blank((n, a), np.float32) if masked else None for _ in range(2))
    reward, terminated = (blank((n,), np.float32) for _ in range(2))
    attacked = blank((n,), np.float32) if hit else None
    first, likely = 0, []
    for e in read_episodes(file, count):
        rows = slice(first, first + len(e))
        read = steps(e, space)
        squares = _sum(squares, np.square(read.observation - mean))
        observation[rows], after[rows] = read.observation, read.next_observation
        action[rows], reward[rows] = read.action, read.reward
        if legal is not None and later is not None:
            legal[rows], later[rows] = e.infos["legal"][:-1], e.infos["legal"][1:]
        terminated[rows] = e.terminations
        if attacked is not None:
            attacked[rows] = read.attacked
        if "log_prob" in e.infos:
            likely.append(e.infos["log_prob"][:-1].astype(np.float64))
        first += len(e)
    release(observation, after, action, reward, terminated, legal, later)
    return Transitions(
        observation=observation,
        action=action,
        reward=reward,
        next_observation=after,
        terminated=terminated,
        episode=np.repeat(np.arange(count), lengths),
        observation_mean=mean.astype(np.float32),
        observation_std=(np.sqrt(squares / n) + STD_FLOOR).astype(np.float32),
        action_low=low.astype(np.float32),
        action_high=high.astype(np.float32),
        returns=np.array(returns),
        dataset_id=str(metadata["dataset_id"]),
        sha256=str(figures["sha256"]),
        log_prob=np.concatenate(likely) if len(likely) == count else None,
        discrete=isinstance(space, Discrete),
        legal=legal,
        next_legal=later,
        attacked=attacked,
    )


def _sum(total: NDArray[np.float64], rows: Array) -> NDArray[np.float64]:
    """Add rows (N, ...) to a sum (...): the same bits as of all rows at once."""
    return np.add.reduce(np.vstack([total, rows]), axis=0)


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
    data = load_transitions(folder)
    count = len(data.observation)
    picked = generator.choice(count, rows, replace=rows > count)
    legal = None if data.legal is None else data.legal[picked]
    return data.observation[picked], legal


def open_dataset(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read card.json and metadata.json of a dataset nobody has changed.

    Raises:
        RefusedError: If a file is missing, has another hash than the card says, the
            card itself included, or another id than the folder.
    """
    name = re.sub(r"-v[0-9]+$", "", folder.name)
    command = f"python -m tasks.generate --dataset {name}"
    figures = read_sealed(folder / "card.json", command)
    for part, key in ((MAIN, "sha256"), (METADATA, STATED)):
        path, stated = folder / part, figures.get(key, "a hash")
        stored = sha256(path) if path.exists() else "nothing"
        if stored != stated:
            mend = f"make it again with: {command}"
            raise RefusedError(path, "sha256", stored, stated, mend)
    metadata = read_json(folder / METADATA, command, dict)
    for file, content in (("card.json", figures), (METADATA, metadata)):
        if content.get("dataset_id") != folder.name:
            raise RefusedError(
                folder / file,
                "dataset_id",
                content.get("dataset_id"),
                folder.name,
                "name the folder like the dataset",
            )
    count = metadata.get("total_episodes")
    if type(count) is not int or count < 1:
        mend = f"make it again with: {command}"
        where, expected = folder / METADATA, "a whole number above 0"
        raise RefusedError(where, "total_episodes", f"{count!r:.80}", expected, mend)
    return figures, metadata
