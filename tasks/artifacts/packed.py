"""rows.bin and rows.json of a dataset: its transitions as arrays one can map.

rows.bin is one flat file of little-endian numbers, each array in C order and at an
offset that is a multiple of 64. rows.json states its own hash and says which arrays
there are (``columns``: dtype, shape, offset, SHA-256), and of which main_data.hdf5
(``main_sha256``). What is in them is what ``tasks.artifacts.transitions`` says, and
``length``, the steps of each episode. So

    index = json.load(open("rows.json"))
    entry = index["columns"]["observation"]
    shape = tuple(entry["shape"])
    numpy.memmap("rows.bin", entry["dtype"], "r", entry["offset"], shape)

are the observations that a learner reads, (N, O).
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.transitions import divisor

if TYPE_CHECKING:
    from gymnasium.spaces import Box, Discrete, Space

    from tasks.artifacts.episodes import Episode
    from tasks.artifacts.readings import Steps

ROWS, INDEX = "rows.bin", "rows.json"
SCHEMA = 1
ALIGN = 64  # bytes
CHUNK = 2**20  # numbers of observations written at once
# type and axes of each array; all are there but the optional ones
COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "observation": ("<f4", ("steps", "observation")),
    "next_observation": ("<f4", ("steps", "observation")),
    "action": ("<f4", ("steps", "action")),
    "legal": ("<f4", ("steps", "action")),
    "next_legal": ("<f4", ("steps", "action")),
    "reward": ("<f4", ("steps",)),
    "terminated": ("<f4", ("steps",)),
    "attacked": ("<f4", ("steps",)),
    "log_prob": ("<f8", ("steps",)),
    "length": ("<i8", ("episodes",)),
    "returns": ("<f8", ("episodes",)),
    "observation_mean": ("<f4", ("observation",)),
    "observation_std": ("<f4", ("observation",)),
    "action_low": ("<f4", ("action",)),
    "action_high": ("<f4", ("action",)),
}
MASKS = ("legal", "next_legal")
OPTIONAL = (*MASKS, "attacked", "log_prob")
SIZES = ("steps", "episodes", "observation", "action")


@dataclass(frozen=True)
class Place:
    """Where an array lies in rows.bin; offset and size in bytes."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int


