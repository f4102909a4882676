"""Whether float32, in which policies read observations, tells them apart.

A column that is large and varies little, such as a time of day in seconds since 1970 or
an encoder's count, loses digits in float32 that no normaliser brings back: rows.bin and
the input of an ONNX file are float32.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.transitions import ROUNDING

if TYPE_CHECKING:
    from tasks.artifacts.episodes import Episode

COARSE = 1e-3  # of a column's deviation: float32's step above it may matter
MOST_LOST = 0.5  # of a column's distinct values
LOOKED_AT = 65_536  # observations


def check_precision(episodes: "Sequence[Episode]", where: object) -> None:
    """Refuse observations most of whose distinct values are one to float32.

    Columns whose deviation is float64's rounding error are constant and pass, and so do
    those where float32's step is at most :data:`COARSE` of the deviation.

    Args:
        episodes: Checked; of many observations every k-th is looked at.
        where: The dataset, for errors.

    Raises:
        RefusedError: With the column, the share that is lost, and its size and spread.
    """
    if episodes[0].observations.dtype.kind == "f" and (
        episodes[0].observations.dtype.itemsize <= 4
    ):
        return
    total = sum(len(episode.observations) for episode in episodes)
    every, before, parts = -(-total // LOOKED_AT), 0, []
    for episode in episodes:
        parts.append(episode.observations[-before % every :: every])
        before += len(episode.observations)
    rows = np.concatenate(parts)
    for column, found in losses(rows.reshape(len(rows), -1)).items():
        raise RefusedError(
            where,
            f"observation {column}",
            found,
            f"at most {MOST_LOST:.0%} lost, as policies read float32",
            "subtract a constant of its size from it before it is recorded, or "
            "leave it out",
        )


def losses(rows: NDArray[Any]) -> dict[int, str]:
    """Columns most of whose distinct values are one to float32, and how many in words.

    Args:
        rows: (N, O).
    """
    rows = rows.astype(np.float64)
    largest, std = np.abs(rows).max(axis=0), rows.std(axis=0)
    step = np.spacing(largest.astype(np.float32)).astype(np.float64)
    suspects = (step > COARSE * std) & (std > ROUNDING * largest)
    found = {}
    for column in map(int, np.flatnonzero(suspects)):
        values = np.unique(rows[:, column])
        kept = np.unique(values.astype(np.float32))
        lost = 1 - len(kept) / len(values)
        if lost > MOST_LOST:
            found[column] = (
                f"{lost:.1%} of its distinct values are one to float32 (up to "
                f"{largest[column]:.6g}, deviation {std[column]:.3g})"
            )
    return found
