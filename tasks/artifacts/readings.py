"""What was read of a step, which in a corrupted dataset is not what happened.

A corrupted dataset keeps its episodes as they were played, as Minari and ``reset_to``
need them, and the corrupted field beside them in infos, (T+1, ...) with a last row of
zeros that nobody reads. So the observation of a step and the next observation of the
step before are two numbers each, and an action may lie outside its space.

| field | column | row t |
|---|---|---|
| ``obs`` | ``read_observation`` | the observation of step t |
| ``act`` | ``read_action`` | its action |
| ``rew`` | ``read_reward`` | its reward |
| ``next_obs`` | ``read_next_observation`` | its next observation |

``attacked`` is 1.0 where step t was corrupted; it is for logs, not for learning.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.actions import flat_actions

if TYPE_CHECKING:
    from gymnasium.spaces import Box, Discrete

    from tasks.artifacts.episodes import Episode

MASK = "attacked"
COLUMNS = {
    "obs": "read_observation",
    "act": "read_action",
    "rew": "read_reward",
    "next_obs": "read_next_observation",
}


@dataclass(frozen=True)
class Steps:
    """The T steps of an episode as a learner reads them.

    Attributes:
        observation: (T, O).
        action: (T, A), one-hot of a discrete one.
        reward: (T,).
        next_observation: (T, O).
        attacked: (T,), 1.0 where a field was corrupted.
    """

    observation: NDArray[Any]
    action: NDArray[Any]
    reward: NDArray[Any]
    next_observation: NDArray[Any]
    attacked: NDArray[Any]


def steps(episode: "Episode", space: "Box | Discrete") -> Steps:
    """The steps of an episode: each field from its column, else as it was played.

    Args:
        episode: Checked.
        space: Of its actions.
    """
    count, infos = len(episode), episode.infos
    observations = episode.observations.reshape(count + 1, -1)
    played = {
        "obs": observations[:-1],
        "act": flat_actions(episode.actions, space),
        "rew": episode.rewards,
        "next_obs": observations[1:],
    }
    read = {
        field: infos[COLUMNS[field]][:-1] if COLUMNS[field] in infos else values
        for field, values in played.items()
    }
    mask = infos[MASK][:-1] if MASK in infos else np.zeros(count, np.float32)
    return Steps(read["obs"], read["act"], read["rew"], read["next_obs"], mask)


def widths(observation: int, action: int) -> dict[str, tuple[int, ...]]:
    """Shape of one step in each column, and in the mask.

    Args:
        observation: O, numbers in an observation.
        action: A, numbers in an action, one-hot of a discrete one.
    """
    of = {"obs": (observation,), "act": (action,), "rew": ()}
    of |= {"next_obs": (observation,)}
    return {COLUMNS[field]: shape for field, shape in of.items()} | {MASK: ()}
