"""A table's columns as numbers, flags, labels and seconds, or refused by row."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.table_files import (
    MEND,
    open_names,
    read_csv,
    read_parquet,
    refusing,
)

NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"


class Table:
    """An open table; its columns are read together, once, in rows as the file has them.

    Args:
        path: The file.
        decimal: The sign before a CSV's decimals, a point or a comma.

    Raises:
        RefusedError: If it is no table, or larger than its bytes can hold.
    """

    def __init__(self, path: Path, decimal: str = ".") -> None:
        self.path, self.decimal = path, decimal
        self.names, self.delimiter, self.schema = open_names(path)
        self.parquet = self.schema is not None
        self.columns: Any = None

    def read(self, names: Sequence[str]) -> int:
        """Read columns; returns the number of rows.

        Raises:
            RefusedError: If the file is damaged, or has no rows.
        """
        if self.parquet:
            texts = [name for name in names if self.is_text(name)]
            table = read_parquet(self.path, names, texts)
        else:
            table = read_csv(self.path, names, self.delimiter, self.decimal)
        if table.num_rows == 0:
            self.refuse("rows", "none", "at least one")
        self.columns = table.unify_dictionaries()
        return int(table.num_rows)

    def numbers(self, name: str) -> NDArray[Any]:
        """A column of numbers, (N,) or (N, K) where each cell is a list of K.

        Whole numbers without a gap stay whole; a gap is NaN.

        Raises:
            RefusedError: On text, dates and infinities, with row and column.
        """
        column = self.columns[name].combine_chunks()
        column, width = self._flat(name, column, "row {}")
        values = self._numeric(name, column, lambda at: at // (width or 1))
        return values.reshape(-1, width) if width else values

    def lists(self, name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """A column of lists: their numbers, (M,) or (M, K), and their lengths, (N,).

        Raises:
            RefusedError: On a missing or empty list, and as :meth:`numbers`.
        """
        column = self.columns[name].combine_chunks()
        if not hasattr(column, "value_lengths"):
            expected = "a list of all steps of an episode in each row"
            self.refuse(name, f"values of type {column.type}", expected)
        lengths = column.value_lengths().fill_null(0)
        lengths = lengths.to_numpy(zero_copy_only=False).astype(np.int64)
        if (empty := lengths < 1).any():
            where = f"row {np.argmax(empty) + 1}, {name}"
            self.refuse(where, "no steps", "a list of at least one")
        stops = np.cumsum(lengths)
        column, width = self._flat(name, column.flatten(), "step {} of all rows")
        values = self._numeric(
            name,
            column,
            lambda at: int(np.searchsorted(stops, at // (width or 1), "right")),
        )
        return (values.reshape(-1, width) if width else values), lengths

    def depth(self, name: str) -> int:
        """How many lists a parquet column's numbers are inside of."""
        import pyarrow as pa

        kind, depth = self.schema.field(name).type, 0
        while pa.types.is_nested(kind) and kind.num_fields == 1:
            kind, depth = kind.field(0).type, depth + 1
        return depth

    def flags(self, name: str) -> NDArray[np.bool_]:
        """A column of true and false, or 1 and 0.

        Raises:
            RefusedError: On anything else, with row and column.
        """
        values = self.numbers(name)
        bad = (values != 0) & (values != 1)
        if bad.any() or values.ndim > 1:
            row = int(np.argmax(bad))
            found, expected = f"{values[row]}", "true or false, or 1 or 0"
            self.refuse(f"row {row + 1}, {name}", found, expected)
        return values.astype(bool)

    def labels(self, name: str) -> tuple[NDArray[np.int64], list[Any]]:
        """A column as numbers 0.. and what each stands for, in sorted order.

        Raises:
            RefusedError: On a gap, with its row.
        """
        column = self.columns[name].combine_chunks()
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            self.refuse(f"row {row + 1}, {name}", "nothing", "a value in each row")
        with refusing(self.path, name, "numbers or words"):
            if not hasattr(column, "indices"):
                column = column.dictionary_encode()
            values = column.dictionary.to_pylist()
        if any(isinstance(value, float) and math.isnan(value) for value in values):
            self.refuse(name, "nan", "a value in each row")
        order = sorted(range(len(values)), key=values.__getitem__)
        places = np.empty(max(len(order), 1), np.int64)
        places[order] = np.arange(len(order))
        codes = column.indices.to_numpy(zero_copy_only=False)
        return places[codes], [values[i] for i in order]

    def seconds(self, name: str, timezone: str) -> NDArray[np.float64]:
        """A column of times, in seconds since its first row.

        Args:
            name: Of numbers, in seconds, or of dates.
            timezone: Of dates that state none; empty: not known, taken as they stand.

        Raises:
            RefusedError: On a gap, an unknown time zone, or what is no time.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.columns[name].combine_chunks()
        if pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("ms"))
        if pa.types.is_timestamp(column.type):
            with refusing(self.path, name, "times of that time zone"):
                if timezone and column.type.tz is None:
                    column = pc.assume_timezone(column, timezone)
                ticks = column.cast(pa.timestamp("ns", column.type.tz))
            values = ticks.cast(pa.int64()).to_numpy(zero_copy_only=False)
            if not ticks.null_count:
                return (values - values[0]) / 1e9
        else:
            values = self.numbers(name)
        if values.ndim > 1 or (bad := np.isnan(values.astype(float))).any():
            row = int(np.argmax(bad)) + 1 if values.ndim == 1 else 1
            self.refuse(f"row {row}, {name}", "no time", "a time in each row")
        return (values - values[0]).astype(np.float64)

    def is_text(self, name: str) -> bool:
        """Whether a column holds text, read or still to be."""
        import pyarrow as pa

        source = self.schema if self.columns is None else self.columns.schema
        kind = source.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        return pa.types.is_string(kind) or pa.types.is_large_string(kind)

    def refuse(self, field: str, found: object, expected: object) -> NoReturn:
        """Refuse what stands in the table."""
        raise RefusedError(self.path, field, found, expected, MEND)

    def _flat(self, name: str, column: Any, place: str) -> tuple[Any, int]:
        """Lists of one length as numbers in a row, and that length; 0 if no lists."""
        import pyarrow as pa

        if not (pa.types.is_nested(column.type) and hasattr(column, "value_lengths")):
            return column, 0
        lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        width = int(lengths[0]) if len(lengths) else 0
        if width == 0 or (bad := lengths != width).any():
            at = int(np.argmax(bad)) if width else 0
            expected = f"{width} as in the first" if width else "at least one"
            where = f"{place.format(at + 1)}, {name}"
            self.refuse(where, f"{lengths[at]} numbers", expected)
        return column.flatten(), width

    def _numeric(
        self, name: str, column: Any, row: Callable[[int], int]
    ) -> NDArray[Any]:
        """Numbers of an Arrow array; whole ones without a gap stay whole."""
        import pyarrow as pa

        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            self._refuse_text(name, column, row)
        if pa.types.is_boolean(kind):
            column = column.cast(pa.int8())
        elif pa.types.is_null(kind) or pa.types.is_decimal(kind):
            column = column.cast(pa.float64())
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            self.refuse(name, f"values of type {kind}", "numbers")
        if column.null_count and not pa.types.is_floating(column.type):
            column = column.cast(pa.float64(), safe=False)
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind == "f" and (bad := np.isinf(values)).any():
            where = f"row {row(int(np.argmax(bad))) + 1}, {name}"
            self.refuse(where, "an infinity", "a finite number")
        return values

    def _refuse_text(
        self, name: str, column: Any, row: Callable[[int], int]
    ) -> NoReturn:
        """Name the first text that stands among numbers."""
        import pyarrow.compute as pc

        fits = pc.match_substring_regex(column, NUMBER).fill_null(True)
        numbers = fits.to_numpy(zero_copy_only=False)
        at = int(np.argmin(numbers))
        found = repr(column[at].as_py())[:80]
        self.refuse(f"row {row(at) + 1}, {name}", found, "a number")
