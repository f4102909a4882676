"""Parquet with one row an episode: each cell is the list of all its steps' values."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete, Space
from numpy.typing import NDArray

from tasks.generate.imported.logs import Log, Logs
from tasks.generate.imported.mapping import Columns
from tasks.generate.imported.tables import Table


def is_nested(table: Table, columns: Columns) -> bool:
    """Whether each cell of a table's observations is a list of lists."""
    return table.parquet and len(columns.obs) == 1 and table.depth(columns.obs[0]) == 2


def nested(table: Table, columns: Columns) -> Logs:
    """Read a table of one row an episode.

    Its observations and actions are one column each. A row has T observations; what
    followed the last action is not in it.

    Args:
        table: Open, not yet read.
        columns: Which is what; one for episode or step is not needed.

    Raises:
        RefusedError: If a list is empty, of another length than the row's others, or
            holds what is no number.
    """
    if len(columns.action) != 1:
        table.refuse("columns", ", ".join(columns.action), "one column of actions")
    names = {"obs": columns.obs[0], "action": columns.action[0]}
    names |= {
        key: name
        for key in ("reward", "terminated", "truncated", "episode")
        if (name := getattr(columns, key))
    }
    count = table.read(list(names.values()))
    steps = {key: n for key, n in names.items() if key != "episode"}
    parts = {key: table.lists(name) for key, name in steps.items()}
    lengths = parts["obs"][1]
    for key, (_, others) in parts.items():
        if (wrong := lengths != others).any():
            row = int(np.argmax(wrong))
            found, expected = f"{others[row]} steps", f"{lengths[row]} as in obs"
            table.refuse(f"row {row + 1}, {names[key]}", found, expected)
    values = {key: part for key, (part, _) in parts.items()}
    space: Space[Any] | None = None
    if columns.discrete:
        space = Discrete(max(int(values["action"].max()) + 1, 1))
    elif columns.discrete is False:
        values["action"] = values["action"].astype(np.float64)
    labels = table.labels(names["episode"]) if "episode" in names else None
    where = [
        f"row {row + 1}" if labels is None else f"episode {labels[1][labels[0][row]]}"
        for row in range(count)
    ]
    stops = np.cumsum(lengths)
    episodes = _episodes(values, stops - lengths, stops, where)
    return Logs("table", episodes, action_space=space, notes=list(columns.notes))


def _episodes(
    values: dict[str, NDArray[Any]],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    where: list[str],
) -> Iterator[Log]:
    """Episodes, one by one; their arrays are views."""
    rewards = values.get("reward")
    spans = zip(starts.tolist(), stops.tolist(), where, strict=True)
    for start, stop, name in spans:
        terminated, truncated = (
            None if key not in values else bool(values[key][stop - 1])
            for key in ("terminated", "truncated")
        )
        yield Log(
            {"": values["obs"][start:stop]},
            values["action"][start:stop],
            None if rewards is None else rewards[start:stop],
            terminated,
            truncated,
            where=name,
        )