def layout(
    sizes: Mapping[str, int], names: Iterable[str]
) -> tuple[dict[str, Place], int]:
    """Where some arrays lie, in the order of :data:`COLUMNS`, and the file's bytes.

    Args:
        sizes: Length of each axis in :data:`SIZES`.
        names: Of the arrays.
    """
    places, end, chosen = {}, 0, set(names)
    for name, (dtype, axes) in COLUMNS.items():
        if name in chosen:
            shape = tuple(sizes[axis] for axis in axes)
            size = math.prod(shape) * np.dtype(dtype).itemsize
            offset = -(-end // ALIGN) * ALIGN
            places[name] = Place(dtype, shape, offset, size)
            end = offset + size
    return places, end


def plan(
    episodes: "Sequence[Episode]", observation: "Space[Any]", action: "Box | Discrete"
) -> tuple[dict[str, int], list[str]]:
    """Sizes and names of the arrays that episodes are packed into.

    A mask of legal actions, of corrupted steps, or a probability counts where all
    episodes have it.

    Args:
        episodes: Checked.
        observation: Its space.
        action: Its space.
    """
    from tasks.artifacts.actions import action_bounds  # readers need no spaces

    infos = {"legal": "legal", "next_legal": "legal"}
    common = set(episodes[0].infos)
    for episode in episodes:
        common &= episode.infos.keys()
    absent = [name for name in OPTIONAL if infos.get(name, name) not in common]
    sizes = {
        "steps": sum(len(episode) for episode in episodes),
        "episodes": len(episodes),
        "observation": int(np.prod(observation.shape or ())),
        "action": action_bounds(action)[0].size,
    }
    return sizes, [name for name in COLUMNS if name not in absent]


def write_rows(
    folder: Path,
    dataset_id: str,
    main_sha256: str,
    episodes: "Sequence[Episode]",
    observation: "Space[Any]",
    action: "Box | Discrete",
) -> None:
    """Write rows.bin and rows.json.

    Args:
        folder: The dataset's.
        dataset_id: With version.
        main_sha256: Of its main_data.hdf5, which holds the same episodes.
        episodes: Checked, at least one.
        observation: Space of the observations.
        action: Space of the actions.
    """
    from gymnasium.spaces import Discrete  # readers need none of it

    sizes, names = plan(episodes, observation, action)
    places, total = layout(sizes, names)
    digests = {name: hashlib.sha256() for name in places}
    with (folder / ROWS).open("wb") as stream:
        stream.truncate(total)
        ends = {name: place.offset for name, place in places.items()}
        for part in _parts(episodes, action, sizes):
            for name, values in part.items():
                if name not in places:
                    continue
                stored = np.ascontiguousarray(values, places[name].dtype)
                stream.seek(ends[name])
                stream.write(stored.data)
                digests[name].update(stored.data)
                ends[name] += stored.nbytes
    entries = {
        name: {
            "dtype": place.dtype,
            "shape": list(place.shape),
            "offset": place.offset,
            "sha256": digests[name].hexdigest(),
        }
        for name, place in places.items()
    }
    index = {
        "schema": SCHEMA,
        "dataset_id": dataset_id,
        "main_sha256": main_sha256,
        **sizes,
        "discrete": isinstance(action, Discrete),
        "bytes": total,
        "columns": entries,
    }
    write_sealed(folder / INDEX, index)


def _parts(
    episodes: "Sequence[Episode]", action: "Box | Discrete", sizes: Mapping[str, int]
) -> Iterator[dict[str, NDArray[Any]]]:
    """The arrays in parts, each array's in their order.

    Sums go episode by episode, in their order: however they are cut into parts, mean
    and deviation have the same bits.
    """
    from tasks.artifacts.actions import action_bounds
    from tasks.artifacts.readings import steps

    n, width = sizes["steps"], sizes["observation"]
    total, squares, largest = np.zeros(width), np.zeros(width), np.zeros(width)
    returns = np.empty(sizes["episodes"])
    for number, episode in enumerate(episodes):
        read = steps(episode, action)
        returns[number] = np.sum(read.reward, dtype=np.float64)
        total = _sum(total, read.observation)
        largest = np.maximum(largest, np.abs(read.observation).max(axis=0))
    mean = total / n
    group: list[tuple[Episode, Steps]] = []
    rows = 0
    for episode in episodes:
        read = steps(episode, action)
        squares = _sum(squares, np.square(read.observation - mean))
        group.append((episode, read))
        rows += len(episode)
        if rows * width >= CHUNK:
            yield _joined(group)
            group, rows = [], 0
    if group:
        yield _joined(group)
    low, high = action_bounds(action)
    yield {
        "length": np.array([len(episode) for episode in episodes]),
        "returns": returns,
        "observation_mean": mean,
        "observation_std": divisor(np.sqrt(squares / n), largest),
        "action_low": low.ravel(),
        "action_high": high.ravel(),
    }


def _joined(group: "Sequence[tuple[Episode, Steps]]") -> dict[str, NDArray[Any]]:
    """The steps of some episodes one after the other, by column."""
    joined = {
        name: np.concatenate([getattr(read, name) for _, read in group])
        for name in ("observation", "next_observation", "action", "reward", "attacked")
    }
    joined["terminated"] = np.concatenate([e.terminations for e, _ in group])
    for name, info, cut in (
        ("legal", "legal", slice(None, -1)),
        ("next_legal", "legal", slice(1, None)),
        ("log_prob", "log_prob", slice(None, -1)),
    ):
        if all(info in episode.infos for episode, _ in group):
            joined[name] = np.concatenate([e.infos[info][cut] for e, _ in group])
    return joined


def _sum(total: NDArray[np.float64], rows: NDArray[Any]) -> NDArray[np.float64]:
    """Add rows (N, ...) to a sum (...)."""
    return np.add.reduce(np.vstack([total, rows]), axis=0)
