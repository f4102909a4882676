"""Curves over training, ``curves.csv``, whose hash the policy.json beside it states."""

from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from tasks.artifacts.csv_table import read_table
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_sha256
from tasks.artifacts.typed_json import read_typed

if TYPE_CHECKING:
    import pandas as pd

CURVES = "curves.csv"


class Policy(TypedDict):
    """``policy.json``, as far as it speaks of other files than its weights."""

    files: NotRequired[dict[str, str]]


def read_curves(
    folder: Path, command: str, *columns: str, stated: bool = True
) -> "pd.DataFrame":
    """Read the curves of a training: ``update``, ``seed`` and its metrics.

    Args:
        folder: Of the trained policy.
        command: What makes it, for errors.
        *columns: Metrics that must be among them, finite.
        stated: Whether policy.json has to state their hash; another revision's may not.

    Raises:
        RefusedError: If a file is missing, not the one that was written, or no table.
    """
    path, policy = folder / CURVES, folder / "policy.json"
    files = {}
    if stated or policy.exists():
        files = read_typed(policy, command, Policy).get("files", {})
    if stated and CURVES not in files:
        mend = f"make it again with: {command}"
        field, expected = f"files.{CURVES}", "its hash"
        raise RefusedError(policy, field, "nothing", expected, mend)
    if CURVES in files:
        check_sha256(path, files[CURVES], command)
    return read_table(path, command, *columns)
