"""Curves over training, ``curves.csv``, whose hash the policy.json beside it states."""

from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from tasks.artifacts.csv_table import read_table
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_sha256
from tasks.artifacts.formats import Number
from tasks.artifacts.typed_json import read_typed

if TYPE_CHECKING:
    import pandas as pd

CURVES = "curves.csv"


class Horizon(TypedDict):
    """How far the critics of a training came (``tasks/train/engine/horizon.py``).

    Values are mean over seeds, in the learner's scale of rewards.
    """

    share: Number
    value: Number
    data_value: Number


class Origin(TypedDict):
    """What a policy was made of, as far as it speaks of its training."""

    horizon: NotRequired[Horizon]


class Policy(TypedDict):
    """``policy.json``, as far as it speaks of its training."""

    files: NotRequired[dict[str, str]]
    origin: NotRequired[Origin]


ENOUGH, KNOWN = 1.5, 0.8  # of a horizon, and of the data's value


def undertrained(horizon: Horizon) -> bool:
    """Whether critics had less than their horizon and know too little of the data."""
    if horizon["share"] >= ENOUGH or horizon["data_value"] == 0:
        return False
    return horizon["value"] / horizon["data_value"] < KNOWN


def read_horizon(folder: Path, command: str) -> Horizon | None:
    """How far the critics of a training came; None where there were none.

    Args:
        folder: Of the trained policy.
        command: What makes it, for errors.
    """
    origin = read_typed(folder / "policy.json", command, Policy).get("origin", {})
    return origin.get("horizon")


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
