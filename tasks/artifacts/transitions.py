"""A dataset as flat arrays, what learners read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

STD_FLOOR = 1e-3  # added to the deviation, as TD3+BC does (arXiv 2106.06860)


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
        observation_std: (O,), deviation + 1e-3, so a constant sensor cannot blow up.
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
