"""Columns of a parquet file, whose types and length are looked at before it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError

MOST_ROWS = 10**7  # of a table whose length is not known beforehand


def read_columns(
    path: Path, types: Mapping[str, str], mend: str, rows: int | None = None
) -> dict[str, NDArray[Any]]:
    """Read a table of exactly these columns, without gaps.

    Args:
        path: The file.
        types: Arrow's type of each column, e.g. ``int64``, in their order.
        mend: For errors.
        rows: How many it must have; None takes at most :data:`MOST_ROWS`.

    Raises:
        RefusedError: If the file is missing, no parquet, or such a table.
    """
    import pyarrow
    from pyarrow import parquet

    if not path.is_file():
        raise RefusedError(path, "file", "nothing", "a file", mend)
    try:
        with parquet.ParquetFile(path) as file:
            fields = {f.name: str(f.type) for f in file.schema_arrow}
            names, count = file.schema_arrow.names, file.metadata.num_rows
            if names != list(types):
                raise RefusedError(path, "columns", names, list(types), mend)
            for name, kind in types.items():
                if fields[name] != kind:
                    raise RefusedError(path, name, fields[name], kind, mend)
            limit = MOST_ROWS if rows is None else rows
            if count > limit or (rows is not None and count != rows):
                expected = f"at most {limit}" if rows is None else rows
                raise RefusedError(path, "rows", count, expected, mend)
            table = file.read(use_threads=False)
        for name in types:
            if table[name].null_count:
                raise RefusedError(path, name, "a gap", "a value in each row", mend)
        return {name: table[name].to_numpy() for name in types}
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RefusedError(path, "content", reason, "parquet", mend) from None
