"""What a world says of its observations and actions, to compare a policy with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.actions import action_bounds
from tasks.artifacts.rows import load_transitions
from tasks.worlds.engine.recorded import read_checked

if TYPE_CHECKING:
    from tasks.worlds import World


@dataclass(frozen=True)
class Spaces:
    """Of one world.

    Attributes:
        observation: O.
        low: (A,), lower action bounds; of discrete actions zeros.
        high: (A,), upper action bounds; of discrete actions ones.
        discrete: Whether an action is the number of one of A.
        about: ``world``, ``env_id`` and ``step_seconds``.
    """

    observation: int
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    discrete: bool
    about: Mapping[str, Any]

    @property
    def action(self) -> int:
        """A."""
        return len(self.low)

    @classmethod
    def of_world(cls, world: "World") -> "Spaces":
        """Those of a world."""
        low, high = action_bounds(world.action_space)
        about = {
            "world": world.params.name,
            "env_id": world.params.env_id,
            "step_seconds": world.step_seconds,
        }
        width = int(np.prod(world.observation_space.shape or (1,)))
        return cls(width, low.reshape(-1), high.reshape(-1), world.discrete, about)

    @classmethod
    def of_dataset(cls, folder: Path) -> tuple["Spaces", str]:
        """Those of a dataset, and the SHA-256 of its episodes.

        Raises:
            RefusedError: If the dataset is missing or broken.
        """
        data, world = load_transitions(folder), read_checked(folder)
        about = {
            "world": world["world"]["name"],
            "env_id": world["world"]["env_id"],
            "step_seconds": world["step_seconds"],
        }
        width, bounds = data.observation.shape[1], (data.action_low, data.action_high)
        return cls(width, *bounds, data.discrete, about), data.sha256
