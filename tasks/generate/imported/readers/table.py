"""CSV and parquet: one row a step, or one row an episode, with columns named by a map.

Rows are sorted by episode and step. Where no column says which episode a row is of, one
ends with each row that says so, at pauses, or after a stated number of steps.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete, Space
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.generate.imported.cutting import Cut
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.mapping import MEND, Columns, resolve
from tasks.generate.imported.nested import is_nested, nested
from tasks.generate.imported.table_files import head_of, is_parquet
from tasks.generate.imported.tables import Table


def recognises(source: Path) -> bool:
    """Whether a file is parquet, or begins with a line of several names."""
    try:
        return source.is_file() and (is_parquet(source) or head_of(source) is not None)
    except OSError:
        return False


def read(source: Path, options: Options) -> Logs:
    """Read a table.

    Raises:
        RefusedError: If the file is damaged, the map does not fit it, or a value is
            missing, of the wrong kind or out of order; names row and column.
    """
    decimal = options.map.get("decimal", ".")
    if decimal not in (".", ","):
        expected = "a point or a comma"
        raise RefusedError(source, "map.decimal", shown(decimal), expected, MEND)
    table = Table(source, decimal)
    columns = resolve(options.map, table.names, source)
    if is_nested(table, columns):
        return nested(table, columns)
    rows = Rows(table, columns, options)
    return Logs(
        "table",
        rows.episodes(),
        action_space=rows.space,
        step_seconds=rows.cut.pace,
        notes=rows.notes,
    )


class Rows:
    """What a table says of each row, sorted and cut into E episodes.

    Args:
        table: Open, not yet read.
        columns: Which is what.
        options: Of the import.

    Attributes:
        space: Of actions that are chosen from several; None: not stated.
        notes: What was guessed and done, in words.

    Raises:
        RefusedError: If a value is missing, of the wrong kind or out of order.
    """

    def __init__(self, table: Table, columns: Columns, options: Options) -> None:
        count = table.read(columns.used())
        self.table, self.columns = table, columns
        self.cut = Cut(table, columns, options.max_episode_steps, count)
        self.notes = [*columns.notes, *self.cut.notes]
        if table.delimiter not in ("", ","):
            self.notes.append(f"delimiter: {table.delimiter!r}")
        self.space: Space[Any] | None = None
        self.gaps = np.zeros(len(self.cut.starts), bool)  # episodes that are left out
        self.actions = self._actions(options)
        self.rewards = None if columns.reward is None else self._side([columns.reward])
        self.obs = self._following("obs", columns.obs, columns.next_obs)
        if columns.dtype:
            self.obs = self.obs.astype(columns.dtype, copy=False)
        self.infos = {
            name: self._following(f"infos.{name}", now, columns.next_infos.get(name))
            for name, now in columns.infos.items()
        }
        if self.gaps.any():
            self.notes.append(f"{self.gaps.sum()} episodes with gaps left out")

    def episodes(self) -> Iterator[Log]:
        """Episodes, one by one; their arrays are views."""
        count, cut = self.cut.count, self.cut
        spans = zip(cut.starts.tolist(), cut.stops.tolist(), strict=True)
        for number, (start, stop) in enumerate(spans):
            if self.gaps[number]:
                continue
            plain = slice(start, stop)
            longer = slice(start + number, stop + number + 1)
            infos = {
                name: values[plain if len(values) == count else longer]
                for name, values in self.infos.items()
            }
            yield Log(
                {"": self.obs[plain if len(self.obs) == count else longer]},
                self.actions[plain],
                None if self.rewards is None else self.rewards[plain],
                *cut.how(number),
                infos,
                cut.name(number),
            )

    def _side(self, names: list[str] | tuple[str, ...]) -> NDArray[Any]:
        """Columns side by side, (N, K), sorted, gaps settled by the map's rule."""
        columns = [self._settled(self.table.numbers(name), name) for name in names]
        return np.concatenate(columns, axis=1) if len(columns) > 1 else columns[0]

    def _settled(self, values: NDArray[Any], name: str) -> NDArray[Any]:
        """A column (N, K), sorted, without gaps but in episodes that are left out."""
        cut, rule = self.cut, self.columns.na
        values = values[cut.order].reshape(cut.count, -1)
        if values.dtype.kind != "f" or not np.isnan(values).any():
            return values
        if rule == "ffill":
            values = self._filled(values, name)
        missing = np.isnan(values).any(axis=1)
        if rule == "drop_episode":
            self.gaps |= np.logical_or.reduceat(missing, cut.starts)
        elif missing.any():
            expected = "a number, or na: drop_episode or ffill in the map"
            cut.refuse(int(np.argmax(missing)), name, "nothing", expected)
        return values

    def _filled(self, values: NDArray[Any], name: str) -> NDArray[Any]:
        """Each gap with the last number before it in its episode."""
        cut = self.cut
        begins = np.repeat(cut.starts, cut.stops - cut.starts)[:, None]
        rows = np.arange(cut.count)[:, None]
        source = np.maximum.accumulate(np.where(np.isnan(values), begins, rows), axis=0)
        self.notes.append(f"{name}: {(source != rows).sum()} gaps filled from above")
        return np.take_along_axis(values, source, axis=0)

    def _actions(self, options: Options) -> NDArray[Any]:
        """Actions in order, (N, A); whether whole ones are choices is left open."""
        names, table = self.columns.action, self.table
        if len(names) == 1 and table.is_text(names[0]):
            codes, labels = table.labels(names[0])
            self.notes.append(f"actions 0, 1, ...: {', '.join(map(str, labels))}")
            self.space = Discrete(options.discrete_actions or len(labels))
            return codes[self.cut.order]
        values = self._side(names)
        if self.columns.discrete is False:
            return values.astype(np.float64)
        if self.columns.discrete:
            known = np.nan_to_num(values.astype(np.float64))
            self.space = Discrete(max(int(known.max()) + 1, 1))
            if (wrong := (known != np.round(known)).any(axis=1)).any():
                at = int(np.argmax(wrong))
                expected = "a whole number, as discrete: true says"
                self.cut.refuse(at, names[0], f"{known[at, 0]:g}", expected)
        return values

    def _following(
        self, key: str, now: tuple[str, ...], later: tuple[str, ...] | None
    ) -> NDArray[Any]:
        """Columns of all rows, (N, K), or (N+E, K) with what followed each last row."""
        values = self._side(now)
        if not later:
            return values
        after, cut = self._side(later), self.cut
        if after.shape != values.shape:
            found, expected = f"{after.shape[1]} columns", f"{values.shape[1]} columns"
            where = f"map.next_{key}"
            raise RefusedError(self.table.path, where, found, expected, MEND)
        differ = (after[:-1] != values[1:]).any(axis=1) & cut.inner[1:]
        if differ.any():
            what = (
                f"next_{key} is not {key} of the following row in {differ.sum()} rows"
            )
            self.notes.append(f"{what}, where that row's own is taken")
        number = np.cumsum(~cut.inner) - 1  # of each row's episode
        kind = np.promote_types(values.dtype, after.dtype)
        both = np.empty((cut.count + len(cut.starts), values.shape[1]), kind)
        both[np.arange(cut.count) + number] = values
        both[cut.stops + np.arange(len(cut.starts))] = after[cut.stops - 1]
        return both
