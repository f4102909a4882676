"""Classic-control worlds of Gymnasium, whole batches of them stepped as arrays.

A world gives its physics in numpy, in the very order of operations Gymnasium uses, so
that results equal Gymnasium's to the last bit.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
from gymnasium.utils.seeding import np_random

from tasks.worlds import Batch, Floats, World, WorldParams


class ClassicBatch(Batch):
    """Sub-environments whose physics has a few constants that can be scaled.

    Attributes:
        nominal: Gymnasium's constants, by name.
        psi: The constants in force.
    """

    nominal: ClassVar[Mapping[str, float]]

    def __init__(self, world: World, num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.psi = dict(self.nominal)

    def set_params(self, psi: Mapping[str, float]) -> None:
        """Scale constants of the physics from their nominal values.

        Args:
            psi: Factors by name, 1 is nominal. Names left out return to nominal.

        Raises:
            ValueError: On another name, or a factor that is not positive.
        """
        for name, factor in psi.items():
            if name not in self.nominal or not factor > 0:
                raise ValueError(
                    f"{name}={factor}: known are {', '.join(self.nominal)}, > 0"
                )
        self.psi = {name: v * psi.get(name, 1.0) for name, v in self.nominal.items()}


class ClassicWorld(World):
    """A world with the spaces of Gymnasium's environment.

    Attributes:
        batch: The class of its batches.
    """

    batch: ClassVar[type[ClassicBatch]]

    def __init__(self, params: WorldParams) -> None:
        super().__init__(params)
        env: Any = gymnasium.make(params.env_id).unwrapped
        self.observation_space = env.observation_space
        self.action_space = env.action_space

    def make(self, num_envs: int) -> ClassicBatch:
        """A batch of sub-environments, to be reset before the first step."""
        return self.batch(self, num_envs)


def uniform_start(seed: int, high: Floats) -> Floats:
    """A start state drawn from U(-high, high), as Gymnasium draws it; like ``high``."""
    return np_random(seed)[0].uniform(low=-high, high=high)
