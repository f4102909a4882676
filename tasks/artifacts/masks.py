"""Masks of legal actions: (N, A), above 0.5 where an action is allowed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError


def check_legal(legal: NDArray[Any], where: object, field: str = "legal") -> None:
    """Refuse a mask that forbids every action.

    Args:
        legal: (N, A).
        where: For the error.
        field: For the error; the row is added.

    Raises:
        RefusedError: If a row has no allowed action.
    """
    stuck = ~(np.asarray(legal) > 0.5).any(axis=-1)
    if stuck.any():
        raise RefusedError(
            where,
            f"{field}, row {int(np.flatnonzero(stuck)[0])}",
            "a mask that forbids every action",
            "at least one allowed action",
            "mend what makes the mask",
        )


def pick_legal(share: NDArray[Any], legal: NDArray[Any]) -> NDArray[np.int64]:
    """Allowed actions, evenly: numbers in [0, 1) (N,) and masks (N, A) -> (N,)."""
    order = np.cumsum(np.asarray(legal) > 0.5, axis=1)  # (N, A)
    wanted = np.floor(np.asarray(share) * order[:, -1]) + 1
    picked: NDArray[np.int64] = np.argmax(order >= wanted[:, None], axis=1)
    return picked
