"""D4RL's flat HDF5: rows of all episodes one after the other.

    observations (N, O), actions (N, A), rewards (N,), terminals (N,), timeouts (N,)
    next_observations (N, O)            in some
    infos/action_log_probs (N,)         in some; all else of infos and metadata is left
    virtual/<k>/observations ...        the same in pieces, for large ones

``terminals`` is where the task ended, ``timeouts`` where time ran out; files without
the latter need ``max_episode_steps``. Without ``next_observations`` the observation
that followed the last action is missing. Fu et al., arXiv 2004.07219.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.artifacts.hdf5 import Hdf5
from tasks.generate.imported.flat import Rows, episodes
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.opened import arrays_below, names_in, opened

NEEDED = {"observations", "actions", "rewards", "terminals"}


def recognises(source: Path) -> bool:
    """Whether it is an HDF5 file of these arrays that d3rlpy did not write."""
    names = names_in(source)
    if "episode_terminals" in names:
        return False
    pieces = names_in(source, "virtual")
    return names >= NEEDED or any(
        names_in(source, f"virtual/{piece}") >= NEEDED for piece in sorted(pieces)[:1]
    )


def read(source: Path, options: Options) -> Logs:
    """Cut the rows into episodes."""
    notes: list[str] = []
    return Logs("d4rl", _logs(source, options, notes), notes=notes)


def _logs(source: Path, options: Options, notes: list[str]) -> Iterator[Log]:
    with opened(source) as stored:
        if "observations" in stored.names(stored.root):
            rows = _rows(stored, stored.root)
            yield from episodes(rows, options, source, notes)
            return
        pieces = stored.group(stored.root, "virtual")
        order = sorted(stored.names(pieces), key=lambda name: (len(name), name))
        for name in order:
            rows = _rows(stored, stored.group(pieces, name))
            yield from episodes(rows, options, source, notes, f"virtual/{name}, ")


def _rows(stored: Hdf5, group: Any) -> Rows:
    """The rows of a group."""
    names = stored.names(group)
    infos = {}
    if "infos" in names:
        inner = stored.group(group, "infos")
        if "action_log_probs" in stored.names(inner):
            infos["log_prob"] = stored.array(inner, "action_log_probs")
    timeouts = stored.array(group, "timeouts") if "timeouts" in names else None
    after = "next_observations"
    following = arrays_below(stored, group, after) if after in names else None
    return Rows(
        arrays_below(stored, group, "observations"),
        stored.array(group, "actions"),
        stored.array(group, "rewards"),
        stored.array(group, "terminals"),
        timeouts,
        next_observations=following,
        infos=infos,
    )
