"""d3rlpy's HDF5, as its ``ReplayBuffer.dump`` writes it.

| version | |
|---|---|
| 2.1 | ``observations_<i>`` (or ``observations_<i>_<j>``), ``actions_<i>``, ``rewards_<i>`` (T, 1), ``terminated_<i>``; ``columns``, ``num_episodes``, ``version`` |
| 2.0 | obsolete, which d3rlpy itself refuses |
| 1 | flat ``observations``, ``actions``, ``rewards``, ``terminals``, ``episode_terminals`` |

An episode has T observations: what followed its last action is not stored. Seno and
Imai, arXiv 2111.03788; layout of d3rlpy 2.8.
"""  # noqa: E501

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.hdf5 import Hdf5
from tasks.generate.imported.flat import Rows, episodes
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.opened import arrays_below, names_in, opened, text

FLAT = {"observations", "actions", "rewards", "terminals", "episode_terminals"}


def recognises(source: Path) -> bool:
    """Whether it is an HDF5 file with the arrays of one of the versions."""
    names = names_in(source)
    return names >= {"columns", "num_episodes"} or names >= FLAT


def read(source: Path, options: Options) -> Logs:
    """Read the episodes.

    Raises:
        RefusedError: If the file is of version 2.0.
    """
    notes: list[str] = []
    with opened(source) as stored:
        flat = "num_episodes" not in stored.names(stored.root)
        version = "" if flat else text(stored, "version")
    if version == "2.0":
        mend = "load it with the d3rlpy that wrote it and dump it with a newer one"
        found = "2.0, which is obsolete"
        raise RefusedError(source, "version", found, "2.1, or a file of d3rlpy 1", mend)
    if not flat and version != "2.1":
        notes.append(f"version {version or 'not stated'}, read as 2.1")
    logs = _flat(source, options, notes) if flat else _episodes(source)
    return Logs("d3rlpy", logs, notes=notes)


def _flat(source: Path, options: Options, notes: list[str]) -> Iterator[Log]:
    """Episodes of version 1."""
    with opened(source) as stored:
        root = stored.root
        terminals = stored.array(root, "terminals")
        ends = stored.array(root, "episode_terminals")
        rows = Rows(
            arrays_below(stored, root, "observations"),
            stored.array(root, "actions"),
            stored.array(root, "rewards"),
            terminals,
            (ends != 0) & (terminals.reshape(ends.shape) == 0),
        )
    yield from episodes(rows, options, source, notes)


def _episodes(source: Path) -> Iterator[Log]:
    """Episodes of version 2.1."""
    with opened(source) as stored:
        names = set(stored.names(stored.root))
        count = int(stored.array(stored.root, "num_episodes", axes=0))
        for number in range(count):
            terminated = bool(stored.array(stored.root, f"terminated_{number}", axes=0))
            yield Log(
                _observations(stored, names, number),
                stored.array(stored.root, f"actions_{number}"),
                stored.array(stored.root, f"rewards_{number}"),
                terminated,
                not terminated,
                where=f"episode {number}",
            )


def _observations(stored: Hdf5, names: set[str], number: int) -> dict[str, Any]:
    """One array, or several that a number in the name tells apart."""
    own = f"observations_{number}"
    if own in names or f"{own}_0" not in names:
        return {"": stored.array(stored.root, own)}
    values, part = {}, 0
    while f"{own}_{part}" in names:
        values[str(part)] = stored.array(stored.root, f"{own}_{part}")
        part += 1
    return values
