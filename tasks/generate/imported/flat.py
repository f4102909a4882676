"""Files of rows, one a step, in which episodes follow each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.columns import again
from tasks.generate.imported.logs import Log, Options


@dataclass(frozen=True)
class Rows:
    """N rows, each with the observation, what was done, and what came of it.

    Attributes:
        observations: (N, ...) each, by name.
        actions: (N, ...).
        rewards: (N,) or (N, 1); None: there are none.
        terminals: (N,) or (N, 1), where the task ended; None: nothing says so.
        timeouts: (N,) or (N, 1), where time ran out; None: nothing says so.
        done: (N,) or (N, 1), where an episode ended, whyever; None: the two above say.
        next_observations: (N, ...) each; None: they are the next rows' alone.
        infos: (N, ...) each.
    """

    observations: Mapping[str, NDArray[Any]]
    actions: NDArray[Any]
    rewards: NDArray[Any] | None
    terminals: NDArray[Any] | None = None
    timeouts: NDArray[Any] | None = None
    done: NDArray[Any] | None = None
    next_observations: Mapping[str, NDArray[Any]] | None = None
    infos: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """N."""
        return len(self.actions)


def episodes(
    rows: Rows, options: Options, source: object, notes: list[str], prefix: str = ""
) -> Iterator[Log]:
    """Cut rows into episodes.

    After every row where the task ended or time ran out; where nothing says that time
    ran out, after ``max_episode_steps``. What is left at the end is an episode that
    was not finished.

    Args:
        rows: The whole file.
        options: Of the import.
        source: For errors.
        notes: Gets what was assumed.
        prefix: Of what errors call an episode.

    Raises:
        RefusedError: If columns differ in length, or nothing says where to cut.
    """
    n = len(rows)
    _check_lengths(rows, n, source)
    terminal, timeout, done = (
        _flags(flags, n) for flags in (rows.terminals, rows.timeouts, rows.done)
    )
    unclear = rows.done is not None and rows.terminals is None
    if rows.done is not None and rows.timeouts is not None and rows.terminals is None:
        terminal, unclear = done & ~timeout, False
    ends = terminal | timeout | done
    if rows.timeouts is None and rows.done is None:
        if not options.max_episode_steps:
            raise RefusedError(
                source,
                "timeouts",
                "no column that says where time ran out",
                "the time limit, so that one episode is told from the next",
                again("max_episode_steps=1000") + ", or another number",
            )
        _cut(ends, options.max_episode_steps)
        notes.append(f"no time-outs: cut after {options.max_episode_steps} steps")
    lasts = np.flatnonzero(ends).tolist()
    if not lasts or lasts[-1] != n - 1:
        notes.append("the last episode was not finished: truncated")
        lasts.append(n - 1)
    first = 0
    for number, last in enumerate(lasts):
        part = slice(first, last + 1)
        finished = bool(ends[last])
        open_end = unclear and finished  # ended, and nothing says how
        yield Log(
            _observations(rows, part),
            rows.actions[part],
            None if rows.rewards is None else rows.rewards[part],
            None if open_end else bool(terminal[last]),
            None if open_end else bool(timeout[last] or not terminal[last]),
            {name: values[part] for name, values in rows.infos.items()},
            f"{prefix}episode {number}, rows {first} to {last}",
        )
        first = last + 1


def _observations(rows: Rows, part: slice) -> dict[str, NDArray[Any]]:
    """Those of some rows, with what followed the last one if the file has it."""
    own = {name: values[part] for name, values in rows.observations.items()}
    if rows.next_observations is None:
        return own
    last = slice(part.stop - 1, part.stop)
    return {
        name: np.concatenate([values, rows.next_observations[name][last]])
        for name, values in own.items()
    }


def _flags(flags: NDArray[Any] | None, n: int) -> NDArray[np.bool_]:
    """End flags (N,), of any type of number."""
    if flags is None:
        return np.zeros(n, dtype=bool)
    return np.asarray(flags.reshape(n) != 0)


def _cut(ends: NDArray[np.bool_], most: int) -> None:
    """End every episode that is longer than so many steps, in place."""
    start = 0
    for end in [*np.flatnonzero(ends).tolist(), len(ends)]:
        ends[np.arange(start + most - 1, end, most)] = True
        start = end + 1


def _check_lengths(rows: Rows, n: int, source: object) -> None:
    """Refuse columns that have not one row a step."""
    columns: dict[str, NDArray[Any] | None] = {
        "rewards": rows.rewards,
        "terminals": rows.terminals,
        "timeouts": rows.timeouts,
        "done": rows.done,
    }
    columns |= {
        f"observations/{k}".rstrip("/"): v for k, v in rows.observations.items()
    }
    for name, values in (rows.next_observations or {}).items():
        columns[f"next_observations/{name}".rstrip("/")] = values
    for name, column in columns.items():
        if column is not None and len(column) != n:
            found, mend = f"{len(column)} rows", "mend the source"
            raise RefusedError(source, name, found, f"{n}, as of actions", mend)
    for name in ("terminals", "timeouts", "done"):
        flags = columns[name]
        if flags is not None and (flags.size != n or flags.dtype.kind not in "fiub"):
            found = f"{flags.dtype} of shape {flags.shape}"
            raise RefusedError(source, name, found, "one flag a row", "mend the source")
    if n == 0:
        raise RefusedError(source, "actions", "0 rows", "at least 1", "record some")
