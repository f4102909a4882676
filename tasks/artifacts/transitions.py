"""A dataset as flat arrays, what learners read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

STILL = 2.0**-23  # of a column's size, a step of float32: what varies less is constant
ROUNDING = 1e-12  # of the largest column: one no larger is rounding and no data
LEVER = 1e-3  # a constant column is divided by this share of its size, rounding by it


def divisor(std: NDArray[np.float64], largest: NDArray[np.float64]) -> Any:
    """What centred columns are divided by: their deviation, whatever their unit.

    Args:
        std: (O,), deviation.
        largest: (O,), largest magnitude.

    Returns:
        (O,) float64. Of a constant column :data:`LEVER` of its size, so that a sensor
        that moves for the first time where it is deployed cannot blow up.
    """
    nothing = largest <= ROUNDING * largest.max(initial=0.0)
    levers = LEVER * np.where(nothing, 1.0, largest)
    return np.where(nothing | (std <= STILL * largest), levers, std)


def constant_columns(mean: Any, std: Any) -> Any:
    """Which columns (O,) :func:`divisor` took for constant, as their mean tells."""
    size = abs(mean)
    lever = LEVER * (size + (size == 0))
    return (abs(std - lever) <= 1e-6 * lever) & (size > 0) | (std == LEVER)


@dataclass(frozen=True)
class Transitions:
    """A dataset as flat arrays: N steps of all episodes, in order.

    Attributes:
        observation: (N, O), units of the world.
        action: (N, A), inside the world's bounds; one-hot of a discrete one.
        reward: (N,), units of the world.
        next_observation: (N, O), the true one also where the episode was truncated.
        terminated: (N,), 1.0 where the task ended; truncated steps are 0.0.
        episode: (N,) int64, number of the episode.
        observation_mean: (O,).
        observation_std: (O,), deviation; of constant columns see :func:`divisor`.
        action_low: (A,), the world's bounds.
        action_high: (A,).
        returns: (episodes,) float64, undiscounted.
        dataset_id: With version.
        sha256: Of main_data.hdf5.
        discrete: Actions are one-hot, their bounds 0 and 1.
        legal: (N, A), 1.0 where an action is allowed; None if all always are.
        next_legal: (N, A), the same at the next observation.
        log_prob: (N,) float64, log density of the action under the behaviour that took
            it (``density.py``); None where it could not tell.
        attacked: (N,), 1.0 where a step was corrupted; None unless the dataset was
            made by corrupting another. Its fields are then the corrupted ones, actions
            may lie outside their bounds, and so may observations.
    """

    observation: Array
    action: Array
    reward: Array
    next_observation: Array
    terminated: Array
    episode: NDArray[np.int64]
    observation_mean: Array
    observation_std: Array
    action_low: Array
    action_high: Array
    returns: NDArray[np.float64]
    dataset_id: str
    sha256: str
    discrete: bool = False
    legal: Array | None = None
    next_legal: Array | None = None
    log_prob: NDArray[np.float64] | None = None
    attacked: Array | None = None
