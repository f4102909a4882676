"""One environment from a world: what a recorded dataset's environment is made of."""

from typing import Any

import gymnasium
import numpy as np

from tasks.worlds import Floats, World


class SingleEnv(gymnasium.Env[Any, Any]):
    """A batch of one, as Gymnasium's environment.

    Args:
        world: What it is an environment of.

    Attributes:
        batch: The one.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, world: World) -> None:
        self.observation_space = world.observation_space
        self.action_space = world.action_space
        self.batch = world.make(1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Begin the seed's episode; without one, that of a seed Gymnasium draws."""
        super().reset(seed=seed, options=options)
        drawn = int(self.np_random.integers(2**31))
        observation, _ = self.batch.reset(seed=[drawn if seed is None else seed])
        return observation[0], {}

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Act; the time limit is Gymnasium's."""
        observation, reward, terminated, *_ = self.batch.step(np.asarray(action)[None])
        return observation[0], float(reward[0]), bool(terminated[0]), False, {}
