"""The rows of a table in order, and where an episode begins and ends.

All of it is done for whole columns at once: a million rows or a hundred thousand
episodes take as long as a few passes over their columns.
"""

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.mapping import Columns
from tasks.generate.imported.tables import Table

IRREGULAR = 1.5  # times the usual step, from which a pause is worth a note
Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]


class Cut:
    """N rows sorted by episode and step, and the E episodes they are cut into.

    Args:
        table: Open, its columns read.
        columns: Which is what.
        longest: Steps after which an episode is cut that no column names; 0: never.
        count: N.

    Attributes:
        order: (N,), place in the table of each sorted row.
        starts, stops: (E,), the first sorted row of each episode and the one after its
            last.
        inner: (N,), rows that follow another one of their episode.
        ends: (E,) by ``terminated`` and ``truncated``, where a column says so.
        stopped: (E,), episodes after which data just stop: at a pause, at the stated
            length or at the end of a file whose rows say where episodes end.
        pace: Usual time between rows, seconds; None without a column of time.
        notes: What was done, in words.

    Raises:
        RefusedError: If nothing says where an episode ends, or a step or time inside an
            episode stands twice, is missing or goes back.
    """

    def __init__(
        self, table: Table, columns: Columns, longest: int, count: int
    ) -> None:
        self.table, self.columns, self.count = table, columns, count
        self.notes: list[str] = []
        self.pace: float | None = None
        self.labels: list[Any] = []
        self.codes = np.zeros(count, np.int64)
        if columns.episode:
            self.codes, self.labels = table.labels(columns.episode)
        step = self._steps()
        time = table.seconds(columns.time, columns.timezone) if columns.time else None
        self.order = self._sorted(step if step is not None else time)
        step = None if step is None else step[self.order]
        time = None if time is None else time[self.order]
        ends = {
            key: table.flags(name)[self.order]
            for key in ("terminated", "truncated")
            if (name := getattr(columns, key))
        }
        first = self._firsts(step, time, ends, longest)
        self.starts = np.flatnonzero(first)
        self.stops = np.append(self.starts[1:], count)
        self.inner = ~first
        last = self.stops - 1
        self.ends = {key: values[last] for key, values in ends.items()}
        self.stopped = self.breaks[last]
        for key, values in ends.items():
            self._check_end(key, values)
        self._check_steps(step)
        self._check_time(time)

    def name(self, number: int) -> str:
        """What the table calls an episode."""
        start, stop = int(self.starts[number]), int(self.stops[number])
        if self.columns.episode:
            label = self.labels[self.codes[self.order[start]]]
            return f"{self.columns.episode} {label}"
        return f"rows {start + 1} to {stop}"

    def refuse(self, at: int, name: str, found: str, expected: str) -> NoReturn:
        """Refuse what a sorted row holds in a column."""
        number = int(np.searchsorted(self.starts, at, "right")) - 1
        where = f"row {self.order[at] + 1}, {name} ({self.name(number)}, step "
        where += f"{at - int(self.starts[number])})"
        self.table.refuse(where, found, expected)

    def how(self, number: int) -> tuple[bool | None, bool | None]:
        """Whether an episode terminated, and whether it was truncated."""
        said = {key: bool(values[number]) for key, values in self.ends.items()}
        terminated, truncated = said.get("terminated"), said.get("truncated")
        if self.stopped[number] and not terminated:
            truncated = True
        return terminated, truncated

    def _steps(self) -> NDArray[np.int64] | None:
        name = self.columns.step
        if name is None:
            return None
        values = self.table.numbers(name)
        if values.ndim > 1 or values.dtype.kind not in "iu":
            expected = "whole numbers without a gap; name a time as time: in the map"
            self.table.refuse(name, f"values of type {values.dtype}", expected)
        return values.astype(np.int64)

    def _sorted(self, key: NDArray[Any] | None) -> NDArray[np.int64]:
        """The rows by episode, then by step or time, else as they lie."""
        rows = np.arange(self.count)
        if not self.columns.episode:
            return rows
        keys = (rows, self.codes) if key is None else (rows, key, self.codes)
        order: NDArray[np.int64] = np.lexsort(keys)
        if (order != rows).any():
            self.notes.append("rows sorted by episode and step")
        return order

    def _firsts(
        self,
        step: NDArray[np.int64] | None,
        time: Floats | None,
        ends: dict[str, Flags],
        longest: int,
    ) -> Flags:
        """The rows with which an episode begins."""
        codes, gap = self.codes[self.order], self.columns.gap
        first = np.diff(codes, prepend=codes[0] - 1) != 0
        self.breaks = np.zeros(self.count, bool)  # rows after which data just stop
        if time is not None and gap:
            self.breaks[:-1] = (np.diff(time) > gap) & ~first[1:]
            self.notes.append(f"{self.breaks.sum()} pauses over {gap:g} s cut rows")
        if not self.columns.episode:
            if not (ends or gap or longest or step is not None):
                self._refuse_whole()
            ended = np.zeros(self.count, bool)
            for values in ends.values():
                ended |= values
            first[1:] |= ended[:-1]
            if step is not None:  # begins again with the number of its first row
                first |= step == step[0]
            self.breaks[-1] = bool(ends) and not ended[-1]
        first[1:] |= self.breaks[:-1]
        if longest and not self.columns.episode:
            starts = np.flatnonzero(first)
            lengths = np.diff(np.append(starts, self.count))
            since = np.arange(self.count) - np.repeat(starts, lengths)
            again = (since % longest == 0) & ~first
            self.breaks[:-1] |= again[1:]
            first |= again
        return first

    def _refuse_whole(self) -> NoReturn:
        raise RefusedError(
            self.table.path,
            "columns",
            "nothing that says where an episode ends",
            "a column for episode, step, terminated or truncated, or a gap in time",
            "say it in a map, e.g. MAP=map.yaml with episode: run_id",
        )

    def _check_end(self, key: str, values: Flags) -> None:
        """Refuse a row that ends its episode though others of it follow."""
        wrong = values[:-1] & self.inner[1:]
        if wrong.any():
            name = str(getattr(self.columns, key))
            expected = "an end on an episode's last row alone"
            self.refuse(int(np.argmax(wrong)), name, "an end before it", expected)

    def _check_steps(self, step: NDArray[np.int64] | None) -> None:
        """Refuse steps that stand twice, or are missing inside an episode."""
        if step is None:
            return
        wrong = self.inner & (np.diff(step, prepend=step[0]) != 1)
        if wrong.any():
            at = int(np.argmax(wrong))
            found = f"step {step[at]} after step {step[at - 1]}"
            expected = f"step {step[at - 1] + 1}"
            self.refuse(at, str(self.columns.step), found, expected)

    def _check_time(self, time: Floats | None) -> None:
        """Refuse times that do not go up inside an episode; note how far apart."""
        if time is None:
            return
        ahead = np.diff(time, prepend=time[0])
        wrong = self.inner & (ahead <= 0)
        if wrong.any():
            at = int(np.argmax(wrong))
            found = f"{ahead[at]:g} s after the row before"
            self.refuse(at, str(self.columns.time), found, "a later time")
        if self.inner.any():
            self.pace = float(np.median(ahead[self.inner]))
            longest, said = float(ahead[self.inner].max()), ""
            if longest > IRREGULAR * self.pace:
                said = (
                    f", the longest {longest:g} s; gap: SECONDS in the map cuts there"
                )
            self.notes.append(f"rows are {self.pace:g} s apart{said}")
