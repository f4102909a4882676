"""Tables of numbers as CSV: curves over training, returns on the way.

A row says of which update and seed it is. The JSON beside such a table states its hash.
"""

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.artifacts.errors import RefusedError

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("update", "seed", "episode", "start_seed")  # columns of whole numbers, from 0
NEEDED = ("update", "seed")
NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)  # of a column; files have it
LARGEST = 3.5e38  # a float32 is not larger


def read_table(path: Path, command: str, *columns: str) -> "pd.DataFrame":
    """Read a table of numbers.

    Args:
        path: The file.
        command: What makes it, for errors.
        *columns: Names of columns it must have beside :data:`NEEDED`, with a finite
            number in each row; others may have gaps, NaN or infinities.

    Raises:
        RefusedError: If the file is missing, no such table, has no rows, or a column
            holds what is no number or too large for one.
    """
    import pandas as pd  # takes long, and not every reader of this room needs it

    again = f"make it again with: {command}"
    if not path.exists():
        mend = f"make it with: {command}"
        raise RefusedError(path, "file", "nothing", "a file", mend)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            head = next(csv.reader(stream), [])
        table = pd.read_csv(path)
    except (OSError, ValueError, csv.Error) as error:  # empty, no text or no table
        raise RefusedError(path, "content", error, "a table", again) from None
    if missing := [name for name in (*NEEDED, *columns) if name not in head]:
        raise RefusedError(path, "columns", head, f"also {missing}", again)
    for name in head:
        if not NAME.fullmatch(name) or head.count(name) > 1:
            expected = "names of letters and digits, none twice"
            raise RefusedError(path, "columns", repr(name), expected, again)
    if table.empty or list(table) != head:  # a row has more cells than the head
        raise RefusedError(path, "rows", "none", "at least one below the head", again)
    for name in head:
        fault = _fault(table[name], name in WHOLE, name in columns)
        if fault:
            raise RefusedError(path, name, *fault, again)
    return table


def _fault(
    values: "pd.Series[float]", whole: bool, finite: bool
) -> tuple[str, str] | None:
    """What a column holds instead of what; None where it is right."""
    kind = values.dtype.kind
    if kind not in ("iu" if whole else "iuf"):
        return f"type {kind}", "whole numbers" if whole else "numbers"
    if whole and values.min() < 0:
        return f"{values.min()}", "0 or more"
    numbers = values.to_numpy(np.float64)
    if finite and not np.isfinite(numbers).all():
        return "a number that is not finite", "finite numbers"
    known = np.abs(numbers[np.isfinite(numbers)])
    if len(known) and known.max() > LARGEST:
        return f"{known.max():g}", f"at most {LARGEST:g}, or inf"
    return None
