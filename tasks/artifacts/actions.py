"""Actions of both kinds as arrays, and masks of the legal ones among discrete ones.

A mask is (N, A), above 0.5 where an action is allowed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError

# how far outside its bounds a played action may lie, a share of their width
SLACK = 1e-4


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
    """Pick an allowed action for each of N numbers, evenly.

    Args:
        share: (N,), in [0, 1), drawn evenly.
        legal: Masks (N, A).

    Returns:
        Actions (N,), 0..A-1.
    """
    order = np.cumsum(np.asarray(legal) > 0.5, axis=1)  # (N, A), counts legal ones
    place = np.floor(np.asarray(share) * order[:, -1]) + 1  # among the legal, from 1
    picked: NDArray[np.int64] = np.argmax(order >= place[:, None], axis=1)
    return picked


def action_bounds(space: Box | Discrete) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lowest and highest action, (A,) each; 0 and 1 of one-hot discrete ones."""
    if isinstance(space, Discrete):
        return np.zeros(space.n, np.float32), np.ones(space.n, np.float32)
    return space.low, space.high


def flat_actions(values: NDArray[Any], space: Box | Discrete) -> NDArray[np.float32]:
    """Actions (N, ...) as (N, A), float32; discrete ones one-hot."""
    if isinstance(space, Discrete):
        chosen = np.zeros((len(values), int(space.n)), np.float32)
        chosen[np.arange(len(values)), values] = 1
        return chosen
    return values.reshape(len(values), -1).astype(np.float32)


def check_choices(
    actions: NDArray[Any],
    count: int,
    legal: NDArray[Any] | None,
    number: int,
    where: object,
) -> None:
    """Refuse an episode's discrete actions unless whole, in range and allowed.

    Args:
        actions: (T,).
        count: A, how many there are to choose from.
        legal: (T+1, A), the mask; None allows all.
        number: The episode's, for the error.
        where: For the error.

    Raises:
        RefusedError: If one is not, or the mask forbids every action.
    """
    if not np.issubdtype(actions.dtype, np.integer):
        raise RefusedError(
            where,
            f"episode {number}, step 0, actions",
            f"type {actions.dtype}",
            "whole numbers (int64)",
            "store the number of each action",
        )
    wrong, why, expected = (actions < 0) | (actions >= count), "", f"0 to {count - 1}"
    if legal is not None and not wrong.any():
        check_legal(legal, where, f"episode {number}, infos/legal")
        wrong = legal[np.arange(len(actions)), actions] <= 0.5
        why, expected = ", which the mask forbids", "an allowed action"
    if wrong.any():
        step = int(np.flatnonzero(wrong)[0])
        raise RefusedError(
            where,
            f"episode {number}, step {step}, actions",
            f"{actions[step]}{why}",
            expected,
            "mend the log, the mask or the space",
        )


def check_played(
    action: NDArray[Any], stated: Mapping[str, Any], where: object, step: int
) -> None:
    """Refuse actions that a policy's contract rules out, before a world takes them.

    Args:
        action: (B, A), or numbers (B,).
        stated: The contract's ``outputs.action``: ``low`` and ``high`` (A,), or ``n``.
        where: The policy's file, for the error.
        step: Of the episodes, for the error.

    Raises:
        RefusedError: If a number is not finite, or further outside the bounds than
            :data:`SLACK` of their width, or none of 0..n-1.
    """
    mend = "export and train it again with: dvc repro"
    if not np.isfinite(action).all():
        found = f"a number that is not finite at step {step}"
        raise RefusedError(where, "action", found, "finite actions", mend)
    bounds = (0, stated["n"] - 1) if "n" in stated else (stated["low"], stated["high"])
    low, high = (np.asarray(end, np.float64) for end in bounds)
    slack = 0 if "n" in stated else SLACK * (high - low)
    outside = (action < low - slack) | (action > high + slack)
    if outside.any():
        at = tuple(np.argwhere(outside)[0])
        ends = (float(np.broadcast_to(end, action.shape)[at]) for end in (low, high))
        found = f"{action[at]:g} at step {step}"
        expected = " to ".join(f"{end:g}" for end in ends)
        raise RefusedError(where, "action", found, expected, mend)
