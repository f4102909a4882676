"""CSV and parquet files, looked at before they are read.

A CSV takes memory as its bytes do; of a parquet file the numbers it states are counted
and compared with its size, and text is read as numbers into a list of distinct ones.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError

MAGIC = b"PAR1"  # parquet files begin and end with it
DELIMITERS = ",;\t|"
LONGEST_LINE = 2**20  # bytes of the names in a CSV
MOST_BYTES = 2**33  # of a file, and of the numbers of a parquet file
RATIO = 1000  # bytes of numbers to the bytes of the parquet file that holds them
MEND = "mend the file"


def is_parquet(path: Path) -> bool:
    """Whether a file begins and ends as parquet does."""
    with path.open("rb") as stream:
        if stream.read(4) != MAGIC or path.stat().st_size < 12:
            return False
        stream.seek(-4, 2)
        return stream.read() == MAGIC


def head_of(path: Path) -> tuple[list[str], str] | None:
    """Names in the first line of a CSV and their delimiter; None if it is no CSV.

    The delimiter is the one of comma, semicolon, tab and bar that stands in the line
    most often.
    """
    with path.open("rb") as stream:
        start = stream.readline(LONGEST_LINE)
    if b"\0" in start or start[:1] in (b"{", b"["):
        return None
    try:
        line = start.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    delimiter = max(DELIMITERS, key=line.count)
    if not line.count(delimiter):
        return None
    return next(csv.reader([line], delimiter=delimiter)), delimiter


@contextmanager
def refusing(path: Path, field: str, expected: str) -> Iterator[None]:
    """Refuse, in one line, what pyarrow fails with in a damaged file."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        found = (str(error).splitlines() or [type(error).__name__])[0]
        raise RefusedError(path, field, found, expected, MEND) from None


def open_names(path: Path) -> tuple[list[str], str, Any]:
    """Names of a table's columns, a CSV's delimiter, a parquet file's schema.

    Raises:
        RefusedError: If it is no table or too large, or a name is empty, stands twice,
            or all of them are numbers.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise RefusedError(path, "file", found, "a file", "name a CSV or parquet file")
    if (size := path.stat().st_size) > MOST_BYTES:
        mend = "write it in several files, and import each as a dataset"
        raise RefusedError(path, "bytes", size, f"at most {MOST_BYTES}", mend)
    schema, delimiter = None, ""
    if is_parquet(path):
        schema = _schema(path)
        names = list(schema.names)
    elif head := head_of(path):
        names, delimiter = head
    else:
        expected = "a line of names, in UTF-8, then lines of values"
        raise RefusedError(path, "content", "no CSV", expected, MEND)
    if all(_is_number(name) for name in names):
        expected, found = "a line of names above the rows", ", ".join(names[:5])
        raise RefusedError(path, "row 1", found, expected, MEND)
    counts = Counter(names)
    for name in names:
        if not name.strip() or counts[name] > 1:
            expected = "names, none empty, none twice"
            raise RefusedError(path, "columns", repr(name), expected, MEND)
    return names, delimiter, schema


def _schema(path: Path) -> Any:
    from pyarrow import parquet

    with refusing(path, "content", "parquet"), parquet.ParquetFile(path) as file:
        return file.schema_arrow


def read_csv(path: Path, names: Sequence[str], delimiter: str, decimal: str) -> Any:
    """Columns of a CSV as an Arrow table."""
    from pyarrow import csv as arrow

    convert = arrow.ConvertOptions(
        include_columns=list(names), strings_can_be_null=True, decimal_point=decimal
    )
    # by its name the file might be unpacked
    with refusing(path, "content", "a table"), path.open("rb") as stream:
        return arrow.read_csv(
            stream,
            read_options=arrow.ReadOptions(use_threads=False),
            parse_options=arrow.ParseOptions(delimiter=delimiter),
            convert_options=convert,
        )


def read_parquet(path: Path, names: Sequence[str], texts: Sequence[str]) -> Any:
    """Columns of a parquet file as an Arrow table, text as lists of distinct ones.

    Raises:
        RefusedError: If it is damaged, or states far more numbers than its bytes can
            hold.
    """
    from pyarrow import parquet

    with (
        refusing(path, "content", "parquet"),
        parquet.ParquetFile(path, read_dictionary=list(texts)) as file,
    ):
        stated = _stated_bytes(file.metadata, set(names))
        size = path.stat().st_size
        most = min(MOST_BYTES, RATIO * size)
        if stated > most:
            expected = f"at most {most} for a file of {size} bytes"
            raise RefusedError(path, "numbers", f"{stated} bytes", expected, MEND)
        return file.read(columns=list(names), use_threads=False)


def _stated_bytes(metadata: Any, names: set[str]) -> int:
    """Bytes that the columns' values take, eight each."""
    stated = 0
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            if column.path_in_schema.split(".")[0] in names:
                stated += 8 * max(int(column.num_values), 0)
    return stated


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
